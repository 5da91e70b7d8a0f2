"""A comparison as a person makes it, in Chromium, with three echo models."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from chat.models import ChatSession, Comparison, Vote
from chat.tests.test_browser import SignIn
from prompts.services import create_prompt
from providers.models import ProviderModel

pytestmark = pytest.mark.browser


def fill_in(page: Any, models: list[ProviderModel], text: str, *, is_blind: bool = False) -> None:
    page.goto("/compare/")
    page.get_by_label("Question").fill(text)
    for index, model in enumerate(models):
        if index > 1:
            page.get_by_role("button", name="Add a model").click()
        page.locator(f"#id_{'abcdef'[index]}-model").select_option(str(model.pk))
    if is_blind:
        page.get_by_label("Blind").check()
    page.get_by_role("button", name="Compare", exact=True).click()
    page.wait_for_url(re.compile(r"/compare/[0-9a-f-]{36}/"))


def column(page: Any, number: int) -> Any:
    return page.locator(f'[data-column="{number}"]')


def wait_until_done(page: Any, answers: int) -> None:
    page.wait_for_function(
        """(n) => document.querySelectorAll('.message-assistant .message-foot').length >= n
            && !document.querySelector('[data-answering]')""",
        arg=answers,
    )


def sentences(page: Any, number: int) -> list[str]:
    text = column(page, number).locator(".answer").last.inner_text()
    return re.findall(r"Sentence (\d+) of", text)


def test_three_models_side_by_side(
    echoes: list[ProviderModel], alice: User, sign_in: SignIn
) -> None:
    page = sign_in(alice)
    fill_in(page, echoes, "/long 90", is_blind=True)
    # All at once: each column has begun while none has ended.
    for number in (1, 2, 3):
        column(page, number).get_by_text("Sentence 2 of 90.").wait_for()
    assert page.locator("[data-answering]").count() == 1
    page.reload()
    for number in (1, 2, 3):
        assert "Sentence 2 of 90." in column(page, number).locator(".answer").inner_text()
    wait_until_done(page, 3)
    for number in (1, 2, 3):
        assert sentences(page, number) == [str(n) for n in range(1, 91)]
    shown = page.content()
    assert not any(model.name in shown for model in echoes), "a blind page names a model"
    assert "Model A" in page.locator("#compare-table").inner_text()

    page.get_by_label("Note on the vote").fill("Clearer")
    page.locator(".verdict").get_by_role("button", name="Model B").click()
    page.locator("[data-voted]").wait_for()
    names = {column(page, number).locator("h2").first.inner_text() for number in (1, 2, 3)}
    assert names == {model.name for model in echoes}
    table = page.locator("#compare-table").inner_text()
    assert all(model.name in table for model in echoes) and re.search(r"\d\.\d\d s", table)
    vote = Vote.objects.get()
    assert (vote.best and vote.best.number, vote.note, vote.is_blind) == (2, "Clearer", True)

    page.goto("/compare/leaderboard/")
    assert page.get_by_text("9 votes too few").count() == 3
    page.goto("/compare/")
    assert "B is better" in page.locator("table").inner_text()


def test_a_slash_offers_prompts(echoes: list[ProviderModel], alice: User, sign_in: SignIn) -> None:
    create_prompt(actor=alice, title="Greeting", text="Say hello.")
    page = sign_in(alice)
    page.goto("/compare/")
    question, option = page.get_by_label("Question"), page.get_by_role("option", name="Greeting")
    question.press_sequentially("Please /gre")
    option.wait_for()
    box, shown = question.bounding_box(), option.bounding_box()
    assert shown["y"] > box["y"] + box["height"], "it hides what is being typed"
    question.press("Enter")
    filled = "(box) => box.value.endsWith('Say hello.')"
    page.wait_for_function(filled, arg=question.element_handle())
    assert question.input_value() == "Please Say hello."
    for letter, model in zip("ab", echoes, strict=False):
        page.locator(f"#id_{letter}-model").select_option(str(model.pk))
    page.get_by_role("button", name="Compare", exact=True).click()
    wait_until_done(page, 2)

    page.get_by_role("button", name="Prompts").click()
    option.wait_for()
    assert option.bounding_box()["y"] < page.locator("#composer").bounding_box()["y"]
    option.click()
    text = page.locator("[data-composer-text]")
    page.wait_for_function(filled, arg=text.element_handle())
    text.press("Enter")
    wait_until_done(page, 4)


def test_asking_on_and_one_anew(echoes: list[ProviderModel], alice: User, sign_in: SignIn) -> None:
    page = sign_in(alice)
    fill_in(page, echoes[:2], "first")
    wait_until_done(page, 2)
    box = page.get_by_label("Message", exact=True)
    box.fill("second")
    page.keyboard.press("Enter")
    wait_until_done(page, 4)
    assert box.input_value() == ""
    # Only what was said last can be answered anew.
    anew = column(page, 2).get_by_role("button", name="Answer anew")
    assert anew.count() == 1
    before = column(page, 2).locator(".message-assistant").last.get_attribute("id")
    anew.click()
    # Another answer, and it is complete.
    page.wait_for_function(
        """before => document.querySelectorAll('[data-column="2"] .answer').length === 2
            && !document.getElementById(before) && !document.querySelector('[data-answering]')""",
        arg=before,
    )
    column(page, 2).get_by_role("button", name=re.compile("Continue with Osprey")).click()
    page.wait_for_url(re.compile(r"/chat/[0-9a-f-]{36}/"), wait_until="commit")
    page.locator(".answer").nth(1).wait_for()
    assert page.locator(".answer").count() == 2
    assert ChatSession.objects.for_user(alice).count() == 1


def test_stopping_all_with_a_key(echoes: list[ProviderModel], alice: User, sign_in: SignIn) -> None:
    page = sign_in(alice)
    fill_in(page, echoes, "/long 900")
    column(page, 3).get_by_text("Sentence 3 of 900.").wait_for()
    page.keyboard.press("Escape")
    page.wait_for_function("() => document.querySelectorAll('.interruption').length === 3")
    assert page.locator("#compare-table").get_by_text("Stopped").count() == 3


def test_columns_scroll_together(echoes: list[ProviderModel], alice: User, sign_in: SignIn) -> None:
    page = sign_in(alice)
    fill_in(page, echoes, "/long 120")
    wait_until_done(page, 3)
    page.reload()
    scroller = column(page, 1).locator("[data-column-scroll]")
    scroller.hover()
    page.mouse.wheel(0, 700)
    page.wait_for_function(
        """() => [...document.querySelectorAll('[data-column-scroll]')]
            .every((each) => each.scrollTop > 300)"""
    )
    page.get_by_label("Scroll together").uncheck()
    before = column(page, 2).locator("[data-column-scroll]").evaluate("(each) => each.scrollTop")
    scroller.hover()
    page.mouse.wheel(0, 700)
    page.wait_for_function(
        """(top) => document.querySelector('[data-column="1"] [data-column-scroll]').scrollTop
            > top + 200""",
        arg=before,
    )
    after = column(page, 2).locator("[data-column-scroll]").evaluate("(each) => each.scrollTop")
    assert after == before
    page.reload()
    assert not page.get_by_label("Scroll together").is_checked()


def test_cards_on_a_phone(
    echoes: list[ProviderModel], alice: User, sign_in: Callable[[User], Any]
) -> None:
    page = sign_in(alice)
    page.set_viewport_size({"width": 390, "height": 844})
    echoes[0].name = "Qwen2.5-72B-Instruct, trained for the warranty desk"
    echoes[0].save()
    fill_in(page, echoes, "short")
    wait_until_done(page, 3)
    name = column(page, 1).locator(".column-head h2")
    assert name.evaluate("(node) => node.scrollWidth <= node.clientWidth")
    assert name.bounding_box()["width"] > 200
    widths = [column(page, number).bounding_box()["width"] for number in (1, 2, 3)]
    assert all(300 < width < 390 for width in widths)
    assert page.evaluate("() => document.documentElement.scrollWidth") == 390
    assert Comparison.objects.get().columns.count() == 3
