"""Pages of versions, labels, statistics and the picker, and what they refuse."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from prompts import services, versions
from prompts.models import Prompt

ClientFor = Callable[[User], Client]


def _prompt(owner: User, **fields: Any) -> Prompt:
    prompt = services.create_prompt(
        actor=owner, **{"title": "Translate", "text": "one {{a}}", **fields}
    )
    return services.change_prompt(prompt=prompt, actor=owner, text="two {{a}}", note="Second")


def _page(client: Client, path: str) -> str:
    return client.get(path).content.decode()


def test_the_form_declares_variables(alice: User, client_for: ClientFor) -> None:
    form = {"title": "T", "text": "{{a}} {{b|here}}", "place-a-type": "choice"}
    refused = client_for(alice).post("/prompts/new/", form)
    assert refused.status_code == 422 and "Write at least one choice." in refused.content.decode()
    form |= {"place-a-choices": "x\r\n y \r\n", "place-a-label": "Letter", "place-b-type": "number"}
    wrong = client_for(alice).post("/prompts/new/", form)
    assert wrong.status_code == 422  # "here" is no number
    client_for(alice).post("/prompts/new/", {**form, "place-b-type": "text"})
    a, b = Prompt.objects.get().variables
    assert (a.type, a.choices, a.label, a.required) == ("choice", ("x", "y"), "Letter", False)
    assert (b.type, b.default) == ("text", "here")


def test_places_of_a_text_that_is_being_written(alice: User, client_for: ClientFor) -> None:
    sent = {"text": "{{a}} {{b}}", "place-a-type": "choice", "place-a-label": "Kept"}
    page = client_for(alice).post("/prompts/places/", sent).content.decode()
    assert 'value="Kept"' in page and 'name="place-a-choices"' in page
    assert 'name="place-b-type"' in page and "at least one" not in page


def test_who_saves_second_gets_the_form_back(alice: User, client_for: ClientFor) -> None:
    prompt = _prompt(alice)
    form = {"title": "T", "text": "mine", "based_on": "1"}
    answer = client_for(alice).post(f"/prompts/{prompt.pk}/edit/", form)
    page = answer.content.decode()
    assert answer.status_code == 422 and "mine" in page
    assert 'name="based_on" value="2"' in page
    client_for(alice).post(f"/prompts/{prompt.pk}/edit/", {**form, "based_on": "2"})
    prompt.refresh_from_db()
    assert (prompt.number, prompt.text) == (3, "mine")


def test_a_version_is_shown_and_used_by_its_number(alice: User, client_for: ClientFor) -> None:
    prompt, client = _prompt(alice), client_for(alice)
    assert "one {{a}}" in _page(client, f"/prompts/{prompt.pk}/?version=1")
    assert "two {{a}}" in _page(client, f"/prompts/{prompt.pk}/")
    for wrong in ("9", "x", "-1"):
        assert client.get(f"/prompts/{prompt.pk}/?version={wrong}").status_code == 404
    sent = {"version": "1", "variable-a": "x"}
    answer = client.post(f"/prompts/{prompt.pk}/use/", sent)
    assert answer.headers["Location"] == "/chat/?prompt=one+x"
    assert prompt.use_days.get().version.number == 1


def test_two_versions_are_compared(alice: User, client_for: ClientFor) -> None:
    prompt, client = _prompt(alice), client_for(alice)
    path = f"/prompts/{prompt.pk}/versions/"
    page = _page(client, f"{path}?old=1&new=2")
    assert "<mark>one</mark>" in page and "<mark>two</mark>" in page and "Second" in page
    assert client.get(f"{path}?old=1&new=9").status_code == 404


def test_readers_neither_restore_nor_label(alice: User, bob: User, client_for: ClientFor) -> None:
    prompt = _prompt(alice, is_shared=True)
    base, client = f"/prompts/{prompt.pk}", client_for(bob)
    assert "/restore/" not in _page(client, f"{base}/versions/")
    assert client.post(f"{base}/versions/1/restore/").status_code == 404
    assert client.post(f"{base}/labels/", {"name": "a", "number": "1"}).status_code == 404


def test_labels_are_put_and_taken_away(alice: User, bob: User, client_for: ClientFor) -> None:
    prompt = _prompt(alice, is_shared=True, everyone_edits=True)
    base, owner, editor = f"/prompts/{prompt.pk}/labels/", client_for(alice), client_for(bob)
    production = {"name": "production", "number": "1"}
    assert editor.post(base, production).status_code == 403
    assert owner.post(base, production).status_code == 302
    assert editor.post(base, {"name": "draft", "number": "2"}).status_code == 302
    assert dict(prompt.labels.values_list("name", "version__number")) == {
        "production": 1,
        "draft": 2,
    }
    assert editor.post(f"{base}remove/", {"name": "production"}).status_code == 403
    editor.post(f"{base}remove/", {"name": "draft"})
    owner.post(base, {"name": "a b", "number": "1"})
    owner.post(base, {"name": "", "number": ""})
    assert [label.name for label in prompt.labels.all()] == ["production"]


def test_statistics_teach_when_there_are_none(alice: User, client_for: ClientFor) -> None:
    prompt, client = _prompt(alice), client_for(alice)
    path = f"/prompts/{prompt.pk}/statistics/"
    assert "Not used in the last 30 days" in _page(client, path)
    services.fill_in(prompt=prompt, values={"a": "x"})
    assert 'class="bars"' in _page(client, path)


def test_the_picker_offers_titles_before_mentions(
    alice: User, bob: User, client_for: ClientFor
) -> None:
    _prompt(alice, title="Aardvark", description="To translate")
    _prompt(alice, title="Translate")
    _prompt(bob, title="Translate privately")
    page = _page(client_for(alice), "/prompts/picker/?q=translate")
    assert page.index(">Translate<") < page.index(">Aardvark<")
    assert "privately" not in page
    assert "No prompt matches." in _page(client_for(alice), "/prompts/picker/?q=zebra")


def test_the_picker_fills_in_what_readers_get(
    alice: User, bob: User, client_for: ClientFor
) -> None:
    prompt, path = _prompt(alice, is_shared=True), ""
    versions.move_label(version=prompt.versions.get(number=1), name="production", actor=alice)
    path = f"/prompts/{prompt.pk}/fill/"
    client = client_for(bob)
    assert 'name="variable-a"' in _page(client, path)
    assert client.post(path, {}).status_code == 422
    assert client.post(path, {"variable-a": "x"}).json() == {"text": "one x"}
    assert prompt.use_days.get().label == "production"


@pytest.mark.parametrize("scope", ["favourites", "mine", "shared", "company", "nonsense"])
def test_the_list_by_scope(
    alice: User, bob: User, admin_user: User, client_for: ClientFor, scope: str
) -> None:
    made = {
        "mine": _prompt(alice, title="Of mine"),
        "shared": _prompt(bob, title="Of bob", is_shared=True),
        "company": _prompt(admin_user, title="Of all", is_company=True),
    }
    services.set_favourite(prompt=made["shared"], user=alice, is_favourite=True)
    page = client_for(alice).get(f"/prompts/?scope={scope}")
    expected = {
        "favourites": [made["shared"]],
        "nonsense": [made["shared"], made["company"], made["mine"]],
    }
    assert list(page.context["page"]) == expected.get(scope, [made.get(scope)])
