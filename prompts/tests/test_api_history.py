"""The prompts API: versions, labels, rendering by either, statistics, files."""

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from conftest import ApiClient
from prompts.models import Prompt

Api = Callable[[User], ApiClient]
VARIABLE = {"name": "n", "type": "number", "minimum": 1, "maximum": 5, "label": "How many"}
BODY = {"title": "Count", "text": "{{n}} points", "variables": [VARIABLE]}


@pytest.fixture
def client(alice: User, api: Api) -> ApiClient:
    return api(alice)


@pytest.fixture
def path(client: ApiClient) -> str:
    number = client.post("prompts", **BODY).json()["id"]
    second = {"text": "{{n}} short points", "variables": [VARIABLE], "note": "Shorter"}
    made = client.post(f"prompts/{number}/versions", **second)
    assert made.status_code == 201 and made.json()["number"] == 2
    return f"prompts/{number}"


def _errors(answer: Any) -> set[str]:
    assert answer.status_code == 422, answer.content
    return set(answer.json()["error"]["fields"])


def test_versions_are_listed_compared_and_restored(client: ApiClient, path: str) -> None:
    listed = client.get(f"{path}/versions").json()
    assert [(v["number"], v["note"]) for v in listed["items"]] == [(2, "Shorter"), (1, "")]
    assert client.get(f"{path}/versions/1").json()["variables"][0]["label"] == "How many"
    found = client.get(f"{path}/comparison?old=1&new=2").json()
    assert [line["kind"] for line in found["lines"]] == ["removed", "added"]
    assert found == client.get(f"{path}/comparison").json()
    made = client.post(f"{path}/versions/1/restore", note="Back").json()
    assert (made["number"], made["text"], made["note"]) == (3, "{{n}} points", "Back")
    assert client.post(f"{path}/versions/3/restore").status_code == 422
    assert client.get(f"{path}/versions/9").status_code == 404


def test_labels_move_and_a_version_may_take_them(client: ApiClient, path: str) -> None:
    assert client.post(f"{path}/labels", name="production", version=1).json()["version"] == 1
    body = {"text": "{{n}} new points", "variables": [VARIABLE], "labels": ["production", "draft"]}
    assert set(client.post(f"{path}/versions", **body).json()["labels"]) == {"production", "draft"}
    shown = client.get(f"{path}/labels").json()
    assert [(label["name"], label["version"], label["is_protected"]) for label in shown] == [
        ("draft", 3, False),
        ("production", 3, True),
    ]
    assert client.get(path).json()["labels"] == {"draft": 3, "production": 3}
    assert client.delete(f"{path}/labels/draft").status_code == 204
    assert client.delete(f"{path}/labels/draft").status_code == 404
    assert _errors(client.post(f"{path}/labels", name="a b", version=1)) == {"name"}


def test_a_refused_label_makes_no_version(client: ApiClient, path: str) -> None:
    assert client.post(f"{path}/versions", text="x", labels=["a b"]).status_code == 422
    assert client.get(path).json()["version"] == 2


def test_rendering_by_version_and_label(client: ApiClient, path: str) -> None:
    client.post(f"{path}/labels", name="production", version=1)
    values = {"variables": {"n": 3}}
    expected = {
        "": ("3 points", 1, "production"),
        "production": ("3 points", 1, "production"),
        "latest": ("3 short points", 2, "latest"),
    }
    for label, (text, version, by) in expected.items():
        answer = client.post(f"{path}/render", label=label, **values).json()
        assert answer == {"text": text, "version": version, "label": by}
    numbered = client.post(f"{path}/render", version=2, **values).json()
    assert numbered == {"text": "3 short points", "version": 2, "label": ""}
    assert _errors(client.post(f"{path}/render", variables={"n": 6})) == {"variables.n"}
    assert _errors(client.post(f"{path}/render", label="none", **values)) == {"label"}
    assert _errors(client.post(f"{path}/render", version=8, **values)) == {"version"}
    uses = client.get(f"{path}/uses").json()["items"]
    assert {(use["version"], use["label"], use["uses"]) for use in uses} == {
        (1, "production", 2),
        (2, "latest", 1),
        (2, "", 1),
    }


def test_a_patch_on_an_old_version_is_refused(client: ApiClient, path: str) -> None:
    assert _errors(client.patch(path, text="late", based_on=1)) == {"based_on"}
    assert client.patch(path, text="in time", variables=[], based_on=2).json()["version"] == 3


def test_variables_that_cannot_work_are_refused(client: ApiClient) -> None:
    wrong = [{"name": "n", "type": "choice"}]
    assert _errors(client.post("prompts", **{**BODY, "variables": wrong})) == {"variables"}
    unknown = client.post("prompts", **{**BODY, "variables": [{"name": "n", "type": "colour"}]})
    assert unknown.status_code == 422
    assert not Prompt.objects.exists()


def test_everyone_edits_but_only_the_owner_shares(
    client: ApiClient, path: str, bob: User, api: Api
) -> None:
    other = api(bob)
    client.patch(path, is_shared=True)
    assert other.patch(path, title="Bob's").status_code == 404
    client.patch(path, everyone_edits=True)
    assert other.patch(path, title="Bob's").json()["title"] == "Bob's"
    assert other.post(f"{path}/labels", name="draft", version=1).status_code == 200
    assert other.post(f"{path}/labels", name="production", version=1).status_code == 403
    assert other.patch(path, is_shared=False).status_code == 404
    assert other.delete(path).status_code == 404


def test_favourites_copies_and_scopes(client: ApiClient, path: str, bob: User, api: Api) -> None:
    client.patch(path, is_shared=True)
    other = api(bob)
    assert other.post(f"{path}/favourite").status_code == 204
    assert [p["is_favourite"] for p in other.get("prompts").json()["items"]] == [True]
    assert other.get("prompts?scope=favourites").json()["count"] == 1
    assert other.delete(f"{path}/favourite").status_code == 204
    copied = other.post(f"{path}/copy").json()
    assert (copied["owner"], copied["version"]) == (bob.email, 1)
    assert copied["variables"][0]["maximum"] == 5
    assert other.get("prompts?scope=mine").json()["count"] == 1
    assert other.get("prompts?scope=shared").json()["count"] == 1


def test_files_go_out_and_come_in(client: ApiClient, path: str, bob: User, api: Api) -> None:
    client.post(f"{path}/labels", name="production", version=1)
    whole = client.get("prompts/export").json()
    assert whole["prompts"] == client.get(f"{path}/export").json()["prompts"]
    whole["prompts"].append({"title": "No text"})
    report = api(bob).post("prompts/import", **whole).json()
    assert (len(report["made"]), report["known"]) == (1, [])
    assert [(each["entry"], each["title"]) for each in report["refused"]] == [(2, "No text")]
    made = api(bob).get(f"prompts/{report['made'][0]}").json()
    assert (made["version"], made["labels"], made["is_shared"]) == (2, {"production": 1}, False)
