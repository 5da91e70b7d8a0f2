"""The prompts API."""

from collections.abc import Callable

import pytest

from accounts.models import User
from conftest import ApiClient
from prompts.models import Prompt

Api = Callable[[User], ApiClient]
BODY = {"title": "Translate", "text": "Into {{language|English}}: {{text}}", "tags": ["office"]}


def test_a_prompt_is_made_read_changed_and_deleted(alice: User, api: Api) -> None:
    client = api(alice)
    made = client.post("prompts", **BODY)
    assert made.status_code == 201
    prompt = made.json()
    assert prompt["owner"] == alice.email and prompt["uses"] == 0 and not prompt["is_company"]
    shown = [(each["name"], each["type"], each["default"]) for each in prompt["variables"]]
    assert shown == [("language", "text", "English"), ("text", "long", None)]
    changed = client.patch(f"prompts/{prompt['id']}", title="New", tags=[])
    assert (changed.json()["title"], changed.json()["tags"]) == ("New", [])
    assert client.get(f"prompts/{prompt['id']}").json()["text"] == BODY["text"]
    assert client.delete(f"prompts/{prompt['id']}").status_code == 204
    assert client.get(f"prompts/{prompt['id']}").status_code == 404


def test_the_list_is_searched_by_words_and_tag(alice: User, api: Api) -> None:
    client = api(alice)
    client.post("prompts", **BODY)
    client.post("prompts", **{**BODY, "title": "Other", "tags": ["home"]})
    assert client.get("prompts").json()["count"] == 2
    assert [p["title"] for p in client.get("prompts?q=transl").json()["items"]] == ["Translate"]
    assert [p["title"] for p in client.get("prompts?tag=home").json()["items"]] == ["Other"]
    assert client.get("prompts?q=other&tag=office").json() == {"items": [], "count": 0}


def test_rendering_fills_in_and_counts(alice: User, api: Api) -> None:
    client = api(alice)
    number = client.post("prompts", **BODY).json()["id"]
    answer = client.post(f"prompts/{number}/render", variables={"text": "你好"})
    assert answer.json() == {"text": "Into English: 你好", "version": 1, "label": ""}
    numbers = client.post(f"prompts/{number}/render", variables={"text": 7, "language": "中文"})
    assert numbers.json()["text"] == "Into 中文: 7"
    assert client.get(f"prompts/{number}").json()["uses"] == 2


def test_what_does_not_fit_is_named(alice: User, api: Api) -> None:
    client = api(alice)
    number = client.post("prompts", **BODY).json()["id"]
    answer = client.post(f"prompts/{number}/render", variables={"tone": "x"})
    assert answer.status_code == 422
    assert set(answer.json()["error"]["fields"]) == {"variables.text", "variables.tone"}
    assert client.get(f"prompts/{number}").json()["uses"] == 0


@pytest.mark.parametrize(
    "bad",
    [
        {"title": ""},
        {"text": " "},
        {"title": "x" * 201},
        {"tags": ["x" * 41]},
        {"owner": 1},
        {"uses": 99},
        {"is_company": True},
        {"title": "a\u0000"},
    ],
    ids=str,
)
def test_bad_bodies_are_refused_by_field(alice: User, api: Api, bad: dict[str, object]) -> None:
    answer = api(alice).post("prompts", **{**BODY, **bad})
    assert answer.status_code == 422
    assert next(iter(bad)) in str(answer.json()["error"]["fields"])
    assert not Prompt.objects.exists()


def test_shared_ones_are_read_by_all_and_changed_by_their_owner(
    alice: User, bob: User, api: Api
) -> None:
    number = api(alice).post("prompts", **BODY, is_shared=True).json()["id"]
    stranger = api(bob)
    assert stranger.get(f"prompts/{number}").status_code == 200
    variables = {"text": "x"}
    assert stranger.post(f"prompts/{number}/render", variables=variables).status_code == 200
    assert stranger.patch(f"prompts/{number}", title="Mine").status_code == 404
    assert stranger.delete(f"prompts/{number}").status_code == 404
    api(alice).patch(f"prompts/{number}", is_shared=False)
    assert stranger.get(f"prompts/{number}").status_code == 404


def test_the_companys_are_changed_by_administrators(
    alice: User, admin_user: User, api: Api
) -> None:
    made = api(admin_user).post("prompts", **BODY, is_company=True).json()
    assert made["is_company"] and made["owner"] == ""
    assert api(alice).get("prompts").json()["count"] == 1
    assert api(alice).patch(f"prompts/{made['id']}", title="x").status_code == 404
    changed = api(admin_user).patch(f"prompts/{made['id']}", title="x", is_shared=True)
    assert changed.status_code == 200 and not changed.json()["is_shared"]
