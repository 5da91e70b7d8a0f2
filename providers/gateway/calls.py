"""What all endpoints that call a model share: resolve route -> attempt, and a record of it."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar

from django.conf import settings

from providers.access_tokens import ACCESS_TOKENS
from providers.errors import ProviderError
from providers.gateway.attempts import tried
from providers.gateway.authentication import Caller
from providers.gateway.core import Core
from providers.gateway.errors import GatewayError, from_provider
from providers.gateway.exchange import ClientLeft, Exchange
from providers.gateway.plans import Plan
from providers.gateway.records import Call
from providers.gateway.route import Route
from providers.gateway.upstream import read_whole
from providers.models import Charged
from providers.registry import ADAPTERS
from providers.services import stream_chat
from providers.types import ChatRequest, Event, HttpRequest, Target


class Body(Protocol):
    """What an endpoint reads from a request."""

    @property
    def model(self) -> str: ...

    @property
    def prompt_tokens(self) -> int:
        """An estimate."""
        ...

    def check(self, route: Route) -> None:
        """Raises GatewayError (400) for what this model cannot do or must not get."""
        ...


B = TypeVar("B", bound=Body)


@dataclass(frozen=True)
class Attempt(Generic[B]):
    """One try to answer `body` by `route`."""

    core: Core
    exchange: Exchange
    route: Route
    body: B
    call: Call

    @property
    def target(self) -> Target:
        return self.route.target

    async def fetched(self, request: HttpRequest) -> bytes:
        """The whole answer. Raises ProviderError."""
        target = self.target
        async with self.core.upstream.sent(
            request, is_managed=target.is_managed, is_stream=False, patience=target.patience
        ) as response:
            return await read_whole(response)

    async def events(self, request: ChatRequest) -> AsyncGenerator[list[Event], None]:
        """The events of a chat as they arrive together; no empty lists. Raises ProviderError."""
        target, adapter = self.target, ADAPTERS[self.target.kind]
        if not adapter.needs_network:
            async with aclosing(stream_chat(target, request)) as events:
                async for event in events:
                    yield [event]
            return
        reader = adapter.reader(is_stream=request.is_stream, target=target)
        async with self.core.upstream.sent(
            adapter.chat(target, request),
            is_managed=target.is_managed,
            is_stream=request.is_stream,
            patience=target.patience,
        ) as response:
            async for data in response.content.iter_any():
                for found in _together(reader.feed(data)):
                    yield found
        for found in _together(reader.finish()):
            yield found


def _together(events: Iterator[Event]) -> Iterator[list[Event]]:
    """All of them as one list, also those before an error."""
    found: list[Event] = []
    try:
        found.extend(events)
    except ProviderError:
        if found:
            yield found
        raise
    if found:
        yield found


async def answered(
    core: Core,
    exchange: Exchange,
    caller: Caller,
    read: Callable[[bytes], B],
    attempt: Callable[[Attempt[B]], Coroutine[Any, Any, None]],
    *,
    kind: str = Charged.CHAT,
) -> None:
    """Answers one call and leaves a record of it, however it ends. Raises GatewayError."""
    call = Call(user_id=caller.user_id, key_id=caller.key_id, kind=kind)
    try:
        await _answer(core, exchange, caller, call, read, attempt)
        call.end("done")
    except ClientLeft:
        call.end("stopped", "client_left")
        raise
    except asyncio.CancelledError:
        call.end("interrupted", "shutdown")
        raise
    except GatewayError as error:
        call.end("interrupted" if exchange.is_started else "failed", error.record_code)
        raise
    finally:
        if call.ended is None:
            call.end("failed", "internal")
        core.recorder.put(call)


async def _answer(
    core: Core,
    exchange: Exchange,
    caller: Caller,
    call: Call,
    read: Callable[[bytes], B],
    attempt: Callable[[Attempt[B]], Coroutine[Any, Any, None]],
) -> None:
    body = read(await exchange.read_body(settings.DATA_UPLOAD_MAX_MEMORY_SIZE))
    call.model_label = body.model
    plan = await resolve(core, exchange, caller, body)
    call.alias_label = plan.alias
    call.estimated_prompt = body.prompt_tokens

    async def run(route: Route) -> None:
        if route.target.oauth is None:
            return await attempt(Attempt(core, exchange, route, body, call))

        async def once(target: Target) -> None:
            await attempt(Attempt(core, exchange, replace(route, target=target), body, call))

        await ACCESS_TOKENS.signed_in(
            route.target, once, may_repeat=lambda: not exchange.is_started
        )

    try:
        async with core.admitted(exchange, caller, call, body.prompt_tokens):
            await exchange.while_connected(tried(core, exchange, plan, call, run))
    except ProviderError as error:
        raise from_provider(error) from error


async def resolve(core: Core, exchange: Exchange, caller: Caller, body: Body) -> Plan:
    """What the name in `body` stands for, without what cannot serve it. Raises GatewayError (404,
    400)."""
    plan = (await core.directory.get()).for_caller(caller).plan(body.model)
    exchange.set_header("x-platform-model", plan.members[0].route.header)
    return plan.that_pass(body.check)
