"""The chat socket, through the whole ASGI application."""

from typing import Any

import pytest
from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.db import OperationalError
from django.test import Client

from accounts.models import User
from accounts.services import deactivate
from accounts.tokens import open_session
from chat import consumers, lookout, services
from chat.models import ChatSession, Message
from chat.rendering import render
from llmplatform import sockets
from llmplatform.asgi import application
from llmplatform.nudges import nudges

in_thread = database_sync_to_async


def token_of(user: User) -> str:
    return open_session(user=user, request=None).access


def cookie_of(user: User) -> list[tuple[bytes, bytes]]:
    client = Client()
    client.force_login(user)
    value = client.cookies[settings.SESSION_COOKIE_NAME].value
    return [(b"cookie", f"{settings.SESSION_COOKIE_NAME}={value}".encode())]


class Socket(WebsocketCommunicator):
    def __init__(self, session: ChatSession, query: str = "", headers: Any = ()) -> None:
        origin = (b"origin", b"http://testserver")
        path = f"/ws/chat/{session.pk}/?{query}"
        super().__init__(application, path, headers=[origin, *headers])

    async def event(self) -> dict[str, Any]:
        found: dict[str, Any] = await self.receive_json_from(timeout=10)
        return found

    async def until_done(self) -> list[dict[str, Any]]:
        """Every event up to the state in which no answer is running."""
        events = []
        while True:
            events.append(await self.event())
            messages = events[-1].get("messages", [])
            if messages and messages[-1]["status"] != "streaming":
                return events

    async def close_code(self) -> int:
        while True:
            output = await self.receive_output(timeout=10)
            if output["type"] == "websocket.close":
                return int(output["code"])


async def opened(session: ChatSession, user: User, query: str = "") -> Socket:
    token = await in_thread(token_of)(user)
    socket = Socket(session, f"token={token}&{query}")
    assert (await socket.connect())[0]
    return socket


async def ask(session: ChatSession, text: str) -> Message:
    def work() -> Message:
        return services.ask(session=session, actor=session.owner, content=text)

    answer: Message = await in_thread(work)()
    return answer


async def test_state_then_text_then_the_whole(session: ChatSession, alice: User) -> None:
    socket = await opened(session, alice)
    assert await socket.event() == {
        "type": "state",
        "revision": 0,
        "title": "",
        "order": [],
        "messages": [],
    }
    await ask(session, "/think one two three four five")
    events = await socket.until_done()
    answer = events[-1]["messages"][-1]
    deltas = [event for event in events if event["type"] == "delta"]
    begun = next(e for e in events if e["type"] == "state" and e["messages"])["messages"][-1]
    for kind, field in (("thinking", "thinking_content"), ("content", "content")):
        assert begun[field] + "".join(d[kind] for d in deltas) == answer[field]
    assert events[-1]["title"] == "/think one two three four five"
    assert len(deltas) > 2
    await socket.disconnect()


async def test_pages_get_markup(session: ChatSession, alice: User) -> None:
    socket = await opened(session, alice, "format=html&lang=zh-hans")
    await socket.event()
    await ask(session, "# Head\n\n" + "Some **bold** words that go on.\n\n" * 20)
    events = await socket.until_done()
    assert any("<h1>Head</h1>" in event.get("settled", "") for event in events)
    # The page keeps the blocks that it has: what ends the answer holds only what is missing.
    ended = events[-1]["messages"][-1]
    assert "重新回答" in ended["html"] and "<strong>" not in ended["html"]
    shown = "".join(event.get("settled", "") for event in events) + ended["rest"]
    assert shown == render((await in_thread(Message.objects.get)(role="assistant")).content)
    assert all("content" not in event for event in events if event["type"] == "delta")
    await socket.disconnect()


async def test_a_second_socket_picks_up_where_it_is(session: ChatSession, alice: User) -> None:
    await ask(session, "/long 30")
    first = await opened(session, alice)
    await first.event()
    await first.event()
    second = await opened(session, alice, "since=1")
    state = await second.event()
    assert [message["role"] for message in state["messages"]] == ["assistant"]
    text = state["messages"][0]["content"]
    for event in (await second.until_done())[:-1]:
        text += event.get("content", "")
    whole = (await in_thread(Message.objects.get)(role="assistant")).content
    assert text == whole and whole.endswith("Sentence 30 of 30.")
    await first.disconnect()
    await second.disconnect()


async def test_silence_is_told(
    session: ChatSession, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (consumers, sockets):
        monkeypatch.setattr(module, "ALIVE_EVERY_S", 0.1)
    socket = await opened(session, alice)
    assert (await socket.event())["type"] == "state"
    for _time in range(3):
        assert await socket.event() == {"type": "alive"}
    await socket.disconnect()


async def test_it_works_without_nudges(
    session: ChatSession, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nudges, "_deliver", lambda news: None)
    monkeypatch.setattr(lookout, "LOOK_EVERY_S", 0.2)
    monkeypatch.setattr(consumers, "LOOK_QUIET_S", 0.2)
    socket = await opened(session, alice)
    await ask(session, "/long 10")
    events = await socket.until_done()
    assert events[-1]["messages"][-1]["content"].endswith("Sentence 10 of 10.")
    await socket.disconnect()


async def test_stopping_from_elsewhere(session: ChatSession, alice: User) -> None:
    socket = await opened(session, alice)
    await ask(session, "/long 900")
    await socket.event()

    def stop() -> int:
        return services.stop(session=session)

    assert await in_thread(stop)() == 1
    assert (await socket.until_done())[-1]["messages"][-1]["status"] == "stopped"
    await socket.disconnect()


async def test_the_page_cookie_opens_it(session: ChatSession, alice: User) -> None:
    socket = Socket(session, headers=await in_thread(cookie_of)(alice))
    assert (await socket.connect())[0]
    assert (await socket.event())["type"] == "state"
    await socket.send_json_to({"type": "ping"})
    await socket.disconnect()


async def test_strangers_are_turned_away(session: ChatSession, bob: User) -> None:
    nobody = Socket(session, "token=forged")
    await nobody.connect()
    assert await nobody.close_code() == 4401
    anonymous = Socket(session)
    await anonymous.connect()
    assert await anonymous.close_code() == 4401
    stranger = Socket(session, f"token={await in_thread(token_of)(bob)}")
    await stranger.connect()
    assert await stranger.close_code() == 4404
    missing = Socket(ChatSession(), f"token={await in_thread(token_of)(bob)}")
    await missing.connect()
    assert await missing.close_code() == 4404


async def test_pages_of_other_sites_are_turned_away(session: ChatSession, alice: User) -> None:
    socket = Socket(session, headers=await in_thread(cookie_of)(alice))
    socket.scope["headers"][0] = (b"origin", b"https://evil.example")
    assert not (await socket.connect())[0]


async def test_programs_send_no_origin(session: ChatSession, alice: User) -> None:
    socket = Socket(session, f"token={await in_thread(token_of)(alice)}")
    del socket.scope["headers"][0]
    assert (await socket.connect())[0]
    await socket.disconnect()


@pytest.mark.parametrize("way", ["token", "cookie"])
async def test_a_deactivated_user_is_closed(
    session: ChatSession, alice: User, admin_user: User, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookout, "LOOK_EVERY_S", 0.1)
    monkeypatch.setattr(lookout, "CHECK_EVERY_S", 0.2)
    if way == "token":
        socket = await opened(session, alice)
    else:
        socket = Socket(session, headers=await in_thread(cookie_of)(alice))
        await socket.connect()
    # From here on only the check can end it: the first look at who is asking is over.
    assert (await socket.event())["type"] == "state"

    def end() -> None:
        deactivate(user=alice, actor=admin_user)

    await in_thread(end)()
    assert await socket.close_code() == 4401


def test_checks_are_frequent_enough() -> None:
    assert lookout.CHECK_EVERY_S + 2 * lookout.LOOK_EVERY_S <= 5


@pytest.mark.parametrize("comes_later", [False, True])
async def test_a_database_that_is_away_sends_watchers_to_come_again(
    session: ChatSession, alice: User, monkeypatch: pytest.MonkeyPatch, comes_later: bool
) -> None:
    def is_away(*args: Any) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(lookout, "CHECK_EVERY_S", 0)
    if not comes_later:
        monkeypatch.setattr(consumers, "socket_user", is_away)
    socket = await opened(session, alice)
    monkeypatch.setattr(lookout, "signed_in", is_away)
    assert await socket.close_code() == 1013
    await socket.disconnect()


async def test_a_deleted_session_closes(session: ChatSession, alice: User) -> None:
    socket = await opened(session, alice)
    await socket.event()

    def delete() -> None:
        services.delete_session(session=session, actor=alice)

    await in_thread(delete)()
    assert await socket.close_code() == 4404


async def test_an_unknown_language_is_english(session: ChatSession, alice: User) -> None:
    socket = await opened(session, alice, "format=html&lang=xx&since=-5")
    assert (await socket.event())["type"] == "state"
    await socket.disconnect()
