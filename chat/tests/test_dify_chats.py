"""Chats with applications of Dify, which are models like any other."""

import io
import time

import pytest

from accounts.models import User
from chat import attachments, services
from chat.generation import generator
from chat.models import ChatSession, Message
from chat.tests.test_attachments import picture
from providers.dify.connecting import connect_dify
from providers.models import CallRecord
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
    assert answer_of(session).status == "done"
    asked = [call.body for call in dify.called("/chat-messages")]
    assert {body["user"] for body in asked} == {f"llmplatform-{alice.pk}"}
    assert "Weather?" in asked[1]["query"] and asked[1]["query"].endswith("And tomorrow?")
    assert CallRecord.objects.filter(user=alice, source="chat").count() == 2


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
