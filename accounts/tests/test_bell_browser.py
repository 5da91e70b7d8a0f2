from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from accounts.models import User
from accounts.services import notify
from accounts.types import Notice

pytestmark = pytest.mark.browser


def test_the_bell_rings_without_a_reload(
    alice: User, live_url: str, sign_in: Callable[[User], Any]
) -> None:
    page = sign_in(alice)
    page.clock.install()
    page.goto("/")
    bell = page.locator(".bell summary")
    expect(bell).to_contain_text("No notice is unread")
    notify(alice, lambda: Notice("Training “a” is done", "Step 60 of 60.", "/training/"))
    page.clock.run_for(31_000)
    expect(bell).to_contain_text("1 notice is unread")
    bell.click()
    page.get_by_role("link", name="Training “a” is done").click()
    expect(page).to_have_url(f"{live_url}/training/")
    expect(page.locator(".bell summary")).to_contain_text("No notice is unread")
