"""One run of an application, outside of a chat: a workflow, a text generator, or a first question
to one that chats."""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit

from asgiref.sync import async_to_sync

from accounts.models import User
from providers.adapters.dify import user_of
from providers.calling import give_back_connections
from providers.dify.around import upload
from providers.errors import LimitReached, ProviderError
from providers.gateway.snapshot import in_database
from providers.measuring import Measurement
from providers.models import Provider, ProviderModel
from providers.recording import record_call
from providers.reserving import reserved
from providers.streaming import stream_chat, target_of
from providers.types import (
    AgentStep,
    ChatMessage,
    ChatRequest,
    Citation,
    Event,
    LinkedFile,
    Outputs,
    ProviderState,
    Said,
    Target,
)

SOURCE = "dify"


@dataclass(frozen=True)
class InputFile:
    """A file for a field of the form, or for the question where `variable` is empty. `is_one`: the
    field takes one and no list."""

    variable: str
    name: str
    media_type: str
    content: bytes = field(repr=False)
    is_one: bool = True


@dataclass(frozen=True)
class Run:
    """What an application is asked; `query` is empty for one without questions."""

    provider: Provider
    user: User
    inputs: Mapping[str, Any]
    query: str = ""
    files: Sequence[InputFile] = ()


@dataclass
class Outcome:
    """What a run has said so far. `error_code` once it has failed; `message_id` for feedback."""

    said: Said = field(default_factory=Said)
    steps: dict[str, AgentStep] = field(default_factory=dict)
    citations: list[Citation] = field(default_factory=list)
    files: list[LinkedFile] = field(default_factory=list)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    message_id: str = ""
    measured: Measurement = field(default_factory=Measurement)
    error_code: str = ""
    is_over: bool = False

    def take(self, event: Event) -> None:
        self.measured.note(event)
        self.said.take(event)
        if isinstance(event, AgentStep):
            self.steps[event.id] = event
        elif isinstance(event, Citation):
            self.citations.append(event)
        elif isinstance(event, LinkedFile):
            self.files.append(event)
        elif isinstance(event, Outputs):
            self.outputs = event.values
        elif isinstance(event, ProviderState):
            self.message_id = str(event.data.get("message_id") or "")

    @property
    def tokens(self) -> int | None:
        return self.measured.final_usage()[0].total_tokens

    @property
    def seconds(self) -> float:
        return self.measured.duration_ms / 1000

    @property
    def results(self) -> dict[str, Any]:
        """Its named results, without what it has said in words already."""
        said = self.said.text.strip()
        return {
            name: value
            for name, value in self.outputs.items()
            if not isinstance(value, str) or value.strip() != said
        }

    @property
    def links(self) -> list[dict[str, str]]:
        """Its files with addresses that a browser may open."""
        return [
            {"url": each.url, "name": unquote(urlsplit(each.url).path.rpartition("/")[2])}
            for each in self.files
            if urlsplit(each.url).scheme in ("http", "https")
        ]

    @property
    def is_paused(self) -> bool:
        """It waits for a person on Dify's side."""
        return self.measured.finish_reason == "pause"


async def run_app(run: Run, outcome: Outcome) -> AsyncGenerator[Event, None]:
    """Its events, which `outcome` has taken already. A failure is in `outcome`, never raised. The
    run counts for the limits of its user and is recorded; closing it stops it at Dify."""
    target = await in_database(_target, run.provider)
    target = target.asked_by(run.user.pk)
    words = [run.query, *(each for each in run.inputs.values() if isinstance(each, str))]
    outcome.measured = Measurement.of([ChatMessage("user", "\n".join(words))])
    status = "stopped"
    try:
        async with aclosing(_events(run, target, outcome.measured)) as events:
            async for event in events:
                outcome.take(event)
                yield event
        status = "done"
    except ProviderError as error:
        status = "refused" if isinstance(error, LimitReached) else "failed"
        outcome.error_code = error.code
    except Exception:
        status, outcome.error_code = "failed", "internal"
        raise
    finally:
        outcome.is_over = True
        outcome.measured.ended = time.monotonic()
        row = partial(record_call, target=target, user=run.user, measured=outcome.measured)
        words_of = {"source": SOURCE, "status": status, "error_code": outcome.error_code}
        await asyncio.shield(in_database(row, **words_of))


async def _events(run: Run, target: Target, measured: Measurement) -> AsyncGenerator[Event, None]:
    question = await _question(run, target)
    place = reserved(user=run.user, target=target, request=question, measured=measured)
    async with place, aclosing(stream_chat(target, question)) as events:
        async for event in events:
            yield event


async def _question(run: Run, target: Target) -> ChatRequest:
    """With its files laid at Dify."""
    inputs, uploaded = dict(run.inputs), []
    for each in run.files:
        laid = await upload(
            target,
            name=each.name,
            media_type=each.media_type,
            content=each.content,
            user=user_of(target, {}),
        )
        if not each.variable:
            uploaded.append(laid)
        elif each.is_one:
            inputs[each.variable] = laid
        else:
            inputs[each.variable] = [*inputs.get(each.variable, ()), laid]
    messages = [ChatMessage("user", run.query)] if run.query else []
    request = target.streamed(messages, {"inputs": inputs})
    return replace(request, uploaded=uploaded)


def _target(provider: Provider) -> Target:
    """Of its one model, which has a price; before the first refresh there is none."""
    rows: Iterable[ProviderModel] = provider.models.answering().select_related("provider")[:1]
    return next(map(target_of, rows), provider.target())


def whole_run(run: Run) -> Outcome:
    """Where there is no event loop; no database connection is held meanwhile."""
    give_back_connections()
    return async_to_sync(finished)(run)


async def finished(run: Run) -> Outcome:
    """The whole run."""
    outcome = Outcome()
    async with aclosing(run_app(run, outcome)) as events:
        async for _event in events:
            pass
    return outcome
