"""Does it work? A question to a connection, saved or not, or to one model."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from asgiref.sync import async_to_sync

from accounts.models import User
from providers.errors import LimitReached, ProviderError
from providers.measuring import Measurement
from providers.model_list import looked_up
from providers.models import Provider, ProviderModel
from providers.offered_models import known_models, list_models, listed_now
from providers.recording import record_call
from providers.reserving import close_limiter, reserved
from providers.streaming import stream_chat, target_of
from providers.types import ChatMessage, ChatRequest, ListedModel, Target


@dataclass(frozen=True)
class TestResult:
    """Nothing of the upstream's answer: an internal address looks like a closed port."""

    ok: bool
    latency_ms: int
    error: ProviderError | None = None


HELLO, SHORT = ChatMessage("user", "hi"), {"max_tokens": 16}


async def _ask(target: Target, measured: Measurement | None = None) -> None:
    """The cheapest call of a provider that has no list to ask for."""
    request = ChatRequest(target.model_id, [HELLO], SHORT, is_stream=False)
    # A person waits for it: no longer than for the first word of a stream.
    patience = replace(target.patience, answer_s=target.patience.read_s)
    async for event in stream_chat(replace(target, patience=patience), request):
        if measured is not None:
            measured.note(event)


def check_connection(provider: Provider) -> TestResult:
    """Asks the provider, and keeps what came of it with the connection."""
    known = known_models(provider)
    if known:
        ms, error = _timed(partial(async_to_sync(_ask), provider.target(known[0].model_id)))
        provider.note_test(ms, error.code if error else "")
    else:
        ms, error = _timed(partial(list_models, provider))
    return TestResult(error is None, ms, error)


@dataclass(frozen=True)
class Rehearsal:
    """What a connection would be like; `models` are what it would have."""

    result: TestResult
    models: Sequence[ListedModel] = ()


def rehearse_connection(provider: Provider) -> Rehearsal:
    """Asks as `provider` says, saved or not, and keeps nothing of it."""
    listed: list[ListedModel] = []

    def ask() -> None:
        known = known_models(provider)
        if known:
            async_to_sync(_ask)(provider.target(known[0].model_id))
        rows = known or async_to_sync(listed_now)(provider.target())[0]
        listed.extend(looked_up(provider, rows))

    ms, error = _timed(ask)
    return Rehearsal(TestResult(error is None, ms, error), listed)


def _timed(work: Callable[[], object]) -> tuple[int, ProviderError | None]:
    """Milliseconds, and what went wrong."""
    started, error = time.monotonic(), None
    try:
        work()
    except ProviderError as found:
        error = found
    return round((time.monotonic() - started) * 1000), error


@dataclass(frozen=True)
class Trial:
    """One short question to one model."""

    model: ProviderModel
    latency_ms: int
    error: ProviderError | None = None


def try_model(model: ProviderModel, *, actor: User) -> Trial:
    """A call like any other: it counts for the limits of `actor`, is recorded, and costs what it
    costs."""
    target, measured = target_of(model), Measurement.of([HELLO])

    async def ask() -> None:
        request = ChatRequest(target.model_id, [HELLO], SHORT)
        try:
            async with reserved(user=actor, target=target, request=request, measured=measured):
                await _ask(target, measured)
        finally:
            await close_limiter()

    latency_ms, error = _timed(async_to_sync(ask))
    record_call(
        target=target,
        user=actor,
        source="trial",
        status=_status_after(error),
        error_code=error.code if error else "",
        measured=measured,
    )
    return Trial(model, latency_ms, error)


def _status_after(error: ProviderError | None) -> str:
    if error is None:
        return "done"
    return "refused" if isinstance(error, LimitReached) else "failed"
