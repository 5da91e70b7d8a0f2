"""`GET /v1/models` and `GET /v1/models/{id}`, as OpenAI or, for its clients, Anthropic has them.

Looking is no request in the sense of the limits: clients list models at every start.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from providers.gateway.authentication import Caller
from providers.gateway.core import Core
from providers.gateway.errors import GatewayError, bad_request
from providers.gateway.exchange import MODELS, Exchange, json_bytes
from providers.gateway.plans import Plan
from providers.gateway.route import Route
from providers.gateway.routing import Catalogue

LIMIT_MAX = 1000


async def list_models(core: Core, exchange: Exchange, caller: Caller) -> None:
    catalogue = (await core.directory.get()).for_caller(caller)
    rows = [_alias_row(exchange, plan) for plan in catalogue.aliases.values()]
    rows += [_model_row(exchange, catalogue, route) for route in catalogue.routes]
    body: dict[str, Any] = {"object": "list", "data": rows}
    if exchange.is_anthropic:
        body = _page(rows, exchange.parameters())
    await exchange.answer(json_bytes(body))


def _page(rows: list[dict[str, Any]], asked: Mapping[str, str]) -> dict[str, Any]:
    """Anthropic's paging; without a `limit` all of them. Raises GatewayError (400)."""
    limit = asked.get("limit")
    if limit is not None and not (limit.isascii() and limit.isdigit() and len(limit) < 9):
        raise _wrong_limit()
    count = len(rows) if limit is None else int(limit)
    if limit is not None and not 1 <= count <= LIMIT_MAX:
        raise _wrong_limit()
    if "after_id" in asked and "before_id" in asked:
        raise bad_request("Give 'after_id' or 'before_id', not both.", param="before_id")
    if "before_id" in asked:
        found = rows[: _position(rows, asked, "before_id")]
        shown = found[max(0, len(found) - count) :]
    else:
        found = rows[_position(rows, asked, "after_id") + 1 :] if "after_id" in asked else rows
        shown = found[:count]
    ids = [row["id"] for row in shown] or [None]
    has_more = len(shown) < len(found)
    return {"data": shown, "has_more": has_more, "first_id": ids[0], "last_id": ids[-1]}


def _wrong_limit() -> GatewayError:
    return bad_request(f"'limit' must be a whole number from 1 to {LIMIT_MAX}.", param="limit")


def _position(rows: list[dict[str, Any]], asked: Mapping[str, str], name: str) -> int:
    for position, row in enumerate(rows):
        if row["id"] == asked[name]:
            return position
    raise bad_request(f"'{name}' names no model of the list.", param=name)


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
