"""Prompt pages as a person uses them."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from accounts.models import User
from prompts import services
from prompts.models import Prompt
from providers.services import create_provider

ClientFor = Callable[[User], Client]
FORM = {"title": "Translate", "text": "Into {{language|English}}: {{text}}", "tags": "a, b，c"}


def _prompt(owner: User, **fields: Any) -> Prompt:
    values = {"title": "Translate", "text": FORM["text"], **fields}
    return services.create_prompt(actor=owner, **values)


def test_the_empty_library_teaches_the_next_step(alice: User, client_for: ClientFor) -> None:
    assert 'href="/prompts/new/"' in client_for(alice).get("/prompts/").content.decode()


def test_a_prompt_is_made_and_edited(alice: User, client_for: ClientFor) -> None:
    client = client_for(alice)
    made = client.post("/prompts/new/", FORM)
    prompt = Prompt.objects.get()
    assert made.headers["Location"] == f"/prompts/{prompt.pk}/"
    assert prompt.tags == ["a", "b", "c"] and not prompt.is_shared
    page = client.get(f"/prompts/{prompt.pk}/edit/").content.decode()
    assert "a, b, c" in page
    client.post(f"/prompts/{prompt.pk}/edit/", {**FORM, "title": "New", "is_shared": "on"})
    prompt.refresh_from_db()
    assert prompt.title == "New" and prompt.is_shared


@pytest.mark.parametrize("change", [{"title": ""}, {"text": ""}, {"tags": "x" * 41}])
def test_a_bad_form_keeps_what_was_typed(
    alice: User, client_for: ClientFor, change: dict[str, str]
) -> None:
    prompt = _prompt(alice)
    for path in ("/prompts/new/", f"/prompts/{prompt.pk}/edit/"):
        answer = client_for(alice).post(path, {**FORM, "title": "Kept", **change})
        assert answer.status_code == 422
        assert set(answer.context["form"].errors) == set(change)
        assert "Kept" in answer.content.decode() or "title" in change
    assert Prompt.objects.count() == 1


def test_the_companys_box_is_for_administrators(
    alice: User, admin_user: User, client_for: ClientFor
) -> None:
    assert "is_company" not in client_for(alice).get("/prompts/new/").content.decode()
    client_for(alice).post("/prompts/new/", {**FORM, "is_company": "on"})
    assert Prompt.objects.get().owner == alice
    client_for(admin_user).post("/prompts/new/", {**FORM, "is_company": "on"})
    company = Prompt.objects.get(owner=None)
    assert "is_shared" not in (
        client_for(admin_user).get(f"/prompts/{company.pk}/edit/").content.decode()
    )


def test_search_and_tags_narrow_the_list(alice: User, client_for: ClientFor) -> None:
    _prompt(alice, title="Weekly report", tags=["office"])
    _prompt(alice, title="Bedtime story", tags=["home"])
    client = client_for(alice)
    found = client.get("/prompts/?q=report").content.decode()
    assert "Weekly report" in found and "Bedtime story" not in found
    tagged = client.get("/prompts/?tag=home").content.decode()
    assert "Weekly report" not in tagged and "Bedtime story" in tagged
    assert 'href="/prompts/"' in client.get("/prompts/?q=nothing").content.decode()


def test_using_one_leads_to_a_chat_with_its_text(alice: User, client_for: ClientFor) -> None:
    prompt = _prompt(alice)
    form = {"variable-language": "中文", "variable-text": "a & b = {{language}}"}
    answer = client_for(alice).post(f"/prompts/{prompt.pk}/use/", form)
    target = urlsplit(answer.headers["Location"])
    assert target.path == "/chat/"
    assert parse_qs(target.query)["prompt"] == ["Into 中文: a & b = {{language}}"]
    prompt.refresh_from_db()
    assert prompt.uses == 1


def test_a_missing_value_is_asked_for(alice: User, client_for: ClientFor) -> None:
    prompt = _prompt(alice)
    answer = client_for(alice).post(f"/prompts/{prompt.pk}/use/", {"variable-language": "中文"})
    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == ["text"]
    assert "中文" in answer.content.decode()


def test_a_text_too_long_for_an_address_is_shown_to_copy(
    alice: User, client_for: ClientFor
) -> None:
    prompt = _prompt(alice)
    answer = client_for(alice).post(f"/prompts/{prompt.pk}/use/", {"variable-text": "长" * 3000})
    assert answer.status_code == 200
    assert "长" * 3000 in answer.content.decode()


def test_readers_copy_and_do_not_edit(alice: User, bob: User, client_for: ClientFor) -> None:
    prompt = _prompt(alice, is_shared=True)
    client = client_for(bob)
    page = client.get(f"/prompts/{prompt.pk}/").content.decode()
    assert f"/prompts/{prompt.pk}/edit/" not in page and alice.email in page
    assert client.get(f"/prompts/{prompt.pk}/edit/").status_code == 404
    assert client.post(f"/prompts/{prompt.pk}/delete/").status_code == 404
    made = client.post(f"/prompts/{prompt.pk}/copy/")
    copied = Prompt.objects.get(owner=bob)
    assert made.headers["Location"] == f"/prompts/{copied.pk}/edit/"


def test_an_owner_deletes(alice: User, client_for: ClientFor) -> None:
    prompt = _prompt(alice)
    client = client_for(alice)
    assert "data-confirm" in client.get(f"/prompts/{prompt.pk}/").content.decode()
    assert client.post(f"/prompts/{prompt.pk}/delete/").headers["Location"] == "/prompts/"
    assert not Prompt.objects.exists()


def test_the_console_shows_what_others_may_read(
    alice: User, admin_user: User, client_for: ClientFor
) -> None:
    hidden = _prompt(alice, title="Private one")
    shared = _prompt(alice, title="Shared one", is_shared=True)
    client = client_for(admin_user)
    page = client.get("/admin/prompts/prompt/").content.decode()
    assert "Shared one" in page and "Private one" not in page
    assert client.get(f"/admin/prompts/prompt/{hidden.pk}/change/").status_code == 302
    assert client.get(f"/admin/prompts/prompt/{shared.pk}/change/").status_code == 200


@pytest.mark.browser
def test_the_text_follows_what_is_typed(alice: User, sign_in: Callable[[User], Any]) -> None:
    create_provider(actor=alice, preset="echo")
    prompt = _prompt(alice)
    page = sign_in(alice)
    page.goto(f"/prompts/{prompt.pk}/")
    shown = page.locator("[data-prompt-text]")
    page.get_by_role("textbox", name="language").fill("French")
    assert shown.inner_text() == "Into French: {{text}}"
    page.get_by_role("textbox", name="text").fill("good morning {{language}}")
    assert shown.inner_text() == "Into French: good morning {{language}}"
    page.get_by_role("button", name="Use in a chat").click()
    page.wait_for_url("**/chat/?prompt=*")
    assert "good morning" in page.locator("textarea[name='content']").input_value()
