"""An import as a person does it, in Chromium."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from chat.tests.test_importing import chatgpt, openwebui, zipped
from providers.models import ProviderModel

pytestmark = pytest.mark.browser


def test_from_the_file_to_the_chat(
    echo: ProviderModel, alice: User, sign_in: Callable[[User], Any]
) -> None:
    page = sign_in(alice)
    page.goto("/chat/")
    page.get_by_role("link", name="Import your chats").click()
    chats = json.dumps([chatgpt(), openwebui(), {"title": "Groceries"}]).encode()
    file = {"name": "export.zip", "mimeType": "application/zip"}
    page.locator("input[type=file]").set_input_files(
        file | {"buffer": zipped(("conversations.json", chats))}
    )
    page.locator(".file-name", has_text="export.zip").wait_for()
    page.get_by_role("button", name="Read the file").click()
    page.locator("td", has_text="Recipes").wait_for()
    assert page.locator("tr", has_text="Groceries").count() == 1, "and why it is skipped"
    page.get_by_role("button", name="Import 2 chats").click()
    page.get_by_text("2 chats were imported.").wait_for()
    page.get_by_role("link", name="Open the chats").click()
    page.locator(".session-link", has_text="Trip").click()
    page.locator(".answer", has_text="Bern.").wait_for()
    assert page.locator(".thoughts-text").text_content() == "Warm and near"
    page.get_by_role("button", name="Earlier version").click()
    page.locator(".answer", has_text="Rome.").wait_for()
