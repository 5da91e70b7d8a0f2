"""The form of a connection: every mistake at once, beside its field, and nothing typed is lost."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from providers.differences import DIFFERENCES, TYPES, check_profile
from providers.json_field import JsonObjectField
from providers.models import Provider
from providers.services import create_provider

URL = "https://p.example/v1"
FORM = {"name": "p", "base_url": URL, "api_key": "sk-123456789012"}
NEW = "/providers/new/custom/"
Pages = Callable[[User], Client]


def errors(answer: Any) -> dict[str, list[str]]:
    assert answer.status_code == 422
    found: dict[str, list[str]] = answer.context["form"].errors
    return found


def test_every_mistake_is_said_at_once_and_what_was_typed_stays(
    alice: User, client_for: Pages
) -> None:
    typed = {
        "name": "p", "base_url": "nonsense", "api_key": "钥匙", "sign_in": "oauth",
        "token_url": "ftp://x", "scope": "a b", "connect_timeout_s": "99", "retries": "9",
        "drop_params": "seed, messages",
        "extra_body": '{\n  "a": 1,\n  "b" 2\n}',
        "profile": '{"nosuch": 1, "thinking": "banana"}',
    }  # fmt: skip
    answer = client_for(alice).post(NEW, typed)
    found = errors(answer)
    assert set(found) == {
        *("base_url", "api_key", "token_url", "client_id", "connect_timeout_s", "retries"),
        *("drop_params", "extra_body", "profile"),
    }
    assert "Line 3, column 7" in found["extra_body"][0] and '"b" 2' in found["extra_body"][0]
    assert len(found["profile"]) == 2
    for text in (
        "ftp://x",
        "seed, messages",
        "&quot;b&quot; 2",
        "&quot;nosuch&quot;",
        'value="99"',
    ):
        assert text in answer.text
    assert (
        answer.text.count('class="fold" open') == 2 and 'class="fold sign-in" open' in answer.text
    )
    assert "钥匙" not in answer.text, "a key never comes back"
    assert not Provider.objects.exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": }', "Line 1, column 7"),
        ("{'a': 1}", "double quotes"),
        ('{"a": 1} {', "ended before"),
        ('{\n"a": "x\n}', "Line 2"),
        ("[1]", "in braces"),
        ('{"a": NaN}', "no JSON"),
        ('"' * 3, "no JSON"),
    ],
)
def test_a_mistake_in_json_is_named(text: str, words: str) -> None:
    from django.core.exceptions import ValidationError

    with pytest.raises(ValidationError) as error:
        JsonObjectField().clean(text)
    assert words in " ".join(error.value.messages)


def test_json_is_shown_in_lines() -> None:
    assert JsonObjectField().prepare_value({"a": "你"}) == '{\n  "a": "你"\n}'
    assert JsonObjectField().clean("  ") == {}


@pytest.mark.parametrize("each", DIFFERENCES, ids=lambda each: str(each.name))
def test_every_difference_is_explained_and_its_example_is_right(each: Any) -> None:
    check_profile(JsonObjectField().clean(each.example))
    assert {row.name for row in DIFFERENCES} == set(TYPES)


@pytest.mark.parametrize(
    ("chosen", "auth"),
    [
        ({"sign_in": "header", "key_name": "X-Key"}, "header:X-Key"),
        ({"sign_in": "query", "key_name": "access_token"}, "query:access_token"),
        ({"sign_in": "jwt"}, "jwt"),
        ({"sign_in": "bearer"}, "bearer"),
    ],
)
def test_how_the_key_is_sent_is_chosen(
    alice: User, client_for: Pages, chosen: dict[str, str], auth: str
) -> None:
    client = client_for(alice)
    assert (
        client.post(NEW, FORM | chosen | {"profile": '{"include_usage": false}'}).status_code == 302
    )
    provider = Provider.objects.get()
    assert provider.profile == {"auth": auth, "include_usage": False}
    form = client.get(f"/providers/{provider.pk}/edit/").context["form"]
    assert {name: form[name].value() for name in chosen} == chosen and "auth" not in form[
        "profile"
    ].value()
    client.post(f"/providers/{provider.pk}/edit/", FORM | {"api_key": "", "sign_in": ""})
    provider.refresh_from_db()
    assert provider.profile == {} and provider.key_hint == "…9012"


def test_oauth_is_chosen_in_the_form(alice: User, client_for: Pages) -> None:
    client = client_for(alice)
    empty = errors(client.post(NEW, FORM | {"sign_in": "oauth"}))
    assert set(empty) == {"token_url", "client_id"}
    given = {
        "token_url": "https://id.example/token",
        "client_id": "me",
        "scope": "",
        "style": "body",
    }
    patience = {"read_timeout_s": "300", "retries": "2", "connect_timeout_s": ""}
    assert client.post(NEW, FORM | {"sign_in": "oauth"} | given | patience).status_code == 302
    provider = Provider.objects.get()
    assert provider.oauth == given
    assert (provider.read_timeout_s, provider.retries, provider.connect_timeout_s) == (300, 2, 10)
    page = client.get(f"/providers/{provider.pk}/edit/")
    assert page.context["form"]["sign_in"].value() == "oauth" and FORM["api_key"] not in page.text
    # Somewhere else to sign in: the stored secret does not go there.
    moved = given | {"token_url": "https://evil.example/token", "sign_in": "oauth"}
    found = errors(client.post(f"/providers/{provider.pk}/edit/", FORM | moved | {"api_key": ""}))
    assert "api_key" in found


def test_the_limits_of_numbers_are_said(alice: User, client_for: Pages) -> None:
    page = client_for(alice).get(NEW).text
    for text in ("From 1 to 60.", "From 1 to 1800.", "From 1 to 7200.", "From 0 to 5."):
        assert text in page


def test_a_provider_without_a_key_says_so(alice: User, client_for: Pages) -> None:
    client = client_for(alice)
    assert "api_key" in errors(client.post(NEW, FORM | {"api_key": ""}))
    assert client.post(NEW, FORM | {"api_key": "", "sign_in": "none"}).status_code == 302


def test_only_the_form_comes_back_to_a_script(alice: User, client_for: Pages) -> None:
    client = client_for(alice)
    script = {"HX-Request": "true"}
    wrong = client.post(NEW, FORM | {"extra_body": "{"}, headers=script)
    assert wrong.status_code == 422 and "<html" not in wrong.text and "<form" in wrong.text
    done = client.post(NEW, FORM, headers=script)
    assert done.headers["HX-Redirect"] == f"/providers/{Provider.objects.get().pk}/"


@pytest.mark.browser
def test_a_typed_key_survives_a_mistake(
    transactional_db: None, alice: User, sign_in: Callable[[User], Any]
) -> None:
    page = sign_in(alice)
    page.goto(NEW)
    page.get_by_label("Base URL").fill(URL)
    page.get_by_label("API key").fill("sk-typed-once")
    page.get_by_text("What is special here").click()
    page.get_by_label("Added to every request").fill("{")
    assert not page.get_by_label("Token URL").is_visible()
    page.get_by_text("How it signs in").click()
    page.get_by_label("How the key is sent").select_option("oauth")
    assert page.get_by_label("Token URL").is_visible()
    page.get_by_role("button", name="Connect").click()
    page.get_by_text("Line 1, column 2").wait_for()
    assert page.get_by_label("API key").input_value() == "sk-typed-once"
    assert page.get_by_label("Added to every request").input_value() == "{"


@pytest.mark.browser
def test_the_first_mistake_is_found(
    transactional_db: None, alice: User, sign_in: Callable[[User], Any]
) -> None:
    page = sign_in(alice)
    page.goto(NEW)
    key, label = page.locator("#id_api_key"), page.locator("label[for=id_api_key]")
    page.locator("#id_name").fill("Ours")
    page.get_by_label("Base URL").fill(URL)
    page.get_by_role("button", name="Connect").click()
    page.get_by_text("choose that none is sent").wait_for()
    page.wait_for_function("() => document.activeElement.id === 'id_api_key'")
    assert key.get_attribute("aria-invalid") == "true"
    assert "id_api_key_error" in key.get_attribute("aria-describedby")
    way = page.get_by_label("How the key is sent")
    assert way.is_visible(), "the way out of it is in this fold"
    assert label.inner_text() == "API key"
    way.select_option("oauth")
    assert label.inner_text() == "Client secret"
    key.fill("a-secret-that-stays")
    page.get_by_role("button", name="Connect").click()
    page.get_by_text("Enter the address where tokens are fetched").wait_for()
    page.get_by_text("Enter the client id").wait_for()
    page.wait_for_function("() => document.activeElement.id === 'id_token_url'")
    assert key.get_attribute("aria-invalid") == "false"
    # As red as what is said below it, once the colour has changed.
    page.wait_for_function(
        """() => {
        const colour = (query, name) => getComputedStyle(document.querySelector(query))[name];
        return colour("#id_token_url", "borderTopColor") === colour(".errors", "color");
        }"""
    )


def test_echo_has_none_of_it(alice: User, client_for: Pages) -> None:
    provider = create_provider(actor=alice, preset="echo")
    page = client_for(alice).get(f"/providers/{provider.pk}/edit/")
    assert "How it signs in" not in page.text
    answer = client_for(alice).post(f"/providers/{provider.pk}/edit/", {"name": "parrot"})
    assert answer.status_code == 302
