"""`POST /v1/chat/completions`."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from django.conf import settings

from providers.errors import InvalidAnswer, ProviderError
from providers.gateway.attempts import answer
from providers.gateway.authentication import Caller
from providers.gateway.chat_request import ChatBody, read_chat_body
from providers.gateway.compose import ComposedAnswer, ComposedStream, Identity
from providers.gateway.core import Core
from providers.gateway.errors import GatewayError, bad_request, from_provider
from providers.gateway.exchange import ClientLeft, Exchange
from providers.gateway.passthrough import ForwardedStream, forwarded_answer
from providers.gateway.records import Call
from providers.gateway.route import Route
from providers.gateway.upstream import read_whole
from providers.registry import ADAPTERS
from providers.services import stream_chat
from providers.types import ChatRequest

# Dialects whose answers are OpenAI's own and pass through as bytes.
PASS_THROUGH = frozenset(("openai",))


async def create_completion(core: Core, exchange: Exchange, caller: Caller) -> None:
    """Answers one call and leaves a record of it, however it ends."""
    call = Call(user_id=caller.user_id, key_id=caller.key_id)
    try:
        await _complete(core, exchange, caller, call)
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


async def _complete(core: Core, exchange: Exchange, caller: Caller, call: Call) -> None:
    body = read_chat_body(await exchange.read_body(settings.DATA_UPLOAD_MAX_MEMORY_SIZE))
    call.model_label = body.model
    plan = (await core.directory.get()).for_caller(caller).plan(body.model).that_chats()
    call.alias_label = plan.alias
    call.estimated_prompt = body.prompt_tokens
    answering = _stream if body.is_stream else _whole

    async def run(route: Route) -> None:
        body.check_media(is_managed=route.target.is_managed)
        identity = Identity(f"chatcmpl-{exchange.request_id}", route.model_id)
        await answering(core, exchange, route, body, identity, call)

    try:
        async with core.admitted(exchange, caller, call, body.prompt_tokens):
            await exchange.while_connected(answer(core, exchange, plan, call, run))
    except ProviderError as error:
        raise from_provider(error) from error


def _request(route: Route, body: ChatBody) -> ChatRequest:
    request = body.for_route(route)
    passes = route.target.kind in PASS_THROUGH
    if not passes and request.parameters.get("n", 1) != 1:
        raise bad_request("This model gives one answer at a time.", param="n")
    if passes and not route.target.is_managed:
        return request
    # LLaMA-Factory and the other dialects know the older of OpenAI's two names.
    parameters = dict(request.parameters)
    longest = parameters.pop("max_completion_tokens", None)
    return replace(request, parameters=parameters | ({"max_tokens": longest} if longest else {}))


async def _stream(
    core: Core, exchange: Exchange, route: Route, body: ChatBody, identity: Identity, call: Call
) -> None:
    request = _request(route, body)
    exchange.expect_stream()
    if route.target.kind in PASS_THROUGH:
        pieces = _forwarded(
            core, route, request, ForwardedStream(identity, call, wants_usage=body.wants_usage)
        )
    else:
        pieces = _composed(
            route, request, ComposedStream(identity, call, wants_usage=body.wants_usage)
        )
    async with aclosing(pieces):
        async for piece in pieces:
            await exchange.write(piece)
    await exchange.close()


async def _forwarded(
    core: Core, route: Route, request: ChatRequest, stream: ForwardedStream
) -> AsyncGenerator[bytes, None]:
    http_request = ADAPTERS[route.target.kind].chat(route.target, request)
    is_managed = route.target.is_managed
    async with core.upstream.sent(http_request, is_managed=is_managed, is_stream=True) as response:
        if response.content_type in ("text/html", "application/json"):
            await _refuse_unstreamed(await read_whole(response), stream)
        async for data in response.content.iter_any():
            piece = stream.feed(data)
            if piece:
                yield piece
            if stream.failure is not None:
                raise stream.failure
    yield stream.finish()


async def _refuse_unstreamed(body: bytes, stream: ForwardedStream) -> None:
    """A page or a plain JSON object where a stream was promised: an error, if it names one."""
    stream.feed(b"data: " + body.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n\n")
    raise stream.failure or InvalidAnswer("not a stream")


async def _composed(
    route: Route, request: ChatRequest, stream: ComposedStream
) -> AsyncGenerator[bytes, None]:
    is_started = False
    async with aclosing(stream_chat(route.target, request)) as events:
        async for found in events:
            if not is_started:
                is_started = True
                yield stream.start()
            piece = stream.feed(found)
            if piece:
                yield piece
    yield stream.finish()


async def _whole(
    core: Core, exchange: Exchange, route: Route, body: ChatBody, identity: Identity, call: Call
) -> None:
    request = _request(route, body)
    target = route.target
    if target.kind in PASS_THROUGH:
        http_request = ADAPTERS[target.kind].chat(target, request)
        async with core.upstream.sent(
            http_request, is_managed=target.is_managed, is_stream=False
        ) as response:
            raw = await read_whole(response)
        answer = forwarded_answer(raw, identity, call)
    else:
        composed = ComposedAnswer(identity, call)
        async with aclosing(stream_chat(target, request)) as events:
            async for found in events:
                composed.feed(found)
        answer = composed.body()
    await exchange.answer(answer)
