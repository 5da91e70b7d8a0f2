"""Ids of models that are added by hand; names of connections, which programs write."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from accounts.models import User
from providers.checks import checked_model_id
from providers.models import Provider
from providers.services import create_provider

Pages = Callable[[User], Client]
NEW = "/providers/new/echo/"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("  ", "as the provider writes it"),
        ("x" * 201, "at most 200 characters, this one has 201"),
        ("a\u200bb", "invisible or control"),
        ("a\nb", "invisible or control"),
        ("my model", "no spaces inside. “my” is followed"),
        ("通义 1", "no spaces inside"),
        ("a\u3000b", "invisible"),
        ("../etc", "“..” between slashes"),
        ("a/..", "“..” between slashes"),
        ("a\\..\\b", "“..” between slashes"),
    ],
)
def test_odd_ids_of_models_are_refused(text: str, words: str) -> None:
    with pytest.raises(ValidationError) as error:
        checked_model_id(text)
    assert words in error.value.message_dict["model_id"][0]


@pytest.mark.parametrize("text", ["x" * 200, "org/model:free", "a..b", "通义-1"])
def test_ids_that_providers_write_are_good(text: str) -> None:
    assert checked_model_id(f" {text} ") == text


def test_the_page_and_the_api_say_why(alice: User, client_for: Pages, api: Any) -> None:
    provider = Provider.objects.create(owner=alice, name="Acme", preset="deepseek")
    add = f"/providers/{provider.pk}/models/"
    page = client_for(alice).post(add, {"model_id": "x" * 300})
    assert page.status_code == 422 and "this one has 300" in page.text
    assert f'value="{"x" * 300}"' in page.text, "what was typed stays"
    page = client_for(alice).post(add, {"model_id": " my model"})
    assert page.status_code == 422 and 'value=" my model"' in page.text
    assert 'aria-invalid="true"' in page.text and "no spaces inside" in page.text
    answer = api(alice).post(f"providers/{provider.pk}/models", model_id="../etc")
    assert answer.status_code == 422
    assert "“..”" in answer.json()["error"]["fields"]["model_id"][0]
    assert not provider.models.exists()


def test_a_name_that_is_taken_twice_is_told(
    alice: User, bob: User, admin_user: User, client_for: Pages
) -> None:
    create_provider(actor=alice, preset="echo", name="Same")
    create_provider(actor=admin_user, preset="echo", name="Ours", is_shared=True)

    def told(who: User, name: str) -> str:
        return client_for(who).post(NEW, {"name": name}, follow=True).text

    text = told(alice, "Same")
    provider = Provider.objects.latest("pk")
    assert f"programs must write “Same#{provider.pk}/…”" in text
    assert "programs must write “Ours#" in told(bob, "Ours")
    for who, name in ((bob, "Same"), (alice, "Other")):
        assert "Another connection" not in told(who, name)


def test_what_a_new_name_changes_is_told(alice: User, client_for: Pages) -> None:
    create_provider(actor=alice, preset="echo", name="Same")
    provider = create_provider(actor=alice, preset="echo", name="Old")
    client, path = client_for(alice), f"/providers/{provider.pk}/edit/"
    unchanged = client.post(path, {"name": "Old"}, follow=True).text
    assert "programs" not in unchanged.partition("data-toasts")[2]
    text = client.post(path, {"name": "Same"}, follow=True).text
    assert "programs that write “Old/…” need “Same/…” now" in text
    assert f"programs must write “Same#{provider.pk}/…”" in text
