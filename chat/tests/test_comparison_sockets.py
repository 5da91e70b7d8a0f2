"""The socket of a comparison: several conversations through one connection."""

import json
import re
from typing import Any

import pytest
from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator

from accounts.models import User
from chat import comparing, voting
from chat.comparing import Choice
from chat.models import Comparison, Message
from chat.rendering import render
from chat.tests.test_sockets import token_of
from llmplatform.asgi import application
from providers.models import ProviderModel

ANSWER = re.compile(r'<div class="part" data-settled>(.*?)</div><div class="part" data-tail>', re.S)
in_thread = database_sync_to_async


class Socket(WebsocketCommunicator):
    def __init__(self, comparison: Comparison, query: str) -> None:
        origin = (b"origin", b"http://testserver")
        super().__init__(application, f"/ws/compare/{comparison.pk}/?{query}", headers=[origin])
        self.seen: list[dict[str, Any]] = []

    async def event(self) -> dict[str, Any]:
        self.seen.append(await self.receive_json_from(timeout=20))
        return self.seen[-1]

    async def until_done(self, columns: int) -> None:
        """Up to the states in which no column is running."""
        running = set(range(1, columns + 1))
        while running:
            event = await self.event()
            messages = event.get("messages", [])
            if messages and messages[-1]["status"] != "streaming":
                running.discard(event["column"])

    async def until(self, kind: str) -> dict[str, Any]:
        while (event := await self.event())["type"] != kind:
            pass
        return event

    async def close_code(self) -> int:
        while True:
            output = await self.receive_output(timeout=10)
            if output["type"] == "websocket.close":
                return int(output["code"])

    def parts(self) -> dict[str, str]:
        """The page's parts as they are by now."""
        told = [event.get("parts", {}) for event in self.seen]
        return {name: html for parts in told for name, html in parts.items()}

    def shown_in(self, column: int) -> str:
        """The markup of the answer, as a page that applies the events has it."""
        shown = ""
        for event in self.seen:
            if event.get("column") != column:
                continue
            for message in event.get("messages", []):
                if "rest" in message:
                    shown += message["rest"]
                elif found := ANSWER.search(message["html"]):
                    shown = found[1]
            shown += event.get("settled", "")
        return shown

    def text_of(self, column: int) -> str:
        """As somebody who applies the events has it."""
        text = ""
        for event in self.seen:
            if event.get("column") != column:
                continue
            for message in event.get("messages", []):
                if message["role"] == "assistant":
                    text = message["content"]
            text += event.get("content", "")
        return text


async def started(owner: User, models: list[ProviderModel], prompt: str, **more: Any) -> Comparison:
    def work() -> Comparison:
        choices = [Choice(model) for model in models]
        return comparing.start(owner=owner, prompt=prompt, choices=choices, **more)

    found: Comparison = await in_thread(work)()
    return found


async def opened(comparison: Comparison, user: User, query: str = "") -> Socket:
    socket = Socket(comparison, f"token={await in_thread(token_of)(user)}&{query}")
    assert (await socket.connect())[0]
    return socket


async def test_columns_stream_side_by_side(echoes: list[ProviderModel], alice: User) -> None:
    comparison = await started(alice, echoes, "/long 30")
    socket = await opened(comparison, alice)
    await socket.until_done(3)
    for column in (1, 2, 3):
        assert socket.text_of(column).endswith("Sentence 30 of 30.")
        assert socket.text_of(column).count("Sentence") == 30
    deltas = [event["column"] for event in socket.seen if event["type"] == "delta"]
    first_end = next(
        index
        for index, event in enumerate(socket.seen)
        if event.get("messages") and event["messages"][-1]["status"] == "done"
    )
    assert len(set(deltas[:first_end])) == 3, "one column waited for another"
    await socket.disconnect()


async def test_who_comes_back_gets_what_is_missing(
    echoes: list[ProviderModel], alice: User
) -> None:
    comparison = await started(alice, echoes, "/long 60")
    first = await opened(comparison, alice)
    while not all("Sentence 3 of" in first.text_of(column) for column in (1, 2, 3)):
        await first.event()
    states = {e["column"]: e["revision"] for e in first.seen if e["type"] == "state"}
    await first.disconnect()
    since = ",".join(str(states[column]) for column in (1, 2, 3))
    second = await opened(comparison, alice, f"since={since}")
    state = await second.until("state")
    assert [message["role"] for message in state["messages"]] == ["assistant"]
    await second.until_done(3)

    def answers() -> list[Message]:
        return list(Message.objects.filter(role="assistant"))

    rows = await in_thread(answers)()
    for column in (1, 2, 3):
        assert second.text_of(column) == rows[0].content == rows[1].content == rows[2].content
    await second.disconnect()


async def test_one_that_fails_leaves_the_others_alone(
    echoes: list[ProviderModel], alice: User
) -> None:
    comparison = await started(alice, echoes, "/long 5")
    socket = await opened(comparison, alice)
    await socket.until_done(3)

    def go_on() -> None:
        echoes[1].delete()
        comparing.ask_all(comparison=comparison, actor=alice, content="/long 4")

    await in_thread(go_on)()
    socket.seen = []
    await socket.until_done(3)
    ended = {e["column"]: e["messages"][-1] for e in socket.seen if e.get("messages")}
    assert {column: row["status"] for column, row in ended.items()} == {
        1: "done",
        2: "failed",
        3: "done",
    }
    assert ended[2]["error"]["code"] == "no_such_model" and ended[2]["error"]["message"]
    await socket.disconnect()


@pytest.mark.parametrize("query", ["", "format=html&lang=en"])
async def test_a_blind_one_tells_no_name_before_the_vote(
    echoes: list[ProviderModel], alice: User, query: str
) -> None:
    comparison = await started(alice, echoes, "/long 8", is_blind=True)
    socket = await opened(comparison, alice, query)
    await socket.until_done(3)
    said = json.dumps(socket.seen)
    secrets = [*(model.name for model in echoes), *(model.model_id for model in echoes), "Echo"]
    assert not [name for name in secrets if f'"{name}' in said or f">{name}" in said]
    assert not any(model.name in said for model in echoes)
    for event in socket.seen:
        for message in event.get("messages", []) if not query else []:
            assert message["cost"] is message["ttft_ms"] is message["tokens"] is None

    def vote() -> None:
        voting.vote(comparison=comparison, actor=alice, outcome="best", best=1)

    await in_thread(vote)()
    socket.seen = []
    while True:
        event = await socket.until("comparison")
        told = json.dumps(socket.seen)
        if all(model.name in told for model in echoes):
            break
    if not query:
        row = event["comparison"]
        assert row["is_revealed"] and row["votes"][0]["best"] == 1
        answers = [
            m for e in socket.seen for m in e.get("messages", []) if m["ttft_ms"] is not None
        ]
        assert {answer["model"] for answer in answers} == {model.name for model in echoes}
    await socket.disconnect()


async def test_pages_get_markup_and_parts(echoes: list[ProviderModel], alice: User) -> None:
    comparison = await started(alice, echoes[:2], "# Head\n\n" + "Some **bold** words.\n\n" * 12)
    socket = await opened(comparison, alice, "format=html&lang=zh-hans")
    await socket.until_done(2)
    content = (await in_thread(Message.objects.filter(role="assistant").first)()).content
    for column in (1, 2):
        assert socket.shown_in(column) == render(content)
    parts = socket.parts()
    while "哪个回答更好" not in parts.get("compare-verdict", ""):
        await socket.event()
        parts = socket.parts()
    assert "Falcon" in parts["compare-name-1"] and "Osprey" in parts["compare-table"]
    await socket.disconnect()


async def test_readers_lose_it_when_it_is_no_longer_shared(
    echoes: list[ProviderModel], alice: User, bob: User
) -> None:
    comparison = await started(alice, echoes, "Hi")
    stranger = await opened(comparison, bob)
    assert await stranger.close_code() == 4404

    def share(is_shared: bool) -> None:
        comparing.change(comparison=comparison, actor=alice, is_shared=is_shared)

    await in_thread(share)(True)
    reader = await opened(comparison, bob, "format=html&lang=en")
    await reader.until_done(3)
    assert "/again/" not in json.dumps(reader.seen)
    await in_thread(share)(False)
    assert await reader.close_code() == 4404


async def test_a_deleted_one_closes(echoes: list[ProviderModel], alice: User) -> None:
    comparison = await started(alice, echoes, "Hi")
    socket = await opened(comparison, alice)
    await socket.until_done(3)

    def delete() -> None:
        comparing.delete(comparison=comparison, actor=alice)

    await in_thread(delete)()
    assert await socket.close_code() == 4404
