"""Chat pages with plain forms, as they work without scripts."""

import json
import uuid
from collections.abc import Callable

import pytest
from django.test import Client

from accounts.models import AuditEvent, User
from chat.generation import generator
from chat.models import ChatSession, Message
from chat.views.side_list import SESSIONS_PER_PAGE
from chat.windows import TURNS_PER_PAGE
from providers.models import Provider, ProviderModel

ClientFor = Callable[[User], Client]
HTMX = {"HX-Request": "true"}


def post(client: Client, session: ChatSession, action: str, htmx: bool = False, **data: str) -> int:
    headers = HTMX if htmx else {}
    status = client.post(f"/chat/{session.pk}/{action}", data, headers=headers).status_code
    assert generator.wait(10)
    return status


def start(client: Client, model: ProviderModel, content: str = "Hello", **data: str) -> ChatSession:
    form = {"model": str(model.pk), "content": content, **data}
    response = client.post("/chat/", form)
    assert response.status_code == 302, response.context["composer"].errors
    assert generator.wait(10)
    return ChatSession.objects.get(pk=response.headers["Location"].split("/")[2])


def test_without_a_model_the_page_says_what_to_do(alice: User, client_for: ClientFor) -> None:
    page = client_for(alice).get("/chat/").content.decode()
    assert "/providers/new/" in page and "data-composer" not in page


def test_a_link_fills_the_composer(echo: ProviderModel, alice: User, client_for: ClientFor) -> None:
    form = client_for(alice).get(f"/chat/?model={echo.pk}&prompt=Hi+there").context["composer"]
    assert form.initial == {"model": echo.pk, "content": "Hi there"}
    for wrong in ("999999", "x", "9" * 30, "9" * 5000):
        form = client_for(alice).get(f"/chat/?model={wrong}").context["composer"]
        assert form.initial["model"] == echo.pk


def test_a_new_chat_leaves_a_connection_that_failed_to_those_who_ask_for_it(
    echo: ProviderModel, alice: User, client_for: ClientFor
) -> None:
    broken = Provider.objects.create(owner=alice, name="A broken one", kind="openai")
    first = ProviderModel.objects.create(
        provider=broken, model_id="first", name="first", types=["chat"], main_type="chat"
    )
    client = client_for(alice)
    assert client.get("/chat/").context["composer"].initial["model"] == first.pk
    broken.note_test(3, "unavailable")
    assert client.get("/chat/").context["composer"].initial["model"] == echo.pk
    asked = client.get(f"/chat/?model={first.pk}").context["composer"]
    assert asked.initial["model"] == first.pk


def test_models_that_are_called_alike_say_whose_they_are(
    echo: ProviderModel, alice: User, client_for: ClientFor
) -> None:
    other = Provider.objects.create(owner=alice, name="Another", kind="openai")
    for name in (echo.name, "single"):
        ProviderModel.objects.create(
            provider=other, model_id=name, name=name, types=["chat"], main_type="chat"
        )
    page = client_for(alice).get("/chat/").text
    assert f"{echo.name} · Another" in page and f"{echo.name} · {echo.provider.name}" in page
    assert "single · Another" not in page


def test_a_chat_from_the_empty_page(
    echo: ProviderModel, alice: User, client_for: ClientFor
) -> None:
    client = client_for(alice)
    session = start(client, echo, "Hello **you**", system_prompt="Be kind.", temperature="0.5")
    assert session.system_prompt == "Be kind." and session.parameters == {"temperature": 0.5}
    page = client.get(f"/chat/{session.pk}/").content.decode()
    assert "<strong>you</strong>" in page and "first token" in page
    assert post(client, session, "messages/", model=str(echo.pk), content="More") == 302
    assert session.messages.count() == 4


@pytest.mark.parametrize(
    ("field", "value"), [("content", " "), ("model", "0"), ("temperature", "3"), ("top_p", "x")]
)
def test_a_refused_form_keeps_what_was_written(
    echo: ProviderModel, alice: User, client_for: ClientFor, field: str, value: str
) -> None:
    form = {"model": str(echo.pk), "content": "Kept words", field: value}
    response = client_for(alice).post("/chat/", form)
    assert response.status_code == 422
    assert (field == "content") or "Kept words" in response.content.decode()
    assert not ChatSession.objects.exists()


def test_with_htmx_actions_answer_empty(
    session: ChatSession, alice: User, client_for: ClientFor
) -> None:
    client, model = client_for(alice), str(session.model_id)
    assert post(client, session, "messages/", True, model=model, content="x") == 204
    assert post(client, session, "messages/", True, model=model, content=" ") == 422
    answer = Message.objects.get(role="assistant")
    assert post(client, session, f"messages/{answer.pk}/again/", True) == 204
    assert post(client, session, f"messages/{answer.pk}/show/", True) == 204
    question = Message.objects.get(role="user")
    assert post(client, session, f"messages/{question.pk}/edit/", True, content="y") == 204
    assert post(client, session, f"messages/{question.pk}/edit/", True, content=" ") == 422
    assert post(client, session, f"messages/{answer.pk}/continue/", True) == 422
    assert post(client, session, "stop/", True) == 204
    assert post(client, session, "model/", True, model=model) == 204
    assert post(client, session, "model/", True, model="0") == 422
    assert post(client, session, f"messages/{question.pk}/again/") == 404
    assert post(client, session, f"messages/{answer.pk}/edit/", content="y") == 404


def test_a_second_question_while_answering_keeps_the_draft(
    session: ChatSession, alice: User, client_for: ClientFor
) -> None:
    client = client_for(alice)
    form = {"model": str(session.model_id), "content": "/long 900"}
    client.post(f"/chat/{session.pk}/messages/", form)
    response = client.post(f"/chat/{session.pk}/messages/", form | {"content": "My draft"})
    assert response.status_code == 422 and "My draft" in response.content.decode()
    client.post(f"/chat/{session.pk}/stop/")
    assert generator.wait(5)
    page = client.get(f"/chat/{session.pk}/").content.decode()
    assert "You stopped this answer" in page and "Continue" in page


def test_errors_say_what_to_do(session: ChatSession, alice: User, client_for: ClientFor) -> None:
    client = client_for(alice)
    post(client, session, "messages/", model=str(session.model_id), content="/error")
    page = client.get(f"/chat/{session.pk}/").content.decode()
    assert "The provider is busy" in page and "Try again" in page
    chinese = client.get(f"/chat/{session.pk}/", headers={"Accept-Language": "zh-hans"})
    assert "再试一次" in chinese.content.decode()


def test_managing_a_chat(session: ChatSession, alice: User, client_for: ClientFor) -> None:
    client = client_for(alice)
    post(client, session, "title/", title="Renamed")
    post(client, session, "title/", title=" ")
    post(client, session, "pin/")
    post(client, session, "settings/", system_prompt="Brief.", max_tokens="5")
    assert post(client, session, "settings/", temperature="9") == 422
    session.refresh_from_db()
    assert (session.title, session.is_pinned) == ("Renamed", True)
    assert (session.system_prompt, session.parameters) == ("Brief.", {"max_tokens": 5})
    assert post(client, session, "delete/") == 302
    assert not ChatSession.objects.for_user(alice).exists()


def test_exporting_is_audited(session: ChatSession, alice: User, client_for: ClientFor) -> None:
    client = client_for(alice)
    post(client, session, "messages/", model=str(session.model_id), content="Hello")
    text = client.get(f"/chat/{session.pk}/export/?format=md")
    assert text.headers["Content-Disposition"] == 'attachment; filename="Hello.md"'
    assert text.content.decode().startswith("# Hello")
    found = json.loads(client.get(f"/chat/{session.pk}/export/?format=json").content)
    assert [row["role"] for row in found["messages"]] == ["user", "assistant"]
    assert client.get(f"/chat/{session.pk}/export/?format=exe").status_code == 404
    assert AuditEvent.objects.filter(action="chat.export").count() == 2


def test_exporting_without_thoughts(
    session: ChatSession, alice: User, client_for: ClientFor
) -> None:
    client = client_for(alice)
    post(client, session, "messages/", model=str(session.model_id), content="/think Hello")
    assert generator.wait(10)
    menu = client.get(f"/chat/{session.pk}/actions/").content.decode()
    for kind in ("md", "json"):
        path = f"/chat/{session.pk}/export/?format={kind}"
        assert f'href="{path}"' in menu and f'href="{path}&amp;thoughts=no"' in menu
        assert "I repeat it" in client.get(path).content.decode()
        assert "I repeat it" not in client.get(f"{path}&thoughts=no").content.decode()


def test_the_list_is_searched_and_paged(
    echo: ProviderModel, alice: User, client_for: ClientFor
) -> None:
    titles = [f"chat {n}" for n in range(SESSIONS_PER_PAGE + 3)]
    ChatSession.objects.bulk_create(ChatSession(owner=alice, title=t) for t in titles)
    client = client_for(alice)
    assert len(client.get("/chat/").context["page"]) == SESSIONS_PER_PAGE
    assert len(client.get("/chat/?page=2").context["page"]) == 3
    partial = client.get("/chat/?q=chat+42", headers=HTMX | {"HX-Target": "sessions"})
    assert len(partial.context["page"].hits) == 1 and b"<html" not in partial.content


def test_a_long_chat_is_shown_in_pages(
    session: ChatSession, alice: User, client_for: ClientFor
) -> None:
    parent = None
    for position in range(TURNS_PER_PAGE + 10):
        role = "user" if position % 2 == 0 else "assistant"
        text = f"text {position}."
        fields = {"session": session, "position": position, "role": role, "content": text}
        parent = Message.objects.create(parent=parent, **fields)
    ChatSession.objects.update(tip=parent)
    client = client_for(alice)
    newest = client.get(f"/chat/{session.pk}/").content.decode()
    assert (
        f"text {TURNS_PER_PAGE + 9}." in newest
        and "text 9." not in newest
        and "?before=10" in newest
    )
    earlier = client.get(f"/chat/{session.pk}/?before=10").content.decode()
    assert "text 9." in earlier and "text 10." not in earlier and "data-chat-id" not in earlier


ACTIONS = (
    *("messages/", "stop/", "settings/", "model/", "title/", "pin/", "delete/"),
    *(f"messages/{uuid.UUID(int=7)}/{verb}/" for verb in ("again", "continue", "edit", "show")),
)


@pytest.mark.parametrize("action", ACTIONS)
def test_it_requires_the_owner(
    session: ChatSession, bob: User, client_for: ClientFor, action: str
) -> None:
    assert post(client_for(bob), session, action, content="x", title="x") == 404
    assert client_for(bob).get(f"/chat/{session.pk}/").status_code == 404
    assert client_for(bob).get(f"/chat/{session.pk}/export/").status_code == 404


def test_somebody_elses_model_is_not_offered(
    session: ChatSession, bob: User, alice: User, client_for: ClientFor
) -> None:
    theirs = Provider.objects.create(owner=bob, name="Bob's", kind="echo")
    model = theirs.models.create(model_id="secret-model", name="secret-model")
    client = client_for(alice)
    assert "secret-model" not in client.get("/chat/").content.decode()
    assert post(client, session, "model/", True, model=str(model.pk)) == 422
