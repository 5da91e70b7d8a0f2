"""A generation belongs to its process: it is saved whatever happens to it."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import DatabaseError
from django.utils import timezone

from accounts.models import User
from chat import saving
from chat.generation import Generator
from chat.models import ChatSession, Message, MessageRole, MessageStatus
from chat.reaping import reap_lost
from chat.running import Generation
from providers.errors import RateLimited
from providers.models import CallRecord, Provider
from providers.services import target_of
from providers.types import (
    ChatMessage,
    ChatRequest,
    Event,
    Finish,
    Target,
    TextDelta,
    TextReplaced,
    ThinkingDelta,
    Usage,
)

Stream = Callable[[Target, ChatRequest], AsyncIterator[Event]]


@pytest.fixture
def make(session: ChatSession, alice: User) -> Callable[..., Generation]:
    def make(**fields: Any) -> Generation:
        run = uuid.uuid4()
        message = Message.objects.create(
            session=session,
            position=1,
            role=MessageRole.ASSISTANT,
            status=MessageStatus.STREAMING,
            run=run,
            heartbeat_at=timezone.now(),
        )
        assert session.model is not None
        return Generation(
            message_id=message.pk,
            session_id=session.pk,
            run=run,
            user=alice,
            target=target_of(session.model),
            messages=[ChatMessage("user", "hi")],
            parameters={},
            **fields,
        )

    return make


@pytest.fixture
def running() -> Iterator[list[Generator]]:
    made: list[Generator] = []
    yield made
    for each in made:
        each.cancel(list(each._running))
        assert each.wait(5)


def saved(generation: Generation) -> Message:
    return Message.objects.get(pk=generation.message_id)


def of(*events: Event | Exception, hangs: bool = False) -> Stream:
    async def stream(target: Target, request: ChatRequest) -> AsyncIterator[Event]:
        for event in events:
            if isinstance(event, Exception):
                raise event
            yield event
        if hangs:
            await asyncio.sleep(60)

    return stream


def test_a_whole_answer_with_its_figures(make: Callable[..., Generation]) -> None:
    generation = make()
    events = (
        ThinkingDelta("hm"),
        TextDelta("Hel"),
        TextDelta("lo\x00"),
        Usage(3, 2),
        Finish("stop"),
    )
    generator = Generator(stream=of(*events))
    generator.start(generation)
    assert generator.wait(10)
    message = saved(generation)
    assert (message.status, message.content, message.thinking_content) == ("done", "Hello", "hm")
    assert (message.prompt_tokens, message.completion_tokens) == (3, 2)
    assert message.finish_reason == "stop"
    assert None not in (message.ttft_ms, message.duration_ms, message.thinking_ms)
    assert CallRecord.objects.get().status == "done"


def test_an_answer_knows_what_it_cost(make: Callable[..., Generation]) -> None:
    generation = make()
    generator = Generator(stream=of(TextDelta("Hi"), Usage(3, 2, cost=Decimal("0.002"))))
    generator.start(generation)
    assert generator.wait(10)
    message, record = saved(generation), CallRecord.objects.get()
    assert (message.cost, message.currency) == (Decimal("0.002"), "USD")
    assert (record.cost, record.cost_source) == (message.cost, "provider")
    assert record.call_id == generation.run


def test_a_call_counts_though_its_model_is_deleted_meanwhile(
    make: Callable[..., Generation], alice: User
) -> None:
    generation = make()

    async def stream(target: Target, request: ChatRequest) -> AsyncIterator[Event]:
        yield TextDelta("Hi")
        await sync_to_async(Provider.objects.all().delete)()
        yield Usage(3, 2, cost=Decimal("5"))

    generator = Generator(stream=stream)
    generator.start(generation)
    assert generator.wait(10)
    record = CallRecord.objects.get()
    assert saved(generation).status == "done"
    assert (record.cost, record.user, record.model_id) == (Decimal("5"), alice, None)
    assert record.model_label == generation.target.model_id


def test_tokens_that_nobody_counted_are_estimated(
    make: Callable[..., Generation], running: list[Generator]
) -> None:
    generation = make()
    running.append(Generator(stream=of(TextDelta("four" * 10), Finish("stop"))))
    running[0].start(generation)
    assert running[0].wait(5)
    message, record = saved(generation), CallRecord.objects.get()
    assert (message.completion_tokens, message.is_estimated) == (10, True)
    assert message.prompt_tokens and message.tokens_per_second
    assert (record.completion_tokens, record.is_estimated) == (10, True)


def test_text_that_a_moderator_replaced_is_gone(
    make: Callable[..., Generation], running: list[Generator]
) -> None:
    generation = make()
    running.append(
        Generator(stream=of(TextDelta("bad words"), TextReplaced("Sorry."), Finish("stop")))
    )
    running[0].start(generation)
    assert running[0].wait(5)
    assert saved(generation).content == "Sorry."


@pytest.mark.parametrize(
    ("error", "code"), [(RateLimited(), "rate_limited"), (ValueError("bug"), "internal")]
)
def test_a_failure_keeps_what_arrived(
    make: Callable[..., Generation], error: Exception, code: str
) -> None:
    generation = make()
    generator = Generator(stream=of(TextDelta("part"), error))
    generator.start(generation)
    assert generator.wait(10)
    message = saved(generation)
    assert (message.status, message.error_code, message.content) == ("failed", code, "part")


def wait_for(condition: Callable[[], bool]) -> None:
    async def poll() -> None:
        async with asyncio.timeout(10):
            while not await asyncio.to_thread(condition):
                await asyncio.sleep(0.02)

    asyncio.run(poll())


def test_text_is_in_the_database_while_it_is_written(
    make: Callable[..., Generation], running: list[Generator]
) -> None:
    generation = make()
    running.append(Generator(stream=of(TextDelta("so far"), hangs=True)))
    running[0].start(generation)
    wait_for(lambda: saved(generation).content == "so far")
    assert saved(generation).status == "streaming"


def test_a_stop_row_ends_it_in_any_process(
    make: Callable[..., Generation], running: list[Generator]
) -> None:
    generation = make()
    running.append(Generator(stream=of(TextDelta("part"), hangs=True)))
    running[0].start(generation)
    Message.objects.update(is_stop_asked=True)
    assert running[0].wait(5)
    message = saved(generation)
    assert (message.status, message.content) == ("stopped", "part")


def test_deleting_the_chat_ends_it(
    make: Callable[..., Generation], running: list[Generator], session: ChatSession
) -> None:
    running.append(Generator(stream=of(TextDelta("part"), hangs=True)))
    running[0].start(make())
    session.delete()
    assert running[0].wait(5)
    assert not Message.objects.exists()


def test_the_upstream_stream_is_closed(make: Callable[..., Generation]) -> None:
    closed = []

    async def stream(target: Target, request: ChatRequest) -> AsyncIterator[Event]:
        try:
            yield TextDelta("x")
            await asyncio.sleep(60)
        finally:
            closed.append(True)

    generation = make()
    generator = Generator(stream=stream)
    generator.start(generation)
    wait_for(lambda: saved(generation).content == "x")
    generator.cancel([generation.message_id])
    assert generator.wait(5) and closed == [True]


def test_shutting_down_saves_as_interrupted(make: Callable[..., Generation]) -> None:
    generation = make()
    generator = Generator(stream=of(TextDelta("part"), hangs=True), drain_s=0.3)
    generator.start(generation)
    wait_for(lambda: generation.content == "part")
    generator.shut_down()
    message = saved(generation)
    assert (message.status, message.content) == ("interrupted", "part")


def test_shutting_down_lets_short_answers_finish(make: Callable[..., Generation]) -> None:
    async def stream(target: Target, request: ChatRequest) -> AsyncIterator[Event]:
        await asyncio.sleep(0.2)
        yield TextDelta("whole")

    generation = make()
    generator = Generator(stream=stream, drain_s=10)
    generator.start(generation)
    generator.shut_down()
    assert saved(generation).status == "done"


def test_without_answers_shutting_down_does_nothing() -> None:
    Generator().shut_down()


def test_a_database_that_is_away_loses_nothing(
    make: Callable[..., Generation], monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = saving.finish
    refusals: list[bool] = []

    def away_once(generation: Generation) -> None:
        if not refusals:
            refusals.append(True)
            raise DatabaseError("away")
        finish(generation)

    monkeypatch.setattr(saving, "finish", away_once)
    monkeypatch.setattr("chat.generation.SAVE_PAUSE_S", 0.01)
    generation = make()
    generator = Generator(stream=of(TextDelta("kept")))
    generator.start(generation)
    assert generator.wait(10)
    assert refusals and saved(generation).content == "kept"


def test_an_answer_that_was_reaped_too_early_is_completed(
    make: Callable[..., Generation], running: list[Generator]
) -> None:
    generation = make()
    generation.content, generation.ending = "whole", "done"
    Message.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    assert reap_lost() == 1
    saving.finish(generation)
    assert (saved(generation).status, saved(generation).content) == ("done", "whole")


def test_only_the_current_run_may_write(make: Callable[..., Generation]) -> None:
    generation = make()
    Message.objects.update(run=uuid.uuid4(), content="newer")
    generation.content = "older"
    assert saving.save_progress([generation]) == [generation.message_id]
    saving.finish(generation)
    assert saved(generation).content == "newer"


def test_silence_is_a_heartbeat(make: Callable[..., Generation]) -> None:
    generation = make()
    long_ago = timezone.now() - timedelta(seconds=20)
    Message.objects.update(heartbeat_at=long_ago)
    assert saving.save_progress([generation]) == []
    heartbeat = saved(generation).heartbeat_at
    assert heartbeat is not None and heartbeat > long_ago


def test_a_stop_before_the_first_step_is_saved(make: Callable[..., Generation]) -> None:
    generation, generator = make(), Generator(stream=of(TextDelta("never asked for")))
    generation.ending = MessageStatus.STOPPED
    generator.start(generation)
    assert generator.wait(10)
    message = Message.objects.get()
    assert (message.status, message.content) == (MessageStatus.STOPPED, "")


def test_a_cancelling_that_somebody_swallows_still_stops(make: Callable[..., Generation]) -> None:
    async def stream(target: Target, request: ChatRequest) -> AsyncIterator[Event]:
        for number in range(10_000):
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)
            yield TextDelta(f"{number} ")

    generation, generator = make(), Generator(stream=stream)
    generator.start(generation)
    while not generation.content:
        time.sleep(0.01)
    generator.cancel([generation.message_id])
    assert generator.wait(10)
    assert Message.objects.get().status == MessageStatus.STOPPED
