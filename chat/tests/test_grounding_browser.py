"""Answers from knowledge bases as a person uses them, in Chromium."""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from accounts.models import User
from chat.generation import generator
from chat.models import ChatSession
from chat.services import create_session
from chat.tests.test_browser import answer, ask, wait_until_done
from knowledge.models import Base
from knowledge.tests.rows import base_of, document_of
from providers.models import ProviderModel
from providers.types import ChatRequest, Event, Finish, Target, TextDelta

SignIn = Callable[[User], Any]
pytestmark = pytest.mark.browser

LEAVE = "Employees have 25 days of paid leave a year."
SAYS = "Employees have 25 days of paid leave a year [1]. The canteen serves soup on every Friday."


async def _says(target: Target, request: ChatRequest) -> AsyncIterator[Event]:
    for piece in re.findall(r"\s*\S+", SAYS):
        yield TextDelta(piece)
    yield Finish("stop")


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch, nobody_writes_titles: None) -> Iterator[None]:
    monkeypatch.setattr(generator, "_stream", _says)
    yield
    assert generator.wait(10)


@pytest.fixture
def base(alice: User, live_url: str) -> Base:
    base = base_of(alice, "Staff handbook")
    document_of(base, [LEAVE, "Bicycles are parked behind the warehouse."], name="leave.txt")
    base_of(alice, "Travel")
    return base


def test_from_the_base_to_the_passage(
    echo: ProviderModel, alice: User, base: Base, scripted: None, sign_in: SignIn
) -> None:
    page = sign_in(alice)
    page.goto("/chat/")
    box = page.get_by_label("Message", exact=True)
    box.press_sequentially("@staff")
    offered = page.locator("[data-base-picker] [role=option]")
    page.wait_for_function(
        "() => document.querySelectorAll('[data-base-picker] [role=option]').length === 1"
    )
    assert "Staff handbook" in offered.inner_text()
    page.keyboard.press("Enter")
    page.locator("[data-base-chip]").get_by_text("Staff handbook").wait_for()
    assert box.input_value() == ""
    ask(page, "How many days of paid leave are there?")
    page.wait_for_url(re.compile(r"/chat/[0-9a-f-]{36}/"))
    wait_until_done(page)
    sources = answer(page).get_by_role("region", name="Sources")
    assert "leave.txt" in sources.inner_text()
    assert "1 sentence was not found in the sources." in sources.inner_text()
    assert answer(page).locator(".unsupported").inner_text().startswith("The canteen")
    link = answer(page).get_by_role("link", name="Source 1: leave.txt")
    with page.expect_popup() as opened:
        link.click()
    passage = opened.value.locator("mark")
    passage.wait_for()
    assert passage.inner_text() == LEAVE


def test_choosing_in_the_drawer_and_removing_a_chip(
    echo: ProviderModel, alice: User, base: Base, sign_in: SignIn
) -> None:
    chat = create_session(owner=alice, model=echo)
    page = sign_in(alice)
    page.goto(f"/chat/{chat.pk}/")
    page.get_by_role("button", name="Settings").click()
    with page.expect_response("**/knowledge/"):
        page.get_by_label("Staff handbook").check()
    assert ChatSession.objects.get(pk=chat.pk).searched_bases == [base.pk]
    with page.expect_response("**/knowledge/"):
        page.get_by_role("button", name="Remove Staff handbook").click()
    assert ChatSession.objects.get(pk=chat.pk).searched_bases == []
    assert not page.get_by_label("Staff handbook").is_checked()


def test_the_page_of_a_base_starts_a_chat_with_it(
    echo: ProviderModel, alice: User, base: Base, sign_in: SignIn
) -> None:
    page = sign_in(alice)
    page.goto(f"/knowledge/{base.pk}/")
    page.get_by_role("link", name="Ask in a chat").click()
    page.locator("[data-base-chip]").get_by_text("Staff handbook").wait_for()
    assert not ChatSession.objects.exists()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_wrong_with_sources(
    echo: ProviderModel, alice: User, base: Base, scripted: None, sign_in: SignIn, theme: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    User.objects.filter(pk=alice.pk).update(theme=theme)
    chat = create_session(owner=alice, model=echo, knowledge_bases=[base])
    page = sign_in(alice)
    page.goto(f"/chat/{chat.pk}/")
    ask(page, "How many days of paid leave are there?")
    wait_until_done(page)
    page.get_by_role("button", name="Settings").click()
    found = Axe().run(page).response["violations"]
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []
