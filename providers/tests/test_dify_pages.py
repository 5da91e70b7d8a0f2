"""`/dify/` and its API."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import User
from providers.dify.connecting import connect_dify, usual_inputs
from providers.models import CallRecord, Provider
from providers.tests.dify_server import FORM, KNOWLEDGE_KEY, App, DifyServer, Refused

ClientFor = Callable[[User], Client]
Connect = Callable[..., Provider]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def connect(dify: DifyServer, alice: User) -> Connect:
    def make(mode: str = "workflow", **fields: Any) -> Provider:
        key = KNOWLEDGE_KEY if mode == "knowledge" else dify.app(mode).key
        return connect_dify(actor=alice, base_url=dify.url, api_key=key, **fields)

    return make


def text_of(response: Any) -> str:
    return str(response.content.decode())


async def lines_of(answer: Any) -> list[dict[str, str]]:
    whole = b"".join([piece async for piece in answer])
    return [json.loads(line) for line in whole.splitlines()]


def test_an_application_is_connected_with_address_and_key(
    dify: DifyServer, alice: User, client_for: ClientFor
) -> None:
    client = client_for(alice)
    assert "Nothing of Dify is connected yet" in text_of(client.get("/dify/"))
    data = {"base_url": f"{dify.url}/", "api_key": dify.app("advanced-chat").key}
    answer = client.post("/dify/new/", data)
    provider = Provider.objects.get()
    assert answer.headers["Location"] == f"/dify/{provider.pk}/"
    assert (provider.name, provider.app_mode, provider.owner) == (
        *("Travel guide", "advanced-chat"),
        alice,
    )
    assert provider.models.get().model_id == "Travel guide" and provider.is_test_passed
    page = text_of(client.get("/dify/"))
    assert "Travel guide" in page and "Chatflow" in page and dify.url in page
    assert dify.app("advanced-chat").key not in page


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"api_key": "app-wrong"}, "api_key"),
        ({"api_key": "日本"}, "api_key"),
        ({"api_key": ""}, "api_key"),
        ({"base_url": "http://127.0.0.1:9/v1"}, "base_url"),
        ({"base_url": "dify"}, "base_url"),
    ],
)
def test_what_does_not_answer_is_not_saved(
    dify: DifyServer, alice: User, client_for: ClientFor, changes: dict[str, str], field: str
) -> None:
    data = {"base_url": dify.url, "api_key": dify.app("chat").key} | changes
    answer = client_for(alice).post("/dify/new/", data)
    assert answer.status_code == 422 and not Provider.objects.exists()
    assert list(answer.context["form"].errors) == [field]


def test_the_form_is_what_the_application_asks_for(
    dify: DifyServer, connect: Connect, alice: User, client_for: ClientFor
) -> None:
    dify.app("workflow", form=FORM)
    provider, client = connect(), client_for(alice)
    page = text_of(client.get(f"/dify/{provider.pk}/"))
    assert 'name="input-city"' in page and 'maxlength="48"' in page
    assert '<option value="friendly" selected>' in page
    assert 'type="number"' in page and 'type="file"' in page and "image/*" in page
    assert "query" not in page, "a workflow is asked no question"
    answer = client.post(f"/dify/{provider.pk}/run/", {"input-tone": "rude"})
    assert answer.status_code == 422
    assert set(answer.context["form"].errors) == {"input-city", "input-tone"}
    assert not dify.called("/workflows/run")


def test_a_run_without_a_script(
    dify: DifyServer, connect: Connect, alice: User, client_for: ClientFor
) -> None:
    dify.app("workflow", form=FORM)
    provider, client = connect(), client_for(alice)
    picture = SimpleUploadedFile("cat.png", b"cat", content_type="image/png")
    data = {"input-city": "Bern", "input-days": "3", "input-picture": picture}
    page = text_of(client.post(f"/dify/{provider.pk}/run/", data))
    assert "Bern {" in page and "<dt>days</dt>" in page and "<dt>text</dt>" not in page
    inputs = dify.called("/workflows/run")[0].body["inputs"]
    assert inputs["city"] == "Bern" and inputs["days"] == 3 and "notes" not in inputs
    assert inputs["picture"]["upload_file_id"] in dify.files
    assert CallRecord.objects.get().source == "dify"


def test_a_run_line_by_line(
    dify: DifyServer, connect: Connect, alice: User, client_for: ClientFor
) -> None:
    provider, client = connect("agent-chat"), client_for(alice)
    headers = {"accept": "application/x-ndjson", "accept-language": "zh-hans"}
    url = f"/dify/{provider.pk}/run/"
    answer = client.post(url, {"query": "Weather?"}, headers=headers)
    lines = asyncio.run(lines_of(answer))
    words = "".join(line.get("text", "") for line in lines)
    assert words == "Answer 1 to Weather?"
    last = lines[-1]["html"]
    assert "get_weather" in last and "manual.md" in last and "34" in last
    assert "files/f1.png" in last and 'name="message_id"' in last
    wrong = client.post(url, {"query": ""}, headers=headers)
    assert wrong.status_code == 422 and "<html" not in text_of(wrong)


def test_a_failure_is_said_and_keeps_what_came(
    dify: DifyServer, connect: Connect, alice: User, client_for: ClientFor
) -> None:
    provider, client = connect("chat"), client_for(alice)
    dify.ending = "error"
    page = text_of(client.post(f"/dify/{provider.pk}/run/", {"query": "Hi"}))
    assert "out of credit" in page and "Answer " in page


def test_usual_inputs_are_kept(
    dify: DifyServer, connect: Connect, alice: User, client_for: ClientFor
) -> None:
    dify.app("workflow", form=FORM)
    provider, client = connect(), client_for(alice)
    client.post(f"/dify/{provider.pk}/inputs/", {"input-notes": "by train", "input-tone": ""})
    provider.refresh_from_db()
    assert usual_inputs(provider) == {"notes": "by train"}
    assert "by train" in text_of(client.get(f"/dify/{provider.pk}/"))
    client.post(f"/dify/{provider.pk}/inputs/", {"input-notes": ""})
    provider.refresh_from_db()
    assert provider.extra_body == {}


def test_thumbs(dify: DifyServer, connect: Connect, alice: User, client_for: ClientFor) -> None:
    provider, client = connect("chat"), client_for(alice)
    url, data = f"/dify/{provider.pk}/feedback/", {"message_id": "m1", "rating": "dislike"}
    told = client.post(url, data, headers={"hx-request": "true"})
    assert "Dify has been told." in text_of(told)
    assert dify.feedbacks[0][0] == "m1" and dify.feedbacks[0][1]["rating"] == "dislike"
    dify.failures["/messages"] = Refused(404, "not_found")
    assert client.post(url, data).status_code == 302


def test_knowledge_is_shown_and_tried(
    dify: DifyServer, connect: Connect, alice: User, client_for: ClientFor
) -> None:
    provider, client = connect("knowledge"), client_for(alice)
    assert provider.name == "Knowledge of Dify"
    url = f"/dify/{provider.pk}/"
    page = text_of(client.get(url))
    assert "Manual" in page and "1,200" in page and "Its embedding model is missing" in page
    search = {"dataset": "d1", "search_method": "hybrid_search", "top_k": "2", "query": "warranty"}
    page = text_of(client.get(url, search))
    assert "Passage 2 of d1" in page and "Passage 3" not in page and "0.75" in page
    assert client.get(url, search | {"dataset": "other"}).status_code == 422
    dify.failures["/datasets/d1"] = Refused(400, "dataset_not_initialized")
    assert "did not accept" in text_of(client.get(url, search))
    dify.failures["/datasets"] = Refused(403, "forbidden")
    assert "Check its permissions" in text_of(client.get(url))
    dify.datasets = {}
    assert "No knowledge base" in text_of(client.get(url))


def test_editing_testing_and_deleting(
    dify: DifyServer, connect: Connect, alice: User, client_for: ClientFor
) -> None:
    provider, client = connect("chat"), client_for(alice)
    data = {"name": "Guide", "base_url": dify.url, "api_key": dify.app("completion").key}
    assert client.post(f"/dify/{provider.pk}/edit/", data).status_code == 302
    provider.refresh_from_db()
    assert (provider.name, provider.app_mode) == ("Guide", "completion")
    moved = client.post(f"/dify/{provider.pk}/edit/", data | {"base_url": "http://127.0.0.1:9/v1"})
    assert moved.status_code == 302, "with the key again"
    kept = client.post(f"/dify/{provider.pk}/edit/", data | {"api_key": ""})
    assert kept.status_code == 422, "the key is for the other host"
    dify.failures["/info"] = Refused(500, "internal_server_error")
    client.post(f"/dify/{provider.pk}/edit/", data)
    provider.refresh_from_db()
    assert provider.test_error == "unavailable"
    client.post(f"/dify/{provider.pk}/test/")
    provider.refresh_from_db()
    assert provider.is_test_passed
    client.post(f"/dify/{provider.pk}/delete/")
    assert not Provider.objects.exists()


def test_what_is_shared_may_be_run_and_not_changed(
    dify: DifyServer, alice: User, admin_user: User, client_for: ClientFor
) -> None:
    shared = connect_dify(
        actor=admin_user, base_url=dify.url, api_key=dify.app("chat").key, is_shared=True
    )
    client, url = client_for(alice), f"/dify/{shared.pk}/"
    page = text_of(client.get(url))
    assert "Chat with it" in page and "Keep as usual inputs" not in page
    assert "Answer 1" in text_of(client.post(f"{url}run/", {"query": "Hi"}))
    for path in ("edit", "test", "delete", "inputs"):
        assert client.post(f"{url}{path}/").status_code == 404
    shared.is_enabled = False
    shared.save()
    assert client.post(f"{url}run/", {"query": "Hi"}).status_code == 302


def test_the_api(dify: DifyServer, alice: User, api: Callable[[User], Any]) -> None:
    app: App = dify.app("workflow", form=FORM)
    mine = api(alice)
    wrong = mine.post("dify/apps", base_url=dify.url, api_key="app-wrong")
    assert wrong.status_code == 502 and wrong.json()["error"]["code"] == "authentication"
    made = mine.post("dify/apps", base_url=dify.url, api_key=app.key)
    assert made.status_code == 201 and made.json()["app_mode"] == "workflow"
    number = made.json()["id"]
    assert mine.get("dify/apps").json()["count"] == 1
    fields = mine.get(f"dify/apps/{number}/parameters").json()["fields"]
    assert [field["variable"] for field in fields][:2] == ["city", "notes"]
    refused = mine.post(f"dify/apps/{number}/run", inputs={"days": 2})
    assert refused.status_code == 422 and list(refused.json()["error"]["fields"]) == ["city"]
    answer = mine.post(f"dify/apps/{number}/run", inputs={"city": "Bern", "days": 2}).json()
    assert answer["text"].startswith("Bern {") and answer["outputs"]["days"] == 3
    dify.ending = "failed"
    failed = mine.post(f"dify/apps/{number}/run", inputs={"city": "Bern"})
    assert failed.status_code == 502 and failed.json()["error"]["code"] == "unavailable"
    known = mine.post("dify/apps", base_url=dify.url, api_key=KNOWLEDGE_KEY, name="K").json()["id"]
    assert [row["id"] for row in mine.get("dify/knowledge").json()["items"]] == [known]
    assert mine.get(f"dify/knowledge/{known}/datasets").json()[0]["name"] == "Manual"


@pytest.mark.browser
def test_connecting_and_running_in_the_browser(
    dify: DifyServer, alice: User, sign_in: Callable[[User], Any]
) -> None:
    """Connect, fill in, watch it come, stop one; the answer is there, and Dify was told."""
    dify.app("workflow", form=FORM)
    page = sign_in(alice)
    page.goto("/dify/")
    page.get_by_role("link", name="Connect").click()
    page.fill("[name=base_url]", dify.url)
    page.fill("[name=api_key]", "app-wrong")
    page.click("main form button")
    page.get_by_text("The provider refuses the API key").wait_for()
    page.fill("[name=api_key]", dify.app("workflow").key)
    page.click("main form button")
    page.get_by_role("heading", name="Travel guide").wait_for()
    page.get_by_role("button", name="Run").click()
    page.locator("[data-run] .errors").wait_for()
    page.get_by_label("City").fill("Bern")
    page.get_by_role("button", name="Run").click()
    page.locator(".outcome .facts").get_by_text("3").wait_for()
    dify.is_held = True
    page.get_by_role("button", name="Run").click()
    page.locator("[data-answer]").get_by_text("Bern").wait_for()
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Stopped.").wait_for()
    for _attempt in range(200):
        if dify.stopped:
            break
        page.wait_for_timeout(50)
    assert dify.stopped
