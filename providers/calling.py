"""A model that reads and says nothing, asked from outside the gateway: within the limits of the
person it is for, by a replica where the first does not answer, and with its row in the ledger."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, Protocol, TypeVar

from django.db import connections

from accounts.models import User
from providers.asking import whole
from providers.errors import LimitReached, ProviderError
from providers.gateway.snapshot import in_database
from providers.measuring import Measurement
from providers.recording import record_call
from providers.reserving import close_limiter, reserved
from providers.retrying import may_help
from providers.types import HttpRequest, Target, Usage

T = TypeVar("T")


class Found(Protocol):
    @property
    def usage(self) -> Usage: ...


F = TypeVar("F", bound=Found)


@dataclass(frozen=True)
class Question(Generic[F]):
    """`read` raises InvalidAnswer for an answer of no use. `prompt_tokens` are an estimate, `kind`
    and `source` what the ledger calls it."""

    build: Callable[[Target], HttpRequest]
    read: Callable[[bytes], F]
    prompt_tokens: int
    kind: str
    source: str


async def answered(target: Target, question: Question[F], *, user: User) -> F:
    """Raises ProviderError, LimitReached among them. No database connection is held meanwhile."""
    measured = Measurement(estimated_prompt=question.prompt_tokens)
    status, error_code = "failed", "internal"
    try:
        async with reserved(user=user, target=target, request=None, measured=measured):
            found = await _asked(target, question)
            measured.first = time.monotonic()
            measured.usage = replace(found.usage, completion_tokens=0)
        status, error_code = "done", ""
        return found
    except ProviderError as error:
        status = "refused" if isinstance(error, LimitReached) else "failed"
        error_code = error.code
        raise
    except asyncio.CancelledError:
        status, error_code = "stopped", ""
        raise
    finally:
        measured.ended = time.monotonic()
        row = partial(record_call, target=target, user=user, measured=measured)
        words = {"source": question.source, "kind": question.kind, "error_code": error_code}
        await in_database(row, status=status, **words)


async def _asked(target: Target, question: Question[F]) -> F:
    *others, last = target, *target.stand_ins
    for each in others:
        try:
            return question.read(await whole(each, question.build))
        except ProviderError as error:
            if not may_help(error):
                raise
    return question.read(await whole(last, question.build))


async def alone(work: Awaitable[T]) -> T:
    """In an event loop that ends with it."""
    try:
        return await work
    finally:
        await close_limiter()


def give_back_connections() -> None:
    """Those of this thread that are in no transaction: nobody needs one while a model reads."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()
