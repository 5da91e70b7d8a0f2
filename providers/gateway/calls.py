"""What all endpoints that call a model share: resolve route -> attempt, and a record of it."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, Protocol, TypeVar

from providers.access_tokens import ACCESS_TOKENS
from providers.dify.around import give_up, with_files
from providers.errors import ProviderError, TimedOut
from providers.gateway.attempts import tried
from providers.gateway.authentication import Caller, invalid_key
from providers.gateway.core import Core
from providers.gateway.errors import GatewayError, from_provider
from providers.gateway.exchange import ClientLeft, Exchange
from providers.gateway.forwarding import ComposedEvents, ForwardedEvents, Outgoing, Translated
from providers.gateway.http1 import Answer, TakeChunk
from providers.gateway.limits.estimates import Candidate, Estimate
from providers.gateway.plans import Plan
from providers.gateway.records import Call
from providers.gateway.route import Route
from providers.gateway.running import KeyEnded
from providers.gateway.upstream import read_whole
from providers.models import KEY_ENDED, Charged
from providers.registry import ADAPTERS
from providers.services import stream_chat
from providers.types import ChatRequest, Event, HttpRequest, Target

# What comes with these types where a stream was promised is none.
NO_STREAM = ("text/html", "application/json")
# After its last word a provider closes its answer, as a rule at once.
CLOSED_WITHIN_S = 0.5
KEY_ENDED_TEXT = (
    "While this call ran the key was revoked or has expired, or its account was deactivated. "
    "Use another key."
)


class Body(Protocol):
    """What an endpoint reads from a request."""

    @property
    def model(self) -> str: ...

    @property
    def prompt_tokens(self) -> int:
        """An estimate."""
        ...

    def answer_tokens(self, route: Route) -> int | None:
        """The longest answer that this model would give; None: nobody says."""
        ...

    def check(self, route: Route) -> None:
        """Raises GatewayError (400) for what this model cannot do or must not get."""
        ...


B = TypeVar("B", bound=Body)


@dataclass(slots=True)
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

    def _person_target(self) -> Target:
        """Dify keeps conversations and files of each person apart."""
        is_told = self.target.kind == "dify"
        return self.target.asked_by(self.call.user_id) if is_told else self.target

    async def fetched(self, request: HttpRequest) -> bytes:
        """The whole answer. Raises ProviderError."""
        with await self._asked(request, is_stream=False) as answer:
            return await read_whole(answer)

    def _asked(self, request: HttpRequest, *, is_stream: bool) -> Awaitable[Answer]:
        target = self.target
        return self.core.upstream.ask(
            request,
            is_managed=target.is_managed,
            is_stream=is_stream,
            patience=target.patience,
        )

    async def pass_on(self, request: HttpRequest, stream: ForwardedEvents) -> None:
        """A stream in the caller's own dialect. Raises ProviderError."""
        with await self._asked(request, is_stream=True) as answer:
            if answer.content_type in NO_STREAM:
                raise stream.unstreamed(await read_whole(answer))
            await self._write_all(answer, stream)

    async def translate(self, request: ChatRequest, composed: ComposedEvents) -> None:
        """A stream of any dialect as one of the caller's. Raises ProviderError."""
        adapter, target = ADAPTERS[self.target.kind], self._person_target()
        request = await with_files(target, request)
        reader = adapter.reader(is_stream=True, target=target)
        stream = Translated(reader, composed)
        if adapter.needs_network:
            try:
                with await self._asked(adapter.chat(target, request), is_stream=True) as answer:
                    await self._write_all(answer, stream)
            except (asyncio.CancelledError, ClientLeft, TimedOut):
                give_up(target, request, reader)
                raise
            return
        async with aclosing(self.events(request)) as events:
            async for event in events:
                await self.exchange.write(stream.take((event,)))
        await self._write_end(stream)

    async def _write_all(self, answer: Answer, stream: Outgoing) -> None:
        """The inner loop of the gateway: a piece comes in, a piece goes out."""
        feed, write = stream.feed, self.exchange.write_now

        def pass_on(data: bytes) -> Awaitable[None] | None:
            piece = feed(data)
            if stream.is_over or stream.failure is not None:
                answer.enough()
            return write(piece) if piece else None

        await answer.hand_to(pass_on, self._chunks_past(stream))
        if stream.failure is not None:
            raise stream.failure
        await self._write_end(stream)
        await answer.finish(CLOSED_WITHIN_S)

    def _chunks_past(self, stream: Outgoing) -> TakeChunk | None:
        """For chunks that bring a word and nothing else, as nearly all of a stream do: they go on
        as they came, frame and all."""
        exchange, note, word_in = self.exchange, self.call.note_utf8, stream.word_in_chunk
        if word_in is None:
            return None

        def pass_on(chunk: bytes) -> bool:
            word = word_in(chunk)
            if word and exchange.write_chunk(chunk):
                note(word)
                return True
            return False

        return pass_on

    async def _write_end(self, stream: Outgoing) -> None:
        piece = stream.finish()
        if piece:
            await self.exchange.write(piece)
        if stream.failure is not None:
            raise stream.failure
        await self.exchange.close()

    async def events(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """Of an answer that comes whole, and of one that is made here. Raises ProviderError."""
        adapter, target = ADAPTERS[self.target.kind], self._person_target()
        if not adapter.needs_network:
            async with aclosing(stream_chat(target, request)) as events:
                async for event in events:
                    yield event
            return
        request = await with_files(target, request)
        reader = adapter.reader(is_stream=False, target=target)
        with await self._asked(adapter.chat(target, request), is_stream=False) as answer:
            while data := await answer.piece():
                for event in reader.feed(data):
                    yield event
        for event in reader.finish():
            yield event


async def answered(
    core: Core,
    exchange: Exchange,
    caller: Caller,
    read: Callable[[bytes], B],
    attempt: Callable[[Attempt[B]], Awaitable[None]],
    *,
    kind: str = Charged.CHAT,
) -> None:
    """Answers one call and leaves a record of it, however it ends. Raises GatewayError."""
    call = Call(user_id=caller.user_id, key_id=caller.key_id, kind=kind)
    try:
        with core.running.call_of(caller.key_id):
            await _answer(core, exchange, caller, call, read, attempt)
        call.end("done")
    except ClientLeft:
        call.end("stopped", "client_left")
        raise
    except KeyEnded as error:
        call.end("interrupted", KEY_ENDED)
        raise invalid_key(KEY_ENDED_TEXT) from error
    except asyncio.CancelledError:
        call.end("interrupted", "shutdown")
        raise
    except GatewayError as error:
        call.end(_status_after(error, exchange, call), error.record_code)
        raise
    finally:
        if call.ended is None:
            call.end("failed", "internal")
        core.recorder.put(call)


def _status_after(error: GatewayError, exchange: Exchange, call: Call) -> str:
    """What the platform itself says no to says nothing about a provider."""
    if exchange.has_spoken:
        return "interrupted"
    is_ours = error.status < 500 and not call.attempts
    return "refused" if is_ours else "failed"


async def _answer(
    core: Core,
    exchange: Exchange,
    caller: Caller,
    call: Call,
    read: Callable[[bytes], B],
    attempt: Callable[[Attempt[B]], Awaitable[None]],
) -> None:
    body = read(await exchange.read_body(core.body_limit))
    call.model_label = body.model
    plan = await resolve(core, exchange, caller, body)
    call.alias_label = plan.alias
    call.name_after(plan.members[0].route)
    call.estimate_prompt_by(lambda: body.prompt_tokens)

    def run(route: Route) -> Awaitable[None]:
        if route.target.oauth is None:
            return attempt(Attempt(core, exchange, route, body, call))

        async def once(target: Target) -> None:
            await attempt(Attempt(core, exchange, replace(route, target=target), body, call))

        return ACCESS_TOKENS.signed_in(
            route.target, once, may_repeat=lambda: not exchange.has_spoken
        )

    def answer() -> Awaitable[None]:
        return exchange.while_connected(tried(core, exchange, plan, call, run), core.clock)

    try:
        if caller.holders is None:
            await answer()
        else:
            estimate = Estimate(body.prompt_tokens, partial(_candidates, body, plan))
            async with core.admitted(exchange, caller, call, estimate):
                await answer()
    except ProviderError as error:
        raise from_provider(error) from error


def _candidates(body: Body, plan: Plan) -> list[Candidate]:
    routes = [member.route for member in plan.members]
    return [Candidate(route.model_pk, body.answer_tokens(route)) for route in routes]


async def resolve(core: Core, exchange: Exchange, caller: Caller, body: Body) -> Plan:
    """What the name in `body` stands for, without what cannot serve it. Raises GatewayError (404,
    400)."""
    directory = core.directory.known() or await core.directory.get()
    plan = directory.for_caller(caller).plan(body.model)
    exchange.set_header("x-platform-model", plan.members[0].route.header)
    return plan.that_pass(body.check)
