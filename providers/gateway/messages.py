"""`POST /v1/messages` and `POST /v1/messages/count_tokens`: Anthropic's API before any model."""

import re
from contextlib import aclosing
from dataclasses import replace

from providers.adapters.anthropic import AnthropicAdapter
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
from providers.registry import ADAPTERS
from providers.types import HttpRequest

BETA = re.compile(r"[A-Za-z0-9,._ -]{1,500}")


async def create_message(core: Core, exchange: Exchange, caller: Caller) -> None:
    await answered(core, exchange, caller, read_messages_body, _attempt)


async def count_tokens(core: Core, exchange: Exchange, caller: Caller) -> None:
    """Our own estimate, whatever the model."""
    async with core.admitted(exchange, caller):
        body = read_question(await exchange.read_body(core.body_limit))
        await resolve(core, exchange, caller, body)
        await exchange.answer(json_bytes({"input_tokens": body.prompt_tokens}))


async def _attempt(attempt: Attempt[MessagesBody]) -> None:
    exchange = attempt.exchange
    if not attempt.body.is_stream:
        await exchange.answer(await _whole(attempt))
        return
    exchange.expect_stream()
    if attempt.target.kind in PASS_THROUGH:
        await attempt.pass_on(_passed_on(attempt), ForwardedMessages(attempt.call))
    else:
        request = with_older_limit(attempt.body.for_route(attempt.route))
        composed = MessageStream(_message_id(attempt), attempt.route.model_id, attempt.call)
        await attempt.translate(request, composed)


def _message_id(attempt: Attempt[MessagesBody]) -> str:
    return f"msg_{attempt.exchange.request_id}"


async def _whole(attempt: Attempt[MessagesBody]) -> bytes:
    if attempt.target.kind in PASS_THROUGH:
        return forwarded_message(await attempt.fetched(_passed_on(attempt)), attempt.call)
    request = with_older_limit(attempt.body.for_route(attempt.route))
    answer = MessageAnswer(_message_id(attempt), attempt.route.model_id, attempt.call)
    async with aclosing(attempt.events(request)) as arriving:
        async for event in arriving:
            answer.feed(event)
    return answer.body()


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
