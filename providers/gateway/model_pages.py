"""`GET /v1/models` and `GET /v1/models/{id}`, as OpenAI or, for its clients, Anthropic has them."""

from datetime import UTC, datetime
from typing import Any

from providers.gateway.authentication import Caller
from providers.gateway.core import Core
from providers.gateway.exchange import MODELS, Exchange, json_bytes
from providers.gateway.routing import Catalogue, Route


async def list_models(core: Core, exchange: Exchange, caller: Caller) -> None:
    core.check_rate(exchange, caller)
    catalogue = (await core.directory.get()).for_caller(caller)
    rows = [_row(exchange, catalogue, route) for route in catalogue.routes]
    body: dict[str, Any] = {"object": "list", "data": rows}
    if exchange.is_anthropic:
        ids = [row["id"] for row in rows] or [None]
        body = {"data": rows, "has_more": False, "first_id": ids[0], "last_id": ids[-1]}
    await exchange.answer(json_bytes(body))


async def show_model(core: Core, exchange: Exchange, caller: Caller) -> None:
    core.check_rate(exchange, caller)
    catalogue = (await core.directory.get()).for_caller(caller)
    route = catalogue.resolve(exchange.path.removeprefix(f"{MODELS}/"))
    exchange.set_header("x-platform-model", route.header)
    await exchange.answer(json_bytes(_row(exchange, catalogue, route)))


def _row(exchange: Exchange, catalogue: Catalogue, route: Route) -> dict[str, Any]:
    name = catalogue.name_of(route)
    if exchange.is_anthropic:
        created = datetime.fromtimestamp(route.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        row = {"type": "model", "id": name, "display_name": route.model_id}
        return row | {"created_at": created}
    return {
        "id": name,
        "object": "model",
        "created": route.created,
        "owned_by": route.target.provider_name,
        "types": list(route.types),
    }
