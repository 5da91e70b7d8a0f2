"""The cursor of a watcher: nothing twice, nothing lost, whatever nudges do."""

import uuid

import pytest
from django.utils import timezone

from chat.following import Follower, SessionGone, TextNews
from chat.models import ChatSession, Message


@pytest.fixture
def answer(session: ChatSession) -> Message:
    question = Message.objects.create(session=session, position=0, role="user", content="q")
    answer = Message.objects.create(
        session=session,
        parent=question,
        position=1,
        role="assistant",
        status="streaming",
        content="abc",
        heartbeat_at=timezone.now(),
        revision=1,
    )
    ChatSession.objects.update(tip=answer, revision=1)
    return answer


def nudge(answer: Message, content_at: int, content: str, thinking: str = "") -> dict[str, object]:
    return {
        "type": "chat.text",
        "id": str(answer.pk),
        "thinking_at": 0,
        "thinking": thinking,
        "content_at": content_at,
        "content": content,
    }


def test_first_everything_then_what_is_new(answer: Message) -> None:
    follower = Follower(answer.session_id)
    changes = follower.read().changes
    assert changes is not None and len(changes.turns) == len(changes.order) == 2
    assert follower.take(nudge(answer, 3, "def")) == TextNews(str(answer.pk), "", "def")
    assert follower.take(nudge(answer, 3, "def")) is None
    assert follower.take(nudge(answer, 4, "efg")) == TextNews(str(answer.pk), "", "g")


def test_what_is_ahead_waits_for_the_text_before_it(answer: Message) -> None:
    follower = Follower(answer.session_id)
    follower.read()
    assert follower.take(nudge(answer, 5, "fgh")) is None and follower.is_behind
    assert follower.take(nudge(answer, 8, "ij")) is None
    assert follower.read().texts == () and follower.is_behind
    Message.objects.filter(pk=answer.pk).update(content="abcdef", thinking_content="t")
    news = follower.read()
    assert [text.content for text in news.texts] == ["def", "gh", "ij"]
    assert not follower.is_behind
    assert follower.take(nudge(answer, 10, "k")) == TextNews(str(answer.pk), "", "k")


def test_a_database_behind_the_nudges_repeats_nothing(answer: Message) -> None:
    follower = Follower(answer.session_id)
    follower.read()
    follower.take(nudge(answer, 3, "def"))
    assert follower.read().texts == ()


def test_text_of_an_answer_not_read_yet_waits(answer: Message) -> None:
    follower = Follower(answer.session_id)
    assert follower.take(nudge(answer, 3, "def")) is None and follower.is_behind
    news = follower.read()
    assert news.changes is not None and news.texts == (TextNews(str(answer.pk), "", "def"),)


def test_a_finished_answer_waits_for_nothing(answer: Message) -> None:
    follower = Follower(answer.session_id)
    follower.read()
    follower.take(nudge(answer, 9, "x"))
    Message.objects.filter(pk=answer.pk).update(status="done", revision=2)
    ChatSession.objects.update(revision=2)
    assert follower.read().changes is not None and not follower.is_behind


def test_what_is_known_is_left_out(answer: Message) -> None:
    changes = Follower(answer.session_id, revision=1).read().changes
    assert changes is not None and [t.message.pk for t in changes.turns] == [answer.pk]
    Message.objects.filter(pk=answer.pk).update(status="done")
    changes = Follower(answer.session_id, revision=1).read().changes
    assert changes is not None and changes.turns == () and len(changes.order) == 2


def test_a_deleted_session(db: None) -> None:
    with pytest.raises(SessionGone):
        Follower(uuid.uuid4()).read()
