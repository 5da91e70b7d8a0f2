"""Files of a question in Chromium: picked, dropped, pasted, shown afterwards."""

import base64
import re
from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from chat.models import Attachment, Message
from chat.tests.test_attachments import picture
from chat.tests.test_browser import ask, start, wait_until_done
from providers.models import ProviderModel

SignIn = Callable[[User], Any]
pytestmark = pytest.mark.browser

# What a person does with the mouse or the keyboard, which Playwright cannot.
HAND_OVER = """([how, files]) => {
  const data = new DataTransfer();
  for (const [name, type, content] of files) {
    const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
    data.items.add(new File([bytes], name, { type }));
  }
  const options = { bubbles: true, cancelable: true };
  const event = how === "paste"
    ? new ClipboardEvent("paste", { ...options, clipboardData: data })
    : new DragEvent(how, { ...options, dataTransfer: data });
  document.querySelector(".turns-scroll").dispatchEvent(event);
}"""


def file(name: str, content: bytes, type: str = "") -> list[str]:
    return [name, type, base64.b64encode(content).decode()]


def chips(page: Any) -> Any:
    return page.locator("[data-chips] [data-chip]")


def sent_chips(page: Any) -> Any:
    return page.locator("[data-chips] [data-chip]:has(input)")


def test_files_are_picked_dropped_and_pasted(
    echo: ProviderModel, alice: User, sign_in: SignIn
) -> None:
    ProviderModel.objects.update(types=["chat", "vision"])
    page = sign_in(alice)
    page.goto("/chat/")
    page.locator("[data-files]").set_input_files(
        {"name": "plan.md", "mimeType": "text/markdown", "buffer": b"# Plan"}
    )
    page.evaluate(HAND_OVER, ["dragenter", [file("red.png", picture(), "image/png")]])
    page.locator(".conversation.is-over").wait_for()
    page.evaluate(HAND_OVER, ["drop", [file("red.png", picture(), "image/png")]])
    page.evaluate(HAND_OVER, ["paste", [file("image.png", picture(), "image/png")]])
    sent_chips(page).nth(2).wait_for()
    assert page.locator(".conversation.is-over").count() == 0
    assert not page.locator("[data-no-vision]").is_visible()
    page.evaluate(HAND_OVER, ["drop", [file("tool.exe", b"MZ\x00\x01")]])
    problem = page.locator(".chip-problem")
    problem.wait_for()
    assert "neither an image" in problem.inner_text()
    problem.get_by_role("button", name="Remove").click()
    page.get_by_role("button", name="Remove image.png").click()
    assert chips(page).count() == 2
    start_url = page.url
    ask(page, "Look at these")
    page.wait_for_url(re.compile(r"/chat/[0-9a-f-]{36}/"))
    assert page.url != start_url
    wait_until_done(page)
    question = page.locator(".message-user")
    shown = question.locator("img").evaluate(
        "image => image.decode().then(() => image.naturalWidth)"
    )
    assert shown == 40 and "plan.md" in question.inner_text()
    stored = Message.objects.get(role="user").attachments.values_list("name", flat=True)
    assert sorted(stored) == ["plan.md", "red.png"]


def test_a_second_question_with_a_file_through_the_socket(
    echo: ProviderModel, alice: User, sign_in: SignIn
) -> None:
    ProviderModel.objects.update(types=["chat", "vision"])
    page = sign_in(alice)
    start(page, "Hello")
    wait_until_done(page)
    page.evaluate(HAND_OVER, ["drop", [file("red.png", picture(), "image/png")]])
    sent_chips(page).wait_for()
    page.get_by_label("Message", exact=True).focus()
    page.keyboard.press("Enter")
    wait_until_done(page, 2)
    assert chips(page).count() == 0
    assert page.locator(".message-user").last.locator("img").get_attribute("alt") == "red.png"


def test_a_model_without_vision_is_said_before_sending(
    echo: ProviderModel, alice: User, sign_in: SignIn
) -> None:
    page = sign_in(alice)
    start(page, "Hello")
    wait_until_done(page)
    page.evaluate(HAND_OVER, ["drop", [file("red.png", picture(), "image/png")]])
    page.locator("[data-no-vision]").wait_for()
    ask(page, "What is it?")
    page.locator("#composer-problems", has_text="does not read images").wait_for()
    assert page.get_by_label("Message", exact=True).input_value() == "What is it?"
    assert sent_chips(page).count() == 1 and Attachment.objects.get().message is None
    page.get_by_role("button", name="Remove red.png").click()
    assert not page.locator("[data-no-vision]").is_visible()


def test_what_is_too_large_is_not_even_sent(
    echo: ProviderModel, alice: User, sign_in: SignIn
) -> None:
    page = sign_in(alice)
    page.goto("/chat/")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.locator("[data-files]").set_input_files(
        {"name": "big.txt", "mimeType": "text/plain", "buffer": b"x" * (1024**2 + 1)}
    )
    page.locator(".chip-problem", has_text="text files up to 1 MB").wait_for()
    assert not any("/attachments/" in url for url in asked)
