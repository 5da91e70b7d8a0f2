"""`GET /v1/models` and `GET /v1/models/{id}`, as OpenAI or, for its clients, Anthropic has them.

Looking is no request in the sense of the limits: clients list models at every start.
"""

from datetime import UTC, datetime
from typing import Any

from providers.gateway.authentication import Caller
from providers.gateway.core import Core
from providers.gateway.exchange import MODELS, Exchange, json_bytes
from providers.gateway.plans import Plan
from providers.gateway.route import Route
from providers.gateway.routing import Catalogue


async def list_models(core: Core, exchange: Exchange, caller: Caller) -> None:
    catalogue = (await core.directory.get()).for_caller(caller)
    rows = [_alias_row(exchange, plan) for plan in catalogue.aliases.values()]
    rows += [_model_row(exchange, catalogue, route) for route in catalogue.routes]
    body: dict[str, Any] = {"object": "list", "data": rows}
    if exchange.is_anthropic:
        ids = [row["id"] for row in rows] or [None]
        body = {"data": rows, "has_more": False, "first_id": ids[0], "last_id": ids[-1]}
    await exchange.answer(json_bytes(body))


async def show_model(core: Core, exchange: Exchange, caller: Caller) -> None:
    catalogue = (await core.directory.get()).for_caller(caller)
    name = exchange.path.removeprefix(f"{MODELS}/")
    if name in catalogue.aliases:
        row = _alias_row(exchange, catalogue.aliases[name])
    else:
        route = catalogue.resolve(name)
        exchange.set_header("x-platform-model", route.header)
        row = _model_row(exchange, catalogue, route)
    await exchange.answer(json_bytes(row))


def _alias_row(exchange: Exchange, plan: Plan) -> dict[str, Any]:
    return _row(exchange, plan.alias, plan.alias, "alias", plan.members[0].route)


def _model_row(exchange: Exchange, catalogue: Catalogue, route: Route) -> dict[str, Any]:
    name, owner = catalogue.name_of(route), route.target.provider_name
    return _row(exchange, name, route.model_id, owner, route)


def _row(exchange: Exchange, name: str, shown: str, owner: str, route: Route) -> dict[str, Any]:
    if exchange.is_anthropic:
        created = datetime.fromtimestamp(route.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"type": "model", "id": name, "display_name": shown, "created_at": created}
    return {
        "id": name,
        "object": "model",
        "created": route.created,
        "owned_by": owner,
        "types": list(route.types),
    }
