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
