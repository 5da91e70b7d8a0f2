"""A model names a chat: after its first answer, beside it, and never against a person."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User, UserLimits
from chat import services, titles
from chat.generation import Generator
from chat.models import (
    ChatSession,
    ChatSettings,
    Comparison,
    Message,
    MessageRole,
    MessageStatus,
    TitleSource,
)
from chat.running import Generation
from providers.errors import Overloaded
from providers.models import CallRecord, ProviderModel
from providers.services import target_of
from providers.types import ChatMessage, ChatRequest, Event, Target, TextDelta, Usage

Answer = Callable[..., Message]


class Model:
    """Answers anything, and writes the title that a test wants; `asked` are calls for one."""

    def __init__(self, title: str = "Oil prices") -> None:
        self.title = title
        self.error: Exception | None = None
        self.asked: list[tuple[Target, ChatRequest]] = []
        self.may_name = asyncio.Event()
        self.may_name.set()

    async def __call__(self, target: Target, request: ChatRequest) -> AsyncIterator[Event]:
        if request.parameters.get("max_tokens") is None:
            yield TextDelta("They fall.")
            return
        self.asked.append((target, request))
        await self.may_name.wait()
        if self.error is not None:
            raise self.error
        yield TextDelta(self.title)
        yield Usage(prompt_tokens=40, completion_tokens=3)


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def generator(model: Model) -> Iterator[Generator]:
    made = Generator(stream=model, drain_s=0.1)
    yield made
    made.shut_down()
    assert made.wait(5)


@pytest.fixture
def answer(session: ChatSession, alice: User, generator: Generator) -> Answer:
    def run(*, position: int = 1, content: str = "What does oil do?", **of: Any) -> Any:
        """`of`: what its target is like."""
        asked = Message.objects.create(
            session=session, position=position - 1, role=MessageRole.USER, content=content
        )
        message = Message.objects.create(
            session=session,
            parent=asked,
            position=position,
            role=MessageRole.ASSISTANT,
            status=MessageStatus.STREAMING,
            run=uuid.uuid4(),
            heartbeat_at=timezone.now(),
        )
        assert session.model is not None and message.run is not None
        generator.start(
            Generation(
                message_id=message.pk,
                session_id=session.pk,
                run=message.run,
                user=alice,
                target=replace(target_of(session.model), **{"kind": "openai"} | of),
                messages=[ChatMessage("user", content)],
                parameters={},
                is_early=position <= services.LAST_EARLY,
            )
        )
        return message

    return run


def title_of(session: ChatSession) -> tuple[str, str]:
    session.refresh_from_db()
    return session.title, session.title_source


def test_the_first_answer_brings_a_title_and_its_charge(
    session: ChatSession, alice: User, answer: Answer, generator: Generator, model: Model
) -> None:
    ChatSession.objects.update(title="What does oil do?")
    revision = ChatSession.objects.get().revision
    answer()
    assert generator.wait(5)
    assert title_of(session) == ("Oil prices", TitleSource.MODEL)
    assert session.revision == revision + 2  # the answer's end, then the title
    row = CallRecord.objects.get(source="title")
    assert (row.user, row.status, row.prompt_tokens) == (alice, "done", 40)
    assert "What does oil do?" in str(model.asked[0][1].messages[1])
    answer(position=3)
    assert generator.wait(5)
    assert len(model.asked) == 1


def test_it_delays_no_answer(
    session: ChatSession, answer: Answer, generator: Generator, model: Model
) -> None:
    model.may_name.clear()
    message = answer()
    for _turn in range(500):
        message.refresh_from_db()
        if model.asked:
            break
        generator.wait(0.02)
    message.refresh_from_db()
    assert message.status == "done" and message.content == "They fall."
    services.change_session(session=session, actor=session.owner, title="My own")
    assert generator._loop is not None
    generator._loop.call_soon_threadsafe(model.may_name.set)
    assert generator.wait(5)
    assert title_of(session) == ("My own", TitleSource.PERSON)
    assert CallRecord.objects.filter(source="title").count() == 1


def test_a_title_that_a_person_gave_asks_nobody(
    echo: ProviderModel,
    alice: User,
    session: ChatSession,
    answer: Answer,
    generator: Generator,
    model: Model,
) -> None:
    given = services.create_session(owner=alice, model=echo, title="Given")
    assert given.title_source == TitleSource.PERSON
    services.change_session(session=session, actor=alice, title="Renamed")
    answer()
    assert generator.wait(5)
    assert model.asked == [] and title_of(session) == ("Renamed", TitleSource.PERSON)


@pytest.mark.parametrize("of", [{"kind": "echo"}, {"kind": "dify"}, {"is_managed": True}])
def test_what_only_repeats_acts_or_was_trained_for_something_else_is_not_asked(
    answer: Answer, generator: Generator, model: Model, of: dict[str, Any]
) -> None:
    answer(**of)
    assert generator.wait(5)
    assert model.asked == []


def test_the_second_answer_makes_up_for_a_failed_title(
    session: ChatSession, answer: Answer, generator: Generator, model: Model
) -> None:
    model.error = Overloaded("busy")
    answer()
    assert generator.wait(5)
    row = CallRecord.objects.get(source="title")
    assert (row.status, row.error_code) == ("failed", Overloaded.code)
    model.error = None
    answer(position=3)
    assert generator.wait(5)
    assert title_of(session) == ("Oil prices", TitleSource.MODEL)
    answer(position=5)
    assert generator.wait(5)
    assert len(model.asked) == 2


def test_the_operator_chooses_the_model_or_nobody(
    session: ChatSession, bob: User, answer: Answer, generator: Generator, model: Model
) -> None:
    settings = ChatSettings.objects.create(title_writer="nobody")
    answer()
    assert generator.wait(5)
    assert model.asked == []
    chosen = session.model
    assert chosen is not None
    settings.title_writer, settings.title_model = "chosen", chosen
    settings.save()
    answer()
    assert generator.wait(5)
    assert [target.model_pk for target, _request in model.asked] == [chosen.pk]
    ChatSession.objects.update(title_source=TitleSource.QUESTION)
    chosen.provider.owner = bob
    chosen.provider.save()
    answer()
    assert generator.wait(5)
    assert len(model.asked) == 1  # what is somebody else's writes no titles


def test_it_keeps_within_the_person_s_limits(
    session: ChatSession, alice: User, answer: Answer, generator: Generator, model: Model
) -> None:
    UserLimits.objects.create(user=alice, rpm=1)
    answer()
    assert generator.wait(5)
    assert model.asked == [] and session.title_source == TitleSource.QUESTION
    row = CallRecord.objects.get(source="title")
    assert (row.status, row.error_code) == ("refused", "rate_limit_exceeded")


def test_deleted_chats_and_columns_of_a_comparison_get_none(
    session: ChatSession, alice: User, answer: Answer, generator: Generator, model: Model
) -> None:
    comparison = Comparison.objects.create(owner=alice, title="Two")
    column = comparison.columns.create(number=1, session=session)
    answer()
    assert generator.wait(5)
    column.delete()
    services.delete_session(session=session, actor=alice)
    answer()
    assert generator.wait(5)
    assert model.asked == []


def test_the_end_of_the_process_records_what_was_asked(
    session: ChatSession, answer: Answer, generator: Generator, model: Model
) -> None:
    model.may_name.clear()
    answer()
    while not model.asked:
        generator.wait(0.02)
    generator.shut_down()
    assert generator.wait(5)
    assert CallRecord.objects.get(source="title").status == "interrupted"
    assert title_of(session)[1] == TitleSource.QUESTION


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ("Oil prices", "Oil prices"),
        ('Title: "Oil prices."', "Oil prices"),
        ("# **Oil prices**\nand more", "Oil prices"),
        ("标题：《油价走势》", "油价走势"),
        ("「油价走势」。", "油价走势"),
        ("I cannot give a title, because " + "x" * 80, ""),
        ("  \n", ""),
        ("1.user@\ufffdsystem 3", ""),
        ("<|im_start|>assistant", ""),
    ],
)
def test_what_a_model_says_becomes_a_title(said: str, title: str) -> None:
    assert titles.title_in(said) == title
