"""The gateway as an ASGI application: finds the handler, authenticates, shapes every failure."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from weakref import WeakKeyDictionary

from django.db import Error as DatabaseError

from providers.gateway.authentication import Caller
from providers.gateway.completions import create_completion
from providers.gateway.core import Core
from providers.gateway.embeddings import create_embeddings
from providers.gateway.errors import GatewayError, bad_request, unavailable
from providers.gateway.exchange import MODELS, ClientLeft, Exchange, Receive, Scope, Send
from providers.gateway.messages import count_tokens, create_message
from providers.gateway.model_pages import list_models, show_model
from providers.gateway.rerank import create_ranking

logger = logging.getLogger(__name__)

PREFIX = "/v1/"
Handler = Callable[[Core, Exchange, Caller], Awaitable[None]]


# A new endpoint is one entry.
HANDLERS: dict[str, tuple[str, Handler]] = {
    f"{PREFIX}chat/completions": ("POST", create_completion),
    f"{PREFIX}messages": ("POST", create_message),
    f"{PREFIX}messages/count_tokens": ("POST", count_tokens),
    f"{PREFIX}embeddings": ("POST", create_embeddings),
    f"{PREFIX}rerank": ("POST", create_ranking),
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
        # As nearly always: one loop.
        self._latest: tuple[asyncio.AbstractEventLoop | None, Core | None] = None, None

    def _core(self) -> Core:
        loop = asyncio.get_running_loop()
        latest, core = self._latest
        if core is None or latest is not loop:
            core = self._cores.get(loop)
            if core is None:
                core = self._cores[loop] = Core()
            self._latest = loop, core
        return core

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, send)
        try:
            core = self._core()
            exchange.check_host(core.allowed_hosts)
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
        core, self._latest = self._cores.pop(asyncio.get_running_loop(), None), (None, None)
        if core is not None:
            await core.close()


gateway = Gateway()
