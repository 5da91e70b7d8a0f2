"""The form of a key in a browser: finding models, the date, what is saved."""

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import ApiKey, User
from providers.models import ProviderModel
from providers.services import create_provider

pytestmark = pytest.mark.browser


def test_a_key_for_one_model_until_a_day(
    sign_in: Callable[[User], Any], transactional_db: None, alice: User
) -> None:
    provider = create_provider(actor=alice, preset="echo", name="Mine")
    ProviderModel.objects.create(provider=provider, model_id="qwen3-8b", name="x", types=["chat"])
    page = sign_in(alice)
    page.goto("/accounts/keys/")
    page.get_by_label("Name").fill("ci")
    date = page.get_by_label("Date and time")
    assert not date.is_visible()
    page.get_by_label("Expires").select_option("date")
    date.fill("2099-01-02T03:04")
    page.get_by_text("Models (all)").click()
    page.get_by_label("Search models").fill("QWEN")
    assert not page.get_by_label("echo").is_visible()
    page.get_by_label("qwen3-8b").check()
    assert page.get_by_text("Models (1)").is_visible()
    page.get_by_text("Limits", exact=True).last.click()
    page.get_by_label("Requests per minute").fill("60")
    page.get_by_role("button", name="Create key").click()
    page.get_by_text("Copy the key now").wait_for()
    key = ApiKey.objects.get()
    assert (key.allowed_models, key.rpm) == (["Mine/qwen3-8b"], 60)
    assert key.expires_at is not None and key.expires_at.isoformat()[:16] == "2099-01-02T03:04"


def test_the_examples_of_each_kind_of_program(
    sign_in: Callable[[User], Any], live_url: str, transactional_db: None, alice: User
) -> None:
    create_provider(actor=alice, preset="echo", name="Mine")
    page = sign_in(alice)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/accounts/keys/")
    page.get_by_label("Name").fill("ci")
    page.get_by_role("button", name="Create key").click()
    key = page.locator(".notice-success [data-copy-source]").inner_text()
    for tab, base_url, call in (
        ("OpenAI SDK", f"{live_url}/v1", 'model="Mine/echo"'),
        ("Anthropic SDK", live_url, "client.messages.create("),
        ("curl", f"{live_url}/v1", f"{live_url}/v1/chat/completions"),
    ):
        page.get_by_role("tab", name=tab).click()
        panel = page.get_by_role("tabpanel")
        assert panel.count() == 1 and panel.locator("code").inner_text() == base_url
        panel.get_by_role("button", name="Copy").last.click()
        panel.get_by_text("Copied").wait_for()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert call in copied and key in copied
    page.get_by_role("tab", name="curl").focus()
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("tab", selected=True).inner_text() == "OpenAI SDK"
    page.goto("/accounts/keys/")
    assert "llmp_…" in page.get_by_role("tabpanel").inner_text()


def test_what_the_browser_refuses_is_shown_in_its_fold(
    sign_in: Callable[[User], Any], transactional_db: None, alice: User
) -> None:
    page = sign_in(alice)
    page.goto("/accounts/keys/")
    page.get_by_label("Name").fill("ci")
    fold = page.get_by_text("Limits", exact=True).last
    limit = page.get_by_label("Calls at the same time")
    fold.click()
    limit.fill("-1")
    fold.click()
    assert not limit.is_visible()
    page.get_by_role("button", name="Create key").click()
    limit.wait_for(state="visible")
    assert not ApiKey.objects.exists()


def test_a_phone_shows_every_fact_of_a_key(
    sign_in: Callable[[User], Any], transactional_db: None, alice: User
) -> None:
    ApiKey.issue(user=alice, name="ci", rpm=1234)
    page = sign_in(alice)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/accounts/keys/")
    row = page.locator("tbody tr")
    assert row.get_by_text("1,234 requests/min").is_visible()
    for label in ("Models", "Limits", "Spent this month", "Created", "Last used", "Expires"):
        cell = row.locator(f'td[data-label="{label}"]')
        shown = cell.evaluate("(cell) => getComputedStyle(cell, '::before').content")
        assert cell.is_visible() and label in shown
