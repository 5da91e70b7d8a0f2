"""The gateway as an ASGI application: finds the handler, authenticates, shapes every failure."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from weakref import WeakKeyDictionary

from django.db import Error as DatabaseError

from providers.gateway.authentication import Caller
from providers.gateway.completions import create_completion
from providers.gateway.core import Core
from providers.gateway.errors import GatewayError, bad_request, unavailable
from providers.gateway.exchange import ClientLeft, Exchange, Receive, Scope, Send, json_bytes
from providers.gateway.plans import Plan
from providers.gateway.route import Route
from providers.gateway.routing import Catalogue

logger = logging.getLogger(__name__)

PREFIX = "/v1/"
Handler = Callable[[Core, Exchange, Caller], Awaitable[None]]


async def list_models(core: Core, exchange: Exchange, caller: Caller) -> None:
    async with core.admitted(exchange, caller):
        catalogue = (await core.directory.get()).for_caller(caller)
        rows = [_alias_row(plan) for plan in catalogue.aliases.values()]
        rows += [_model_row(catalogue, route) for route in catalogue.routes]
        await exchange.answer(json_bytes({"object": "list", "data": rows}))


async def show_model(core: Core, exchange: Exchange, caller: Caller) -> None:
    async with core.admitted(exchange, caller):
        catalogue = (await core.directory.get()).for_caller(caller)
        name = exchange.path.removeprefix(f"{MODELS}/")
        if name in catalogue.aliases:
            await exchange.answer(json_bytes(_alias_row(catalogue.aliases[name])))
            return
        route = catalogue.resolve(name)
        exchange.set_header("x-platform-model", route.header)
        await exchange.answer(json_bytes(_model_row(catalogue, route)))


def _alias_row(plan: Plan) -> dict[str, object]:
    first = plan.members[0].route
    return {
        "id": plan.alias,
        "object": "model",
        "created": first.created,
        "owned_by": "alias",
        "types": list(first.types),
    }


def _model_row(catalogue: Catalogue, route: Route) -> dict[str, object]:
    return {
        "id": catalogue.name_of(route),
        "object": "model",
        "created": route.created,
        "owned_by": route.target.provider_name,
        "types": list(route.types),
    }


MODELS = f"{PREFIX}models"
# A new endpoint is one entry.
HANDLERS: dict[str, tuple[str, Handler]] = {
    f"{PREFIX}chat/completions": ("POST", create_completion),
    MODELS: ("GET", list_models),
}


def find_handler(method: str, path: str) -> Handler:
    """Raises GatewayError (404, 405)."""
    path = path.rstrip("/")
    found = HANDLERS.get(path)
    if found is None and path.startswith(f"{MODELS}/"):
        found = ("GET", show_model)
    if found is None:
        raise bad_request(f"There is nothing at {path[:200]}.", code="unknown_url", status=404)
    allowed, handler = found
    if method != allowed:
        error = bad_request(
            f"Use {allowed} here, not {method[:20]}.", code="method_not_allowed", status=405
        )
        error.headers["allow"] = allowed
        raise error
    return handler


class Gateway:
    def __init__(self) -> None:
        self._cores: WeakKeyDictionary[asyncio.AbstractEventLoop, Core] = WeakKeyDictionary()

    def _core(self) -> Core:
        loop = asyncio.get_running_loop()
        if loop not in self._cores:
            self._cores[loop] = Core()
        return self._cores[loop]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, send)
        try:
            exchange.check_host()
            core = self._core()
            # First who, then what: a stranger learns nothing, not even which paths exist.
            caller = await core.authenticate(exchange)
            await find_handler(exchange.method, exchange.path)(core, exchange, caller)
        except ClientLeft:
            return
        except GatewayError as error:
            await exchange.fail(error)
        except DatabaseError:
            logger.exception("the database does not answer (request %s)", exchange.request_id)
            await exchange.fail(unavailable("The platform's database does not answer."))
        except Exception:  # last resort: a program must get JSON, and the log the trace
            logger.exception("request %s failed", exchange.request_id)
            await exchange.fail(
                GatewayError(500, "Internal error.", kind="api_error", code="internal_error")
            )

    async def shut_down(self) -> None:
        """Call records that wait are written."""
        core = self._cores.pop(asyncio.get_running_loop(), None)
        if core is not None:
            await core.close()


gateway = Gateway()
