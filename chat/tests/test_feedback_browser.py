"""From a thumb to a dataset, in Chromium."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from accounts.models import User
from chat.models import Feedback
from chat.tests.test_browser import answer, start, wait_until_done
from providers.models import ProviderModel
from training.models import Dataset

pytestmark = pytest.mark.browser


def test_from_a_thumb_to_a_dataset(
    echo: ProviderModel, admin_user: User, sign_in: Callable[[User], Any]
) -> None:
    page = sign_in(admin_user)
    start(page, "Who are you? Write to zoe@example.org")
    wait_until_done(page)
    said = answer(page)
    said.get_by_role("button", name="Bad answer").click()
    expect(said.get_by_role("button", name="Bad answer")).to_have_attribute("aria-pressed", "true")
    said.get_by_role("button", name="Yes, I agree").click()
    expect(said).to_contain_text("Reviewers may use the answers that you rate.")
    said.get_by_label("What it should have said").fill("I am Maple. Ask zoe@example.org.")
    said.get_by_label("Reason").select_option("wrong")
    said.get_by_role("button", name="Save feedback").click()
    expect(said).to_contain_text("Your feedback is saved.")
    expect(said).to_contain_text("Corrected")

    page.goto("/feedback/inbox/")
    page.get_by_role("link", name="Who are you?").click()
    page.get_by_text("Make it anonymous").click()
    page.get_by_role("button", name="Replace in the texts").click()
    expect(page.get_by_label("Better answer")).to_have_value("I am Maple. Ask [EMAIL].")
    page.get_by_label("Tags").fill("names")
    page.get_by_role("button", name="Accept").click()
    expect(page.get_by_text("The example is accepted.")).to_be_visible()

    page.get_by_role("link", name="Collect into a dataset").click()
    page.get_by_label("Name of the dataset").fill("maple-answers")
    page.get_by_label("DPO").check()
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("answer fits.")).to_be_visible()
    page.get_by_role("button", name="Collect", exact=True).click()
    page.wait_for_url(re.compile(r"/feedback/collections/\d+/"))
    page.get_by_role("link", name="Open the dataset").click()
    page.wait_for_url(re.compile(r"/datasets/\d+/"))
    expect(page.get_by_text("I am Maple. Ask [EMAIL].")).to_be_visible()
    expect(page.get_by_text("1 record comes from rated answers")).to_be_visible()
    page.get_by_role("link", name="Each with its source").click()
    page.get_by_role("link", name="The chat").click()
    page.wait_for_url(re.compile(r"/chat/[0-9a-f-]{36}/#message-"))
    dataset, given = Dataset.objects.get(), Feedback.objects.get()
    assert (dataset.records, dataset.rejected, dataset.format) == (1, 0, "preference")
    assert (given.reason, given.tags) == ("wrong", ["names"])


def test_a_correction_without_a_thumb(
    echo: ProviderModel, alice: User, sign_in: Callable[[User], Any]
) -> None:
    page = sign_in(alice)
    start(page, "Hello")
    wait_until_done(page)
    said = answer(page)
    said.get_by_role("link", name="Correct this answer").click()
    field = said.get_by_label("What it should have said")
    expect(field).to_have_value(re.compile("Hello"))
    field.fill("Good day")
    said.get_by_role("button", name="Save feedback").click()
    expect(said).to_contain_text("May models learn from the answers you rate?")
    said.get_by_role("button", name="No, keep them to me").click()
    expect(said).to_contain_text("Your answers are not used for training.")
    page.reload()
    expect(answer(page)).to_contain_text("Corrected")
