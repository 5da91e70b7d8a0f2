"""Chats kept in order as a person does it: by keyboard, in Chromium."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from chat import services
from chat.models import ChatFolder, ChatSession, ChatSettings, TitleWriter
from chat.tests.test_browser import ask, start, wait_until_done
from providers.models import ProviderModel

SignIn = Callable[[User], Any]
pytestmark = pytest.mark.browser


def titles(page: Any) -> list[str]:
    found: list[str] = page.locator(".session-link:visible").all_inner_texts()
    return [title.strip() for title in found]


def test_a_row_is_worked_by_keyboard(echo: ProviderModel, alice: User, sign_in: SignIn) -> None:
    for title in ("Oil", "Tea"):
        services.create_session(owner=alice, model=echo, title=title)
    page = sign_in(alice)
    page.goto("/chat/")
    row = page.locator(".session-row", has_text="Oil")
    menu = row.locator(".menu > summary")
    menu.focus()
    page.keyboard.press("Enter")
    row.get_by_role("button", name="Delete").wait_for()
    for _step in range(3):
        page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.textContent.trim()") == "Move to folder"
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    page.keyboard.type("Markets")
    page.keyboard.press("Enter")
    page.get_by_text("The chat is in “Markets”.").wait_for()
    assert titles(page) == ["Tea"]
    page.locator("[data-folder] > summary").press("Enter")
    page.locator("[data-folder] .session-link", has_text="Oil").wait_for()
    page.reload()
    page.locator("[data-folder] .session-link", has_text="Oil").wait_for()  # it stays open
    assert ChatFolder.objects.get().chats.count() == 1


def test_a_folder_gets_another_name(echo: ProviderModel, alice: User, sign_in: SignIn) -> None:
    ChatFolder.objects.create(owner=alice, name="Markets")
    page = sign_in(alice)
    page.goto("/chat/")
    page.get_by_label("Actions for the folder Markets").press("Enter")
    page.get_by_role("button", name="Rename").click()
    dialog = page.get_by_role("dialog", name="Rename folder")
    dialog.get_by_label("Title").fill("Trade")
    page.keyboard.press("Enter")
    page.locator("[data-folder]", has_text="Trade").wait_for()


def test_deleting_by_mistake(echo: ProviderModel, alice: User, sign_in: SignIn) -> None:
    page = sign_in(alice)
    start(page, "important")
    wait_until_done(page)
    address, second = page.url, page.context.new_page()
    second.goto(address)
    page.bring_to_front()
    page.keyboard.press("Control+Shift+Backspace")
    page.get_by_text("The chat is deleted.").wait_for()
    second.wait_for_url(re.compile(r"/chat/$"))
    assert titles(page) == []
    page.get_by_role("button", name="Undo").click()
    page.wait_for_url(address)
    page.locator(".answer", has_text="important").wait_for()
    assert titles(page) == ["important"]


def test_shortcuts(echo: ProviderModel, alice: User, sign_in: SignIn) -> None:
    for title in ("third", "second"):
        services.create_session(owner=alice, model=echo, title=title)
    page = sign_in(alice)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    start(page, "first")
    wait_until_done(page)
    page.keyboard.press("Control+Shift+C")
    page.wait_for_function("() => navigator.clipboard.readText().then((text) => text === 'first')")
    page.keyboard.press("Alt+ArrowDown")
    page.locator("h1", has_text="second").wait_for()
    page.keyboard.press("Alt+ArrowUp")
    page.locator("h1", has_text="first").wait_for()
    page.keyboard.press("Control+Shift+S")
    page.locator("#sessions").wait_for(state="hidden")
    page.reload()
    assert page.locator("#sessions").is_hidden()
    page.keyboard.press("Control+Shift+F")
    page.locator("#sessions-search").wait_for()
    assert page.evaluate("document.activeElement.id") == "sessions-search"
    page.keyboard.press("Control+/")
    shown = page.get_by_role("dialog", name="Keyboard shortcuts")
    assert "Copy the last answer" in shown.inner_text()
    page.keyboard.press("Control+Shift+O")  # what is behind a dialog hears nothing
    page.keyboard.press("Escape")
    box = page.get_by_label("Message", exact=True)
    composing = {"key": "o", "ctrlKey": True, "shiftKey": True, "isComposing": True}
    box.dispatch_event("keydown", {**composing, "bubbles": True})
    assert page.locator("h1").inner_text() == "first"
    page.keyboard.press("Control+Shift+O")
    page.wait_for_url(re.compile(r"/chat/$"))


def test_closing_a_menu_stops_no_answer(echo: ProviderModel, alice: User, sign_in: SignIn) -> None:
    page = sign_in(alice)
    start(page, "/long 900")
    page.get_by_text("Sentence 3 of 900.").wait_for()
    page.get_by_label("Actions", exact=True).press("Enter")
    page.keyboard.press("Escape")
    page.get_by_text("Sentence 40 of 900.").wait_for()
    page.keyboard.press("Escape")
    page.locator(".interruption").wait_for()


def test_a_title_appears_while_one_reads(echo: ProviderModel, alice: User, sign_in: SignIn) -> None:
    ChatSettings.objects.create(title_writer=TitleWriter.CHOSEN, title_model=echo)
    page = sign_in(alice)
    start(page, "What is it?")
    # The echo says what it was asked, which begins like this.
    page.locator("h1", has_text="<question>").wait_for()
    assert page.title().startswith("<question> · ")
    assert page.locator(".session-link[aria-current]").inner_text() == "<question>"
    ask(page, "And then?")
    wait_until_done(page, 2)
    assert ChatSession.objects.get().title == "<question>"
