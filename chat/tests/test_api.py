"""Chat through the API; streams against the real server."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from django.test import Client

from accounts.models import User
from accounts.tokens import open_session
from chat.generation import generator
from chat.models import ChatSession, Message
from conftest import ApiClient
from providers.models import Provider, ProviderModel

Api = Callable[[User], ApiClient]


def headers_of(user: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {open_session(user=user, request=None).access}"}


def events_of(response: httpx.Response) -> list[Any]:
    lines = [line for line in response.iter_lines() if line.startswith("data: ")]
    return [line[6:] if line.endswith("[DONE]") else json.loads(line[6:]) for line in lines]


def test_a_session_through_its_life(echo: ProviderModel, alice: User, api: Api) -> None:
    client = api(alice)
    answer = client.post("chat/sessions", model_id=echo.pk, parameters={"temperature": 0.5})
    assert answer.status_code == 201
    session = answer.json()
    assert session["model"] == "Echo/echo" or session["model_id"] == echo.pk
    path = f"chat/sessions/{session['id']}"
    changed = client.patch(path, title="Renamed", is_pinned=True, system_prompt="Be brief.")
    assert changed.json()["title"] == "Renamed" and changed.json()["is_pinned"]
    assert client.get("chat/sessions?q=rename").json()["count"] == 1
    assert client.get("chat/sessions?q=other").json()["count"] == 0
    assert client.get(path).json()["parameters"] == {"temperature": 0.5}
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404


def test_models_can_be_named(echo: ProviderModel, alice: User, api: Api) -> None:
    for name in (str(echo.pk), "echo", f"{echo.provider.name}/echo"):
        assert api(alice).post("chat/sessions", model_id=name).status_code == 201
    Provider.objects.create(owner=alice, name="Mine", kind="echo").models.create(model_id="echo")
    ambiguous = api(alice).post("chat/sessions", model_id="echo")
    assert ambiguous.status_code == 422 and "model_id" in ambiguous.json()["error"]["fields"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"model_id": "no-such"},
        {"model_id": 2**70},
        {"model_id": "9" * 5000},
        {"model_id": "echo", "unknown": 1},
        {"model_id": "echo", "parameters": {"temperature": 3}},
        {"model_id": "echo", "parameters": {"api_base": "http://sink"}},
        {"model_id": "echo", "title": "nul\x00"},
        {"model_id": "echo", "title": "x" * 201},
    ],
)
def test_bad_sessions_are_refused(
    echo: ProviderModel, alice: User, api: Api, body: dict[str, Any]
) -> None:
    assert api(alice).post("chat/sessions", **body).status_code == 422
    assert not ChatSession.objects.exists()


def test_a_whole_answer(session: ChatSession, alice: User, live_url: str) -> None:
    url = f"{live_url}/api/v1/chat/sessions/{session.pk}/messages"
    headers = headers_of(alice)
    response = httpx.post(url, json={"content": "/think Hi there"}, headers=headers, timeout=30)
    assert response.status_code == 200
    message = response.json()
    assert (message["role"], message["status"], message["content"]) == (
        "assistant",
        "done",
        "Hi there",
    )
    assert message["thinking_content"].startswith("The message has 8")
    assert message["model"] == "echo" and message["finish_reason"] == "stop"
    assert message["tokens"] == message["prompt_tokens"] + message["completion_tokens"]
    assert message["ttft_ms"] is not None and message["error"] is None
    listed = httpx.get(url, headers=headers).json()
    assert listed["count"] == 2 and listed["items"][1] == message


def test_a_failed_answer_says_why(session: ChatSession, alice: User, live_url: str) -> None:
    url = f"{live_url}/api/v1/chat/sessions/{session.pk}/messages"
    message = httpx.post(url, json={"content": "/error"}, headers=headers_of(alice)).json()
    assert message["status"] == "failed" and message["error"]["code"] == "overloaded"


def test_an_answer_as_events(session: ChatSession, alice: User, live_url: str) -> None:
    url = f"{live_url}/api/v1/chat/sessions/{session.pk}/messages"
    body = {"content": "/think /long 20", "stream": True}
    with httpx.stream("POST", url, json=body, headers=headers_of(alice), timeout=30) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        events = events_of(response)
    assert events[-1] == "[DONE]" and events[-2]["type"] == "done"
    message = events[-2]["message"]
    for kind, field in (("thinking", "thinking_content"), ("content", "content")):
        text = "".join(event["delta"] for event in events[:-2] if event["type"] == kind)
        assert text == message[field] != ""
    assert sum(event["type"] != "done" for event in events[:-1]) > 2


def test_leaving_does_not_end_the_answer(session: ChatSession, alice: User, live_url: str) -> None:
    url = f"{live_url}/api/v1/chat/sessions/{session.pk}/messages"
    body = {"content": "/long 40", "stream": True}
    with httpx.stream("POST", url, json=body, headers=headers_of(alice), timeout=30) as response:
        next(response.iter_lines())
    assert generator.wait(30)
    answer = Message.objects.get(role="assistant")
    assert answer.status == "done" and answer.content.endswith("Sentence 40 of 40.")


def test_stopping(session: ChatSession, alice: User, live_url: str) -> None:
    base, headers = f"{live_url}/api/v1/chat/sessions/{session.pk}", headers_of(alice)
    body = {"content": "/long 900", "stream": True}
    with httpx.stream("POST", f"{base}/messages", json=body, headers=headers, timeout=30) as answer:
        lines = answer.iter_lines()
        next(lines)
        busy = httpx.post(f"{base}/messages", json={"content": "x"}, headers=headers)
        assert busy.status_code == 409 and busy.json()["error"]["code"] == "still_answering"
        assert httpx.post(f"{base}/stop", headers=headers).json() == {"stopped": 1}
        rest = [line for line in lines if line.startswith("data: {")]
    assert json.loads(rest[-1][6:])["message"]["status"] == "stopped"


def test_deleting_ends_the_stream(session: ChatSession, alice: User, live_url: str) -> None:
    base, headers = f"{live_url}/api/v1/chat/sessions/{session.pk}", headers_of(alice)
    body = {"content": "/long 900", "stream": True}
    with httpx.stream("POST", f"{base}/messages", json=body, headers=headers, timeout=30) as answer:
        lines = answer.iter_lines()
        next(lines)
        assert httpx.delete(base, headers=headers).status_code == 204
        assert [line for line in lines if line][-1] == "data: [DONE]"


def test_exports(session: ChatSession, alice: User, api: Api) -> None:
    path = f"chat/sessions/{session.pk}/export"
    assert api(alice).get(f"{path}?format=md").headers["Content-Type"].startswith("text/markdown")
    assert api(alice).get(f"{path}?format=json").json()["messages"] == []
    assert api(alice).get(f"{path}?format=exe").status_code == 422


def test_somebody_elses_session_does_not_exist(session: ChatSession, bob: User, api: Api) -> None:
    for found in (session.pk, uuid.uuid4()):
        path = f"chat/sessions/{found}"
        assert api(bob).get(path).status_code == 404
        assert api(bob).patch(path, title="x").status_code == 404
        assert api(bob).delete(path).status_code == 404
        assert api(bob).get(f"{path}/messages").status_code == 404
        assert api(bob).get(f"{path}/export").status_code == 404
        assert api(bob).post(f"{path}/stop").status_code == 404
        assert api(bob).post(f"{path}/messages", content="x").status_code == 404
    assert not Message.objects.exists()


@pytest.mark.parametrize("body", [{}, {"content": ""}, {"content": " "}, {"content": "x", "y": 1}])
def test_bad_messages_are_refused(
    session: ChatSession, alice: User, api: Api, body: dict[str, Any]
) -> None:
    answer = api(alice).post(f"chat/sessions/{session.pk}/messages", **body)
    assert answer.status_code == 422 and not Message.objects.exists()


def test_a_page_session_needs_its_csrf_token(
    session: ChatSession, alice: User, live_url: str
) -> None:
    url = f"{live_url}/api/v1/chat/sessions/{session.pk}/messages"
    assert httpx.post(url, json={"content": "x"}).status_code in (401, 403)
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    answer = client.post(
        f"/api/v1/chat/sessions/{session.pk}/messages", {"content": "x"}, "application/json"
    )
    assert answer.status_code == 403 and not Message.objects.exists()
