"""`POST /v1/messages` and `POST /v1/messages/count_tokens`: Anthropic's API before any model."""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from django.conf import settings

from providers.adapters.anthropic import AnthropicAdapter
from providers.errors import InvalidAnswer
from providers.gateway.authentication import Caller
from providers.gateway.calls import Attempt, answered, resolve
from providers.gateway.completions import with_older_limit
from providers.gateway.core import Core
from providers.gateway.exchange import Exchange, json_bytes
from providers.gateway.message_compose import MessageAnswer, MessageStream
from providers.gateway.message_passthrough import ForwardedMessages, forwarded_message
from providers.gateway.message_request import (
    PASS_THROUGH,
    MessagesBody,
    read_messages_body,
    read_question,
)
from providers.gateway.upstream import read_whole
from providers.registry import ADAPTERS
from providers.types import HttpRequest

BETA = re.compile(r"[A-Za-z0-9,._ -]{1,500}")


async def create_message(core: Core, exchange: Exchange, caller: Caller) -> None:
    await answered(core, exchange, caller, read_messages_body, _attempt)


async def count_tokens(core: Core, exchange: Exchange, caller: Caller) -> None:
    """Our own estimate, whatever the model."""
    async with core.admitted(exchange, caller):
        body = read_question(await exchange.read_body(settings.DATA_UPLOAD_MAX_MEMORY_SIZE))
        await resolve(core, exchange, caller, body)
        await exchange.answer(json_bytes({"input_tokens": body.prompt_tokens}))


async def _attempt(attempt: Attempt[MessagesBody]) -> None:
    exchange = attempt.exchange
    if not attempt.body.is_stream:
        await exchange.answer(await _whole(attempt))
        return
    exchange.expect_stream()
    passes = attempt.target.kind in PASS_THROUGH
    pieces = _forwarded(attempt) if passes else _composed(attempt)
    async with aclosing(pieces):
        async for piece in pieces:
            await exchange.write(piece)
    await exchange.close()


def _message_id(attempt: Attempt[MessagesBody]) -> str:
    return f"msg_{attempt.exchange.request_id}"


async def _whole(attempt: Attempt[MessagesBody]) -> bytes:
    if attempt.target.kind in PASS_THROUGH:
        return forwarded_message(await attempt.fetched(_passed_on(attempt)), attempt.call)
    request = with_older_limit(attempt.body.for_route(attempt.route))
    answer = MessageAnswer(_message_id(attempt), attempt.route.model_id, attempt.call)
    async with aclosing(attempt.events(request)) as arriving:
        async for events in arriving:
            for event in events:
                answer.feed(event)
    return answer.body()


async def _composed(attempt: Attempt[MessagesBody]) -> AsyncGenerator[bytes, None]:
    request = with_older_limit(attempt.body.for_route(attempt.route))
    stream = MessageStream(_message_id(attempt), attempt.route.model_id, attempt.call)
    start = stream.start()
    async with aclosing(attempt.events(request)) as arriving:
        async for events in arriving:
            piece = start + b"".join(map(stream.feed, events))
            start = b""
            if piece:
                yield piece
    yield start + stream.finish()


def _passed_on(attempt: Attempt[MessagesBody]) -> HttpRequest:
    """The caller's own body, and the one header of theirs that says how it is meant."""
    target, adapter = attempt.target, ADAPTERS[attempt.target.kind]
    assert isinstance(adapter, AnthropicAdapter)
    body = attempt.body.forwarded(attempt.route)
    request = adapter.chat_post(target, adapter.url(target, "chat"), body)
    given = b",".join(attempt.exchange.headers(b"anthropic-beta")).decode("latin-1")
    if not BETA.fullmatch(given):
        return request
    return replace(request, headers={**request.headers, "anthropic-beta": given})


async def _forwarded(attempt: Attempt[MessagesBody]) -> AsyncGenerator[bytes, None]:
    stream, target = ForwardedMessages(attempt.call), attempt.target
    async with attempt.core.upstream.sent(
        _passed_on(attempt),
        is_managed=target.is_managed,
        is_stream=True,
        patience=target.patience,
    ) as response:
        if response.content_type in ("text/html", "application/json"):
            forwarded_message(await read_whole(response), attempt.call)
            raise InvalidAnswer("not a stream")
        async for data in response.content.iter_any():
            piece = stream.feed(data)
            if piece:
                yield piece
            if stream.failure is not None:
                raise stream.failure
    yield stream.finish()
