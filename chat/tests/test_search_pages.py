"""The search in the list of chats, in the palette and in the API; opening what it found."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from accounts.models import User
from chat.models import ChatSession, Message, SearchFill
from chat.search import filling, index
from chat.services import ask, ask_again, go_on, open_with
from chat.tests.test_search import chat_with, found
from chat.windows import TURNS_PER_PAGE, window
from providers.models import ProviderModel

ClientFor = Callable[[User], Client]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]


def thread(owner: User, texts: list[str]) -> list[Message]:
    """A conversation of these messages, shown to its end."""
    chat = ChatSession.objects.create(owner=owner, title="A long one")
    messages: list[Message] = []
    for at, text in enumerate(texts):
        parent = messages[-1] if messages else None
        role = ("user", "assistant")[at % 2]
        messages.append(Message(session=chat, position=at, role=role, content=text, parent=parent))
    Message.objects.bulk_create(messages)
    index.add(messages)
    ChatSession.objects.filter(pk=chat.pk).update(tip=messages[-1])
    return messages


def test_the_list_shows_where_the_words_are(alice: User, client_for: ClientFor) -> None:
    chat = chat_with(alice, "我们的<b>数据库</b>很快", title="Databases & more")
    page = client_for(alice).get("/chat/?q=数据库").content.decode()
    message = chat.messages.get()
    assert "我们的&lt;b&gt;<mark>数据库</mark>&lt;/b&gt;很快" in page
    assert f"at={message.pk}#message-{message.pk}" in page and "Databases &amp; more" in page
    page = client_for(alice).get("/chat/?q=databases").content.decode()
    assert "<mark>Databases</mark> &amp; more" in page and "at=" not in page
    assert "No chat contains" in client_for(alice).get("/chat/?q=nothing").content.decode()
    assert "Type a letter" in client_for(alice).get("/chat/?q=?!").content.decode()


def test_what_was_found_comes_in_pages(alice: User, client_for: ClientFor) -> None:
    for number in range(23):
        chat_with(alice, f"apple {number}")
    client = client_for(alice)
    first, second = (client.get(f"/chat/?q=apple&page={page}") for page in (1, 2))
    assert len(first.context["page"].hits) == 20 and first.context["page"].has_next
    assert "q=apple&amp;page=2" in first.content.decode()
    assert len(second.context["page"].hits) == 3 and not second.context["page"].has_next
    assert "There are no more" in client.get("/chat/?q=apple&page=9").content.decode()
    assert client.get("/chat/?q=apple&page=x").context["page"].number == 1


def test_older_chats_are_being_prepared(alice: User, client_for: ClientFor) -> None:
    SearchFill.objects.update_or_create(
        pk=1, defaults={"sessions_done": 1, "sessions_total": 4, "finished_at": None}
    )
    assert "25 % are done" in client_for(alice).get("/chat/?q=x").content.decode()
    call_command("chat_search")
    assert filling.state() is None
    assert "are done" not in client_for(alice).get("/chat/?q=x").content.decode()


def test_the_command_builds_the_index_anew(alice: User, capsys: pytest.CaptureFixture[str]) -> None:
    chat = chat_with(alice, "apple")
    Message.objects.create(session=chat, position=1, role="user", content="pear")
    assert found(alice, "pear") == []
    call_command("chat_search", "--rebuild")
    assert found(alice, "pear") == found(alice, "apple") == [chat]
    assert "1 of 1" in capsys.readouterr().out


def test_a_message_on_an_earlier_page_is_opened(alice: User, client_for: ClientFor) -> None:
    messages = thread(alice, [f"text {number}" for number in range(200)])
    client, address = client_for(alice), f"/chat/{messages[0].session_id}/"
    newest = client.get(address).context
    assert [t.message for t in newest["turns"]] == messages[-TURNS_PER_PAGE:]
    for at in (0, 3, 100, 199):
        page = client.get(f"{address}?at={messages[at].pk}")
        assert messages[at] in [turn.message for turn in page.context["turns"]]
        assert page.context["is_end"] == (at == 199) and page.context["unshown"] is None
    earlier = client.get(f"{address}?before=140").context
    start = 140 - TURNS_PER_PAGE
    assert [t.message for t in earlier["turns"]] == messages[start:140]
    assert earlier["earlier"] == start
    assert client.get(f"{address}?at=x").status_code == 404


@pytest.mark.parametrize("versions_at", [[], [1], [30], [85], [1, 30, 85]])
def test_each_part_of_a_long_chat_is_of_the_shown_path(alice: User, versions_at: list[int]) -> None:
    """Where there are versions and where there are none, of which less is read."""
    shown = thread(alice, [f"text {number}" for number in range(90)])
    chat = shown[0].session
    chat.refresh_from_db()
    for at in versions_at:
        fields = {"session": chat, "position": at, "role": shown[at].role, "content": "other"}
        Message.objects.create(parent=shown[at - 1], **fields)
    for before in (1, 2, 31, 60, 89, 90, 99):
        part = window(chat, before=before)
        end = min(before, 90)
        assert [turn.message for turn in part.turns] == shown[part.start : end]
        assert part.start == max(0, end - TURNS_PER_PAGE) and part.is_end == (end == 90)
        for turn in part.turns:
            assert len(turn.versions) == 1 + (turn.message.position in versions_at)
    for at in (0, 1, 29, 30, 31, 70, 89):
        part = window(chat, at=shown[at].pk)
        assert [turn.message for turn in part.turns] == shown[part.start :][: len(part.turns)]
        assert shown[at] in [turn.message for turn in part.turns] and part.unshown is None


def test_a_message_on_another_branch_is_opened(alice: User, client_for: ClientFor) -> None:
    shown = thread(alice, [f"text {number}" for number in range(90)])
    chat, parent = shown[0].session, shown[1]
    other: list[Message] = []
    for at in range(2, 80):
        role = ("user", "assistant")[at % 2]
        parent = Message.objects.create(
            session=chat, position=at, role=role, content=f"other {at}", parent=parent
        )
        other.append(parent)
    client, address = client_for(alice), f"/chat/{chat.pk}/"
    page = client.get(f"{address}?at={other[-1].pk}")
    texts = [turn.message.content for turn in page.context["turns"]]
    assert texts[-1] == "other 79" and not page.context["is_end"]
    assert f"at={other[-1].pk}&amp;before={80 - TURNS_PER_PAGE}" in page.content.decode()
    page = client.get(f"{address}?at={other[-1].pk}&before=20")
    assert [turn.message.content for turn in page.context["turns"]][:3] == [
        "text 0",
        "text 1",
        "other 2",
    ]
    assert client.get(address).context["turns"][-1].message == shown[-1]
    assert client.post(f"{address}messages/{other[-1].pk}/show/").status_code == 302
    assert client.get(address).context["turns"][-1].message == other[-1]


def test_somebody_elses_message_is_not_opened(
    alice: User, bob: User, client_for: ClientFor
) -> None:
    mine, theirs = thread(alice, ["mine"]), thread(bob, ["theirs"])
    address = f"/chat/{mine[0].session_id}/?at={theirs[0].pk}"
    assert client_for(alice).get(address).status_code == 404


def test_the_api_says_where(alice: User, bob: User, api: Callable[[User], Any]) -> None:
    chat_with(bob, "apple")
    titled, said = chat_with(alice, "x", title="Apple"), chat_with(alice, "an apple a day")
    answer = api(alice).get("chat/sessions?q=apple").json()
    assert [item["id"] for item in answer["items"]] == [str(titled.pk), str(said.pk)]
    assert answer["count"] == 2 and answer["items"][0]["hit"] is None
    assert answer["items"][1]["hit"] == {
        "message_id": str(said.messages.get().pk),
        "snippet": "an apple a day",
        "marks": [[3, 8]],
    }
    first = api(alice).get("chat/sessions?q=apple&limit=1").json()
    assert len(first["items"]) == 1 and first["count"] == 2
    assert api(alice).get("chat/sessions?q=apple&limit=1&offset=2").json()["items"] == []
    assert api(alice).get("chat/sessions").json()["items"][0]["hit"] is None


def test_the_palette_finds_what_was_said(alice: User, bob: User, client_for: ClientFor) -> None:
    chat_with(bob, "秘密 of Bob")
    chat = chat_with(alice, "一个秘密", title="Plans")
    message = chat.messages.get()
    [item] = client_for(alice).get("/palette/?q=秘密").json()["items"]
    assert item["label"] == "Plans" and item["text"] == "一个秘密"
    assert item["url"].endswith(f"at={message.pk}#message-{message.pk}")
    assert client_for(alice).get(item["url"]).status_code == 200


def test_what_is_asked_and_answered_can_be_found(echo: ProviderModel, alice: User) -> None:
    from chat.generation import generator

    answer = open_with(owner=alice, content="Tell me about 熊猫", request=None, model=echo)
    assert generator.wait(10)
    chat = answer.session
    assert found(alice, "熊猫") == [chat]
    question = chat.messages.get(role="user")
    ask(session=chat, actor=alice, content="About 老虎", instead_of=question)
    assert generator.wait(10)
    assert found(alice, "熊猫") == found(alice, "老虎") == [chat]
    ask_again(answer=chat.messages.filter(role="assistant").last(), actor=alice)  # type: ignore[arg-type]
    assert generator.wait(10)
    entries = Message.objects.exclude(search_entry=None).count()
    assert entries == chat.messages.exclude(content="").count() == 5
    # What a model goes on with is in the index once, with its new text.
    answer.refresh_from_db()
    Message.objects.filter(pk=answer.pk).update(status="stopped")
    answer.refresh_from_db()
    go_on(answer=answer, actor=alice)
    assert generator.wait(10)
    assert Message.objects.exclude(search_entry=None).count() == 5
