"""Chats with applications of Dify, which are models like any other."""

import io
import re
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from chat import attachments, context, exporting, services, steps, tasks
from chat.copying import copy_path
from chat.generation import generator
from chat.models import ChatSession, Feedback, Message
from chat.tests.test_attachments import picture
from chat.threads import Tree
from providers.dify.connecting import connect_dify
from providers.models import CallRecord, ProviderModel
from providers.tests.conftest import dify
from providers.tests.dify_server import DifyServer, Refused
from providers.types import AgentStep, LinkedFile

__all__ = ["dify"]

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("nobody_writes_titles"),
]


def chat_with(dify: DifyServer, owner: User, mode: str) -> ChatSession:
    app = connect_dify(actor=owner, base_url=dify.url, api_key=dify.app(mode).key)
    return services.create_session(owner=owner, model=app.models.get())


def answer_of(session: ChatSession) -> Message:
    assert generator.wait(10)
    return session.messages.filter(role="assistant").latest("created_at")


def test_a_chat_with_an_agent(dify: DifyServer, alice: User) -> None:
    session = chat_with(dify, alice, "agent-chat")
    services.ask(session=session, actor=alice, content="Weather?")
    answer = answer_of(session)
    assert answer.content.startswith("Answer 1 to Weather?\n") and answer.status == "done"
    assert (str(answer.cost), answer.currency) == ("0.0000380000", "USD")
    services.ask(session=session, actor=alice, content="And tomorrow?")
    assert answer_of(session).content.startswith("Answer 2 to And tomorrow?\n")
    asked = [call.body for call in dify.called("/chat-messages")]
    assert {body["user"] for body in asked} == {f"llmplatform-{alice.pk}"}
    assert asked[1]["query"] == "And tomorrow?"
    assert "conversation_id" not in asked[0] and [*dify.conversations] == [
        asked[1]["conversation_id"]
    ]
    assert CallRecord.objects.filter(user=alice, source="chat").count() == 2


def test_what_an_agent_did_and_found(
    dify: DifyServer, alice: User, client_for: Callable[[User], Client]
) -> None:
    session = chat_with(dify, alice, "agent-chat")
    services.ask(session=session, actor=alice, content="Weather?")
    answer = answer_of(session)
    assert answer.thinking_content == (
        'The weather first\n→ get_weather {"get_weather": {"city": "Bern"}}\n← {"c": 11}'
    )
    [source] = answer.sources.all()
    assert (source.base_id, source.document_name, source.text) == (None, "manual.md", "Two years.")
    assert (source.number, source.score) == (1, 0.83)
    page = client_for(alice).get(f"/chat/{session.pk}/").content.decode()
    assert "manual.md" in page and "get_weather" in page
    link = re.search(r'<a [^>]*href="https://dify.test/files/f1.png"[^>]*>', page)
    assert link is not None and "noopener" in link[0]


def test_steps_and_files_in_words() -> None:
    step = AgentStep("1", "Look it up", "search", "bern", "")
    first = steps.told(step, "")
    done = steps.told(replace(step, observation="x" * 900), "I said: Look it up")
    assert first == "Look it up\n→ search bern"
    assert done.startswith("→ search bern\n← x") and len(done) < 700
    both = steps.placed(steps.placed("", "", first), "", "Second")
    assert steps.placed(both, first, done) == f"{done}\n\nSecond"
    assert steps.told(AgentStep("2", "The answer"), "The answer is") == ""
    bad = ("javascript:alert(1)", "/files/x", "data:text/html,x", "https://")
    assert steps.links([LinkedFile("f", "image", url) for url in bad]) == ""
    [line] = steps.links([LinkedFile("f", "", "https://d.test/a](x) <b>.png?s=1")]).splitlines()
    assert line == "- [ax b.png](https://d.test/a%5D%28x%29%20%3Cb%3E.png?s=1)"


def test_another_branch_is_another_conversation(dify: DifyServer, alice: User) -> None:
    """Of the one that goes on elsewhere, Dify would remember what is not shown."""
    session = chat_with(dify, alice, "chat")
    services.ask(session=session, actor=alice, content="One")
    first = answer_of(session)
    services.ask(session=session, actor=alice, content="Two")
    old = answer_of(session)
    question = old.parent
    assert question is not None
    services.ask(session=session, actor=alice, content="Changed", instead_of=question)
    assert answer_of(session).content.startswith("Answer 1 to ")
    services.ask(session=session, actor=alice, content="Three")
    assert answer_of(session).content == "Answer 2 to Three"
    asked = [call.body for call in dify.called("/chat-messages")]
    assert "conversation_id" not in asked[2] and "One" in asked[2]["query"]
    assert first.content in asked[2]["query"] and "Two" not in asked[2]["query"]
    services.show_version(message=old)
    services.ask(session=session, actor=alice, content="Four")
    assert answer_of(session).content == "Answer 3 to Four"


def test_nobody_else_gets_what_dify_wants_back(
    dify: DifyServer, alice: User, echo: ProviderModel, api: Callable[[User], Any]
) -> None:
    session = chat_with(dify, alice, "chat")
    services.ask(session=session, actor=alice, content="One")
    conversation = answer_of(session).provider_state["data"]["conversation_id"]
    shown = api(alice).get(f"chat/sessions/{session.pk}/messages").content.decode()
    assert "Answer 1" in shown and conversation not in shown
    session.refresh_from_db()
    assert conversation not in exporting.as_json(session)
    copied = ChatSession.objects.create(owner=alice, model=session.model)
    copy_path(Tree.of(session).path_to(session.tip_id), copied)
    assert not copied.messages.exclude(provider_state={}).exists()
    messages = context.build(session, Tree.of(session).path_to(session.tip_id))
    [state] = [each.state for each in messages if each.state]
    assert session.model is not None
    assert state.is_for(session.model.provider.target(session.model.model_id))
    assert not state.is_for(echo.provider.target(echo.model_id))


def test_thumbs_reach_dify(
    dify: DifyServer,
    alice: User,
    client_for: Callable[[User], Client],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def at_once(task: str, *args: str, expires_s: int) -> None:
        assert task == "chat.tasks.tell_thumb" and expires_s
        tasks.tell_thumb(*args)

    monkeypatch.setattr("chat.forwarding.errands.send", at_once)
    session = chat_with(dify, alice, "chat")
    services.ask(session=session, actor=alice, content="One")
    answer = answer_of(session)
    url, named = (
        reverse("feedback:answer", args=[answer.pk]),
        answer.provider_state["data"]["message_id"],
    )
    client = client_for(alice)
    for verdict in ("up", "down", ""):
        assert client.post(url, {"verdict": verdict}).status_code < 400
    assert [message_id for message_id, _body in dify.feedbacks] == [named] * 3
    told = [body for _message_id, body in dify.feedbacks]
    assert [body["rating"] for body in told] == ["like", "dislike", None]
    assert {body["user"] for body in told} == {f"llmplatform-{alice.pk}"}
    dify.failures["/messages"] = Refused(500, "internal_server_error")
    assert client.post(url, {"verdict": "up"}).status_code < 400
    assert Feedback.objects.get(message=answer).verdict == "up" and len(dify.feedbacks) == 3


def test_a_picture_is_laid_there(dify: DifyServer, alice: User) -> None:
    dify.app("chat", takes_images=True)
    session = chat_with(dify, alice, "chat")
    file = attachments.keep(owner=alice, file=io.BytesIO(picture()), name="red.png")
    services.ask(session=session, actor=alice, content="What is it?", attachments=[file.pk])
    assert answer_of(session).status == "done"
    [laid] = dify.called("/chat-messages")[0].body["files"]
    assert dify.files[laid["upload_file_id"]]["content"].startswith(b"\x89PNG")


def test_a_stop_reaches_dify(dify: DifyServer, alice: User) -> None:
    session = chat_with(dify, alice, "chat")
    dify.is_held = True
    services.ask(session=session, actor=alice, content="Hi")
    for _attempt in range(200):
        if session.messages.filter(content__startswith="Answer").exists():
            break
        time.sleep(0.05)
    services.stop(session=session)
    assert answer_of(session).status == "stopped"
    for _attempt in range(200):
        if dify.stopped:
            break
        time.sleep(0.05)
    assert dify.stopped[0][1] == f"llmplatform-{alice.pk}"
