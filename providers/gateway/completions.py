"""`POST /v1/chat/completions`."""

from collections.abc import Awaitable
from contextlib import aclosing
from dataclasses import replace
from functools import partial

from providers.gateway.authentication import Caller
from providers.gateway.calls import Attempt, answered
from providers.gateway.chat_request import ChatBody, read_chat_body
from providers.gateway.compose import ComposedAnswer, ComposedStream, Identity
from providers.gateway.core import Core
from providers.gateway.errors import bad_request
from providers.gateway.exchange import Exchange
from providers.gateway.passthrough import ForwardedStream, forwarded_answer
from providers.gateway.route import Route
from providers.registry import ADAPTERS
from providers.types import ChatRequest

# Dialects whose answers are OpenAI's own and pass through as bytes.
PASS_THROUGH = frozenset(("openai",))


def create_completion(core: Core, exchange: Exchange, caller: Caller) -> Awaitable[None]:
    return answered(core, exchange, caller, read_chat_body, _attempt)


def _attempt(attempt: Attempt[ChatBody]) -> Awaitable[None]:
    return _stream(attempt) if attempt.body.is_stream else _whole(attempt)


def _identity(attempt: Attempt[ChatBody]) -> Identity:
    return Identity(f"chatcmpl-{attempt.exchange.request_id}", attempt.route.model_id)


def _request(route: Route, body: ChatBody) -> ChatRequest:
    request = body.for_route(route)
    passes = route.target.kind in PASS_THROUGH
    if not passes and request.parameters.get("n", 1) != 1:
        raise bad_request("This model gives one answer at a time.", param="n")
    return request if passes and not route.target.is_managed else with_older_limit(request)


def with_older_limit(request: ChatRequest) -> ChatRequest:
    """LLaMA-Factory and the other dialects know the older of OpenAI's two names."""
    parameters = dict(request.parameters)
    longest = parameters.pop("max_completion_tokens", None)
    return replace(request, parameters=parameters | ({"max_tokens": longest} if longest else {}))


async def _stream(attempt: Attempt[ChatBody]) -> None:
    request, identity = _request(attempt.route, attempt.body), _identity(attempt)
    exchange, call, wants_usage = attempt.exchange, attempt.call, attempt.body.wants_usage
    exchange.expect_stream()
    target = attempt.target
    if target.kind in PASS_THROUGH:
        stream = ForwardedStream(identity, call, wants_usage=wants_usage)
        await attempt.pass_on(ADAPTERS[target.kind].chat(target, request), stream)
    else:
        composed = ComposedStream(identity, call, wants_usage=wants_usage)
        await attempt.translate(request, composed)


async def _whole(attempt: Attempt[ChatBody]) -> None:
    target, request = attempt.target, _request(attempt.route, attempt.body)
    if target.kind in PASS_THROUGH:
        raw = await attempt.fetched(ADAPTERS[target.kind].chat(target, request))
        answer = forwarded_answer(raw, partial(_identity, attempt), attempt.call)
    else:
        composed = ComposedAnswer(_identity(attempt), attempt.call)
        async with aclosing(attempt.events(request)) as arriving:
            async for event in arriving:
                composed.feed(event)
        answer = composed.body()
    await attempt.exchange.answer(answer)
