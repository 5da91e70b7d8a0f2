"""Questions, answers, their versions, and what happens to a chat."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from accounts.models import AuditEvent, User, UserLimits
from chat import context, exporting, services
from chat.errors import StillAnswering
from chat.generation import generator
from chat.models import ChatSession, Message, MessageStatus
from chat.reaping import reap_lost
from chat.threads import Tree
from chat.titles import title_of
from providers.models import ProviderModel
from providers.types import ChatMessage


def ask(session: ChatSession, text: str, **options: Message) -> Message:
    answer = services.ask(session=session, actor=session.owner, content=text, **options)
    assert generator.wait(10)
    answer.refresh_from_db()
    return answer


def shown(session: ChatSession) -> list[str]:
    session.refresh_from_db()
    return [message.content for message in Tree.of(session).path_to(session.tip_id)]


def test_an_answer_follows_its_question(session: ChatSession) -> None:
    answer = ask(session, "Hello there")
    assert (answer.content, answer.status, answer.model_label) == ("Hello there", "done", "echo")
    assert shown(session) == ["Hello there", "Hello there"]
    assert session.title == "Hello there"


def test_another_version_of_an_answer(session: ChatSession) -> None:
    first = ask(session, "one")
    again = services.ask_again(answer=first, actor=session.owner)
    assert generator.wait(10)
    assert again.pk != first.pk and again.parent_id == first.parent_id
    session.refresh_from_db()
    tree = Tree.of(session)
    turn = tree.turns(tree.nodes_to(session.tip_id))[-1]
    assert (turn.number, turn.previous, turn.next) == (2, first.pk, None)


def test_another_version_of_a_question_keeps_the_first(session: ChatSession) -> None:
    ask(session, "one")
    ask(session, "two")
    question = Message.objects.get(role="user", content="two")
    ask(session, "three", instead_of=question)
    assert shown(session) == ["one", "one", "three", "three"]
    before = session.revision
    services.show_version(message=question)
    assert shown(session) == ["one", "one", "two", "two"]
    moved = Message.objects.filter(revision__gt=before).values_list("content", flat=True)
    assert list(moved) == ["two", "two"]


def test_going_on_adds_to_the_same_answer(session: ChatSession) -> None:
    answer = ask(session, "one two three")
    Message.objects.filter(pk=answer.pk).update(status="stopped", content="one")
    answer.refresh_from_db()
    services.go_on(answer=answer, actor=session.owner)
    assert generator.wait(10)
    answer.refresh_from_db()
    assert answer.status == "done"
    assert answer.content.startswith("one") and context.CONTINUE in answer.content


def test_a_whole_answer_cannot_go_on(session: ChatSession) -> None:
    with pytest.raises(ValidationError):
        services.go_on(answer=ask(session, "one"), actor=session.owner)


def test_one_answer_at_a_time(session: ChatSession) -> None:
    services.ask(session=session, actor=session.owner, content="/long 500")
    with pytest.raises(StillAnswering):
        services.ask(session=session, actor=session.owner, content="again")
    assert services.stop(session=session) == 1
    assert generator.wait(5)
    answer = Message.objects.get(role="assistant")
    assert answer.status == MessageStatus.STOPPED and answer.is_stop_asked


@pytest.mark.parametrize("text", ["", " \n", "x" * (services.CONTENT_MAX_CHARS + 1)])
def test_a_message_must_say_something_but_not_everything(session: ChatSession, text: str) -> None:
    with pytest.raises(ValidationError):
        services.ask(session=session, actor=session.owner, content=text)
    assert not Message.objects.exists()


def test_a_model_that_is_gone_is_refused_before_anything_is_stored(session: ChatSession) -> None:
    ProviderModel.objects.update(is_enabled=False)
    session.refresh_from_db()
    with pytest.raises(ValidationError) as found:
        services.ask(session=session, actor=session.owner, content="x")
    assert "model" in found.value.message_dict and not Message.objects.exists()


def test_a_spent_budget_is_told_before_anything_is_stored(session: ChatSession) -> None:
    UserLimits.objects.create(user=session.owner, budget_day_usd=0)
    with pytest.raises(ValidationError, match="budget is used up"):
        ask(session, "one")
    assert not session.messages.exists()


def test_a_refused_first_question_leaves_no_session(echo: ProviderModel, alice: User) -> None:
    with pytest.raises(ValidationError):
        services.open_with(owner=alice, model=echo, content=" ", request=None)
    assert not ChatSession.objects.exists()


def test_lost_answers_are_marked(session: ChatSession) -> None:
    answer = ask(session, "x")
    old = timezone.now() - timedelta(seconds=31)
    Message.objects.filter(pk=answer.pk).update(status="streaming", heartbeat_at=old)
    before = ChatSession.objects.get().revision
    assert reap_lost() == 1
    assert reap_lost() == 0
    answer.refresh_from_db()
    assert answer.status == "interrupted" and answer.revision == before + 1


def test_a_living_answer_is_not_reaped(session: ChatSession) -> None:
    answer = ask(session, "x")
    Message.objects.filter(pk=answer.pk).update(status="streaming", heartbeat_at=timezone.now())
    assert reap_lost() == 0


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("Short", "Short"),
        ("\n  First line\nsecond", "First line"),
        ("word " * 40, "word word word word word word word word word word word word…"),
        ("字" * 100, "字" * 60 + "…"),
        ("## Why **so** `slow`?", "Why so slow?"),
        ("```python\nprint(1)\n```", "print(1)"),
        ("> - quoted", "quoted"),
        ("2 * 3 = 6 and snake_case", "2 * 3 = 6 and snake_case"),
        ("", ""),
    ],
)
def test_titles(question: str, title: str) -> None:
    assert title_of(question) == title


def test_what_is_sent_to_the_model(session: ChatSession) -> None:
    history = [
        Message(role="user", content="q1"),
        Message(role="assistant", content="a1", thinking_content="secret thoughts"),
        Message(role="user", content="q2"),
        Message(role="assistant", content=" "),
    ]
    session.system_prompt = "Be brief."
    assert context.build(session, history) == [
        ChatMessage("system", "Be brief."),
        ChatMessage("user", "q1"),
        ChatMessage("assistant", "a1"),
        ChatMessage("user", "q2"),
    ]


def test_the_models_prompt_and_parameters_hold_unless_the_session_says_otherwise(
    session: ChatSession,
) -> None:
    ProviderModel.objects.update(system_prompt="From the model.", max_tokens=2)
    session.refresh_from_db()
    assert context.build(session, [])[0].content == "From the model."
    assert ask(session, "one two three").content.split() == ["one", "two"]
    services.change_session(session=session, actor=session.owner, parameters={"max_tokens": 1})
    answer = ask(session, "one two three")
    assert answer.content == "one" and answer.finish_reason == "length"


def test_changes_are_audited_without_the_words(session: ChatSession, alice: User) -> None:
    services.change_session(
        session=session, actor=alice, system_prompt="private words", title="Renamed"
    )
    event = AuditEvent.objects.get(action="chat.update")
    assert event.after == {"title": "changed", "system_prompt": "changed"}
    assert event.target_label == str(session.pk)


def test_exports(session: ChatSession) -> None:
    ask(session, "/think hello")
    session.refresh_from_db()
    text = exporting.as_markdown(session)
    assert "# /think hello" in text and "\n> The" in text
    assert '"role": "assistant"' in exporting.as_json(session)
    assert exporting.file_name(session, "md") == "think-hello.md"
