"""What watchers, programs and readers of shared chats see of an answer's sources."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import Client

from accounts.models import User
from chat import answering, services, sharing
from chat.generation import generator
from chat.models import ChatSession, Message
from chat.tests.test_sockets import ask, opened
from knowledge.models import Base
from knowledge.tests.rows import base_of, document_of
from providers.models import ProviderModel
from providers.types import ChatRequest, Event, Finish, Target, TextDelta

LEAVE = "Employees have 25 days of paid leave a year."
QUESTION = "How many days of paid leave are there?"
SAYS = f"{LEAVE[:-1]} [1]. The canteen serves soup on every Friday."


# While it is closed the answer waits after its first sentence.
gate = threading.Event()
gate.set()


async def _says(target: Target, request: ChatRequest) -> AsyncIterator[Event]:
    yield TextDelta(SAYS[:50])
    await asyncio.to_thread(gate.wait, 10)
    for at in range(50, len(SAYS), 5):
        yield TextDelta(SAYS[at : at + 5])
    yield Finish("stop")


@pytest.fixture
def _gated() -> Iterator[None]:
    gate.clear()
    yield
    gate.set()


@pytest.fixture(autouse=True)
def _scripted(monkeypatch: pytest.MonkeyPatch, nobody_writes_titles: None) -> Iterator[None]:
    monkeypatch.setattr(generator, "_stream", _says)
    yield
    assert generator.wait(10)


@pytest.fixture
def base(alice: User, transactional_db: None) -> Base:
    base = base_of(alice)
    document_of(base, [LEAVE], name="leave.txt", page=2)
    return base


@pytest.fixture
def grounded(echo: ProviderModel, alice: User, base: Base) -> ChatSession:
    return services.create_session(owner=alice, model=echo, knowledge_bases=[base])


@pytest.mark.usefixtures("_gated")
async def test_programs_get_sources_while_it_is_written(grounded: ChatSession, alice: User) -> None:
    socket = await opened(grounded, alice)
    await ask(grounded, QUESTION)
    sources: list[str] = []
    while not sources:
        event = await socket.event()
        for message in event.get("messages", []):
            sources += [each["document"] for each in message["sources"]]
            assert message["role"] == "user" or message["status"] == "streaming"
    gate.set()
    assert sources == ["leave.txt"]
    events = await socket.until_done()
    answer = events[-1]["messages"][-1]
    assert answer["sources"][0]["is_cited"] and answer["sources"][0]["content"] == LEAVE
    (claim,) = answer["unsupported"]
    assert answer["content"][claim["start"] : claim["end"]].strip().startswith("The canteen")
    await socket.disconnect()


@pytest.mark.usefixtures("_gated")
async def test_pages_get_links_and_then_marks(grounded: ChatSession, alice: User) -> None:
    socket = await opened(grounded, alice, "format=html&lang=en")
    await ask(grounded, QUESTION)
    events = [await socket.event()]
    while 'data-cite="1"' not in _html(events[-1]):
        events.append(await socket.event())
    gate.set()
    assert all(">[1" not in _html(event) for event in events)
    shown = [_html(event) for event in events if event["type"] == "state"]
    assert any("leave.txt" in html and 'aria-busy="true"' in html for html in shown)
    events = await socket.until_done()
    last = events[-1]["messages"][-1]
    assert "rest" not in last
    assert '<span class="unsupported" title="Not found in the sources">' in last["html"]
    assert "1 sentence was not found in the sources." in last["html"]
    await socket.disconnect()


def _html(event: dict[str, Any]) -> str:
    """The markup of an event, whether of messages or of new text."""
    if event["type"] == "delta":
        return str(event.get("settled", "")) + str(event.get("tail", ""))
    return "".join(message["html"] for message in event["messages"])


async def test_server_sent_events_begin_with_the_sources(grounded: ChatSession) -> None:
    answer = await ask(grounded, QUESTION)
    lines = [line async for line in answering.server_sent_events(answer)]
    events = [json.loads(line.removeprefix("data: ")) for line in lines[:-1] if line[0] == "d"]
    assert [event["type"] for event in events if event["type"] != "content"] == ["sources", "done"]
    assert events[0]["type"] == "sources"
    assert events[0]["sources"][0]["document"] == "leave.txt"
    assert events[-1]["message"]["sources"][0]["is_cited"]


async def test_server_sent_events_say_that_nothing_was_found(grounded: ChatSession) -> None:
    answer = await ask(grounded, "Zirkonium?")
    lines = [line async for line in answering.server_sent_events(answer)]
    first = json.loads(lines[0].removeprefix("data: "))
    assert (first["sources"], first["remarks"][0]["code"]) == ([], "nothing_found")


async def test_waiting_for_the_whole_answer(grounded: ChatSession) -> None:
    answer = await ask(grounded, QUESTION)
    found = await answering.finished(answer)
    sources = await sync_to_async(lambda: [each.number for each in found.sources.all()])()
    assert sources == [1]


Api = Callable[[User], Any]


def test_bases_by_api(echo: ProviderModel, alice: User, bob: User, base: Base, api: Api) -> None:
    client = api(alice)
    made = client.post("chat/sessions", model_id=echo.pk, knowledge_bases=[base.pk])
    assert made.status_code == 201 and made.json()["knowledge_bases"] == [base.pk]
    path = f"chat/sessions/{made.json()['id']}"
    assert client.patch(path, title="Other").json()["knowledge_bases"] == [base.pk]
    assert client.patch(path, knowledge_bases=[]).json()["knowledge_bases"] == []
    client.patch(path, knowledge_bases=[base.pk])
    assert client.get("chat/sessions").json()["items"][0]["knowledge_bases"] == [base.pk]
    base.delete()
    found = client.get(path).json()
    assert (found["knowledge_bases"], found["gone_knowledge_bases"]) == ([], ["Handbook"])


def test_strangers_and_unknown_bases_are_refused_alike(
    echo: ProviderModel, alice: User, bob: User, base: Base, api: Api
) -> None:
    answers = [
        api(bob).post("chat/sessions", model_id=echo.pk, knowledge_bases=[pk]).json()
        for pk in (base.pk, base.pk + 1000)
    ]
    assert answers[0] == answers[1]
    assert list(answers[0]["error"]["fields"]) == ["knowledge_bases"]
    refused = api(bob).post("chat/sessions", model_id=echo.pk, knowledge_bases=[base.pk])
    assert refused.status_code == 422 and not ChatSession.objects.exists()


def answered(session: ChatSession) -> Message:
    answer = services.ask(session=session, actor=session.owner, content=QUESTION)
    assert generator.wait(10)
    session.refresh_from_db()
    return Message.objects.get(pk=answer.pk)


def test_messages_by_api(grounded: ChatSession, alice: User, api: Api) -> None:
    answered(grounded)
    items = api(alice).get(f"chat/sessions/{grounded.pk}/messages").json()["items"]
    assert [len(item["sources"]) for item in items] == [0, 1]
    assert items[1]["sources"][0]["page"] == 2 and len(items[1]["unsupported"]) == 1


def test_readers_of_a_shared_chat_open_only_what_they_may(
    grounded: ChatSession, bob: User, base: Base, client_for: Callable[[User], Client], api: Api
) -> None:
    answered(grounded)
    row = sharing.share(session=grounded, actor=grounded.owner)
    html = client_for(bob).get(f"/chat/shared/{row.pk}/").content.decode()
    assert LEAVE in html and "/knowledge/documents/" not in html
    assert api(bob).get(f"chat/shared/{row.pk}").json()["messages"][1]["sources"]
    Base.objects.filter(pk=base.pk).update(is_shared=True)
    html = client_for(bob).get(f"/chat/shared/{row.pk}/").content.decode()
    assert "/knowledge/documents/" in html


def test_paper_has_the_sources(
    grounded: ChatSession, alice: User, client_for: Callable[[User], Client]
) -> None:
    answered(grounded)
    html = client_for(alice).get(f"/chat/{grounded.pk}/print/").content.decode()
    assert "leave.txt" in html and 'class="cite"' in html


def test_a_link_of_the_bases_page_prepares_a_chat(
    echo: ProviderModel, alice: User, bob: User, base: Base, client_for: Callable[[User], Client]
) -> None:
    address = f"/chat/?knowledge_base={base.pk}"
    html = client_for(alice).get(f"/knowledge/{base.pk}/").content.decode()
    assert f'href="{address}"' in html
    html = client_for(alice).get(address).content.decode()
    assert f'data-base-chip="{base.pk}"' in html
    html = client_for(bob).get(address).content.decode()
    assert base.name not in html


def test_forms_choose_bases(
    echo: ProviderModel, alice: User, bob: User, base: Base, client_for: Callable[[User], Client]
) -> None:
    client = client_for(alice)
    form = {"content": QUESTION, "model": echo.pk, "knowledge_bases": base.pk}
    response = client.post("/chat/", form)
    assert response.status_code == 302 and generator.wait(10)
    session = ChatSession.objects.get()
    assert session.searched_bases == [base.pk]
    assert client.post(f"/chat/{session.pk}/settings/", {}).status_code == 302
    assert ChatSession.objects.get().searched_bases == []
    theirs = base_of(bob, "Bob's")
    refused = client.post(f"/chat/{session.pk}/knowledge/", {"knowledge_bases": theirs.pk})
    assert refused.status_code == 422
    refused = client.post(f"/chat/{session.pk}/settings/", {"knowledge_bases": theirs.pk})
    assert refused.status_code == 422


def test_offered_bases_are_ones_own(
    alice: User, bob: User, base: Base, client_for: Callable[[User], Client]
) -> None:
    base_of(bob, "Handbook of Bob")
    html = client_for(alice).get("/chat/knowledge/?q=hand").content.decode()
    assert html.count('role="option"') == 1 and base.name in html
    assert (
        "No knowledge base matches"
        in client_for(alice).get("/chat/knowledge/?q=x").content.decode()
    )
