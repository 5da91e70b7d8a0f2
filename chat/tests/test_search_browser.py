"""Searching as a person does it, in Chromium."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from chat.tests.test_search import chat_with
from chat.tests.test_search_pages import thread

SignIn = Callable[[User], Any]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

IN_VIEW = """(id) => {
    const box = document.getElementById(id).getBoundingClientRect();
    const view = document.querySelector('[data-scroll]').getBoundingClientRect();
    return box.bottom > view.top && box.top < view.bottom;
}"""
MARKED = "() => [...CSS.highlights.get('found')].map((range) => range.toString())"


def test_a_search_leads_to_the_message(alice: User, sign_in: SignIn) -> None:
    texts = [f"第 {number} 条，没有别的。" * 8 for number in range(150)]
    texts[31] = "先说别的。\n\n**向量数据库** 的索引用来查找。\n\n" + "说明。" * 50
    wanted = thread(alice, texts)[31]
    chat_with(alice, "Something else", title="Another chat")
    page = sign_in(alice)
    page.goto("/chat/")
    search = page.get_by_role("searchbox", name="Search chats")
    search.press_sequentially("数据库 索引")
    hit = page.locator(".found-link")
    hit.wait_for()
    assert hit.locator("mark").all_inner_texts() == ["数据库", "索引"]
    assert search.evaluate("field => field === document.activeElement")
    hit.click()
    page.wait_for_url(re.compile(rf"#message-{wanted.pk}$"))
    page.wait_for_function(IN_VIEW, arg=f"message-{wanted.pk}")
    assert page.evaluate(MARKED) == ["数据库", "索引"]
    # The results stay beside the conversation, and say where one is.
    assert page.locator(".found-link[aria-current]").count() == 1
    page.get_by_role("link", name="Newest messages").click()
    page.wait_for_function("() => document.querySelector('[data-chat-id]') !== null")


def test_the_palette_leads_to_the_message(alice: User, sign_in: SignIn) -> None:
    wanted = thread(alice, [f"text {number}. " * 40 for number in range(9)] + ["a rare aardvark"])
    page = sign_in(alice)
    page.goto("/chat/")
    page.keyboard.press("Control+k")
    page.keyboard.type("aardv")
    page.locator(".palette-text").wait_for()
    assert page.locator(".palette-text").inner_text() == "a rare aardvark"
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(rf"#message-{wanted[-1].pk}$"))
    page.wait_for_function(IN_VIEW, arg=f"message-{wanted[-1].pk}")
