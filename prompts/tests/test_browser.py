"""The prompt library and its picker in a real browser."""

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from prompts import services
from prompts.models import Prompt
from providers.services import create_provider

pytestmark = pytest.mark.browser
SignIn = Callable[[User], Any]


def _prompt(owner: User, **fields: Any) -> Prompt:
    return services.create_prompt(
        actor=owner, **{"title": "Translate", "text": "Into {{language}}: {{text}}", **fields}
    )


def test_a_prompt_from_the_first_text_to_production(alice: User, sign_in: SignIn) -> None:
    page = sign_in(alice)
    page.goto("/prompts/new/")
    page.get_by_label("Title").fill("Summary")
    page.get_by_label("Text", exact=True).fill("Summarise in {{points}} points: {{text}}")
    row = page.get_by_role("group", name="points")
    row.get_by_label("Type").select_option("number")
    row.get_by_label("Largest").fill("9")
    row.get_by_label("Default").fill("5")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/prompts/*/")
    assert page.get_by_label("points").get_attribute("max") == "9"
    first = page.url

    page.get_by_role("link", name="Edit").click()
    text = page.get_by_label("Text", exact=True)
    text.fill("Summarise in {{points}} short points: {{text}}\nName open questions last.")
    page.get_by_label("What changed").fill("Open questions")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url(first)

    page.get_by_role("link", name="Versions 2").click()
    page.locator("#main").get_by_role("link", name="Compare", exact=True).click()
    assert page.locator(".diff-added").count() == 2
    assert page.locator(".diff-added mark").first.inner_text().strip() == "short"
    page.get_by_label("Label", exact=True).fill("production")
    page.get_by_label("Version", exact=True).select_option("1")
    page.get_by_role("button", name="Put it there").click()
    page.get_by_text("“production” is version 1 now.").wait_for()

    page.get_by_role("row", name="v1").get_by_role("button", name="Restore").click()
    page.get_by_role("dialog").get_by_role("button", name="Restore").click()
    page.get_by_text("Version 3 says what version 1 said.").wait_for()
    prompt = Prompt.objects.get()
    assert (prompt.number, prompt.text) == (3, "Summarise in {{points}} points: {{text}}")
    assert prompt.labels.get().version.number == 1
    page.goto(first)
    assert page.get_by_text("Readers get version 1").is_visible()


def test_a_star_stays(alice: User, sign_in: SignIn) -> None:
    prompt = _prompt(alice)
    page = sign_in(alice)
    page.goto("/prompts/")
    star = page.get_by_role("button", name="Favourite: Translate")
    star.click()
    page.locator("button.star[aria-pressed=true]").wait_for()
    page.goto("/prompts/?scope=favourites")
    assert page.get_by_role("link", name="Translate").is_visible()
    assert prompt.favourite_rows.get().user == alice


def test_a_slash_in_the_chat_box_offers_prompts(alice: User, sign_in: SignIn) -> None:
    create_provider(actor=alice, preset="echo")
    _prompt(alice)
    _prompt(alice, title="Greeting", text="Say hello.")
    page = sign_in(alice)
    page.goto("/chat/")
    text, options = (
        page.locator("[data-composer-text]"),
        page.locator("[data-prompt-picker] [role=option]"),
    )
    text.press_sequentially("Please /")
    options.first.wait_for()
    assert options.count() == 2
    text.press_sequentially("trans")
    page.wait_for_function(
        "() => document.querySelectorAll('[data-prompt-picker] [role=option]').length === 1"
    )
    text.press("Enter")
    dialog = page.get_by_role("dialog", name="Fill in the prompt")
    dialog.get_by_label("language").fill("French")
    dialog.get_by_role("button", name="Insert").click()
    dialog.locator("[aria-invalid=true]").wait_for()
    assert dialog.get_by_label("language").input_value() == "French"
    dialog.get_by_label("text").fill("good morning")
    dialog.get_by_role("button", name="Insert").click()
    dialog.wait_for(state="hidden")
    assert text.input_value() == "Please Into French: good morning"
    assert page.url.endswith("/chat/")
    assert Prompt.objects.get(title="Translate").uses == 1

    text.fill("")
    text.press_sequentially("/")
    options.first.wait_for()
    assert options.first.get_attribute("aria-selected") == "true"
    text.press("ArrowDown")
    assert options.nth(1).get_attribute("aria-selected") == "true"
    text.press("Escape")
    page.locator("[data-prompt-picker]").wait_for(state="hidden")
    assert text.input_value() == "/"
    text.fill("")
    page.locator("[data-prompt-open]").click()
    page.get_by_role("option", name="Greeting").click()
    page.wait_for_function(
        "() => document.querySelector('[data-composer-text]').value === 'Say hello.'"
    )
    text.press("Enter")
    page.wait_for_url("**/chat/*-*/")
    page.get_by_text("Say hello.").first.wait_for()
