"""Chats with applications of Dify, which are models like any other."""

import io
import time
from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from chat import attachments, context, exporting, services
from chat.copying import copy_path
from chat.generation import generator
from chat.models import ChatSession, Message
from chat.tests.test_attachments import picture
from chat.threads import Tree
from providers.dify.connecting import connect_dify
from providers.models import CallRecord, ProviderModel
from providers.tests.conftest import dify
from providers.tests.dify_server import DifyServer

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
    assert (answer.content, answer.status) == ("Answer 1 to Weather?", "done")
    assert (str(answer.cost), answer.currency) == ("0.0000380000", "USD")
    services.ask(session=session, actor=alice, content="And tomorrow?")
    assert answer_of(session).content == "Answer 2 to And tomorrow?"
    asked = [call.body for call in dify.called("/chat-messages")]
    assert {body["user"] for body in asked} == {f"llmplatform-{alice.pk}"}
    assert asked[1]["query"] == "And tomorrow?"
    assert "conversation_id" not in asked[0] and [*dify.conversations] == [
        asked[1]["conversation_id"]
    ]
    assert CallRecord.objects.filter(user=alice, source="chat").count() == 2


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
