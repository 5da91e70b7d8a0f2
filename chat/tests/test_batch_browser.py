"""A batch comparison from the form to the regressions, in Chromium, with models that echo."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from chat.batches.running import runner
from chat.models import Batch, BatchStatus
from chat.tasks import run_batches
from providers.models import ProviderModel

pytestmark = pytest.mark.browser


def answered(page: Any) -> None:
    """The worker looks, the page follows by itself."""
    run_batches()
    assert runner.wait(30)
    page.locator("h1 .badge-success").wait_for()


def test_from_the_form_to_the_regressions(
    echo: ProviderModel, alice: User, sign_in: Callable[[User], Any]
) -> None:
    ProviderModel.objects.create(
        provider=echo.provider, model_id="second", name="Second", types=["chat"]
    )
    page = sign_in(alice)
    page.goto("/compare/batches/")
    page.get_by_role("link", name="New batch comparison").click()
    page.get_by_label("Values").wait_for(state="hidden")
    page.get_by_label("Name").fill("Support questions")
    page.get_by_label("File").wait_for(state="hidden")
    page.get_by_role("textbox", name="Prompts", exact=True).fill("yes => yes\nno => yes\n/error")
    for name in (echo.name, "Second"):
        page.get_by_label(name, exact=True).check()
    page.get_by_text("Checks what an answer").click()
    page.get_by_label("Must equal the reference").check()
    page.get_by_role("button", name="Go on to the estimate").click()

    page.get_by_role("heading", name="What it will take").wait_for()
    assert "6 calls." in page.locator("main").inner_text()
    page.get_by_role("button", name="Start").click()
    page.locator("h1 .badge-running").wait_for()
    run_batches()
    assert runner.wait(30)  # what the provider was too busy for is asked again, later
    batch = Batch.objects.get()
    for _round in range(4):
        batch.cells.update(due_at=None)
        run_batches()
        assert runner.wait(30)
    page.locator("h1 .badge-success").wait_for()
    page.get_by_text("4 / 6").or_(page.get_by_text("2 / 3").first).first.wait_for()
    assert page.locator(".batch-cell .badge-danger").count() == 4  # two not passed, two failed

    page.get_by_label("Show", exact=True).select_option(label="Without an answer")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url(re.compile("show=failed"))
    assert page.locator(".batch-prompt").all_inner_texts() == ["/error"]
    page.goto(f"/compare/batches/{batch.pk}/?sort=slowest&model=1")
    assert page.locator(".batch-prompt").count() == 3

    page.get_by_role("link", name="no", exact=True).click()
    page.get_by_role("heading", name="Word by word").wait_for()
    assert page.locator(".answer").count() == 2

    page.goto(f"/compare/batches/{batch.pk}/")
    page.get_by_role("link", name="Run again").click()
    page.get_by_label("Second", exact=True).uncheck()
    page.get_by_text("Settings of the answers").click()
    page.get_by_label("System prompt").fill("Be brief.")
    page.get_by_role("button", name="Go on to the estimate").click()
    page.get_by_role("button", name="Start").click()
    again = Batch.objects.get(repeat_of=batch)
    again.prompts.filter(text="/error").delete()
    answered(page)
    page.get_by_role("link", name="Compare with another run").click()
    page.get_by_role("heading", name="What has become worse?").wait_for()
    assert "Alike 2" in page.locator(".tabs").inner_text()
    assert "1 prompt is in one of the runs only" in page.locator("main").inner_text()


def test_pause_and_resume(echo: ProviderModel, alice: User, sign_in: Callable[[User], Any]) -> None:
    from chat.tests.batch_rows import make_batch

    batch = make_batch(alice, [echo], "one\ntwo")
    page = sign_in(alice)
    page.goto(f"/compare/batches/{batch.pk}/")
    page.get_by_role("button", name="Start").click()
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Resume").wait_for()
    run_batches()
    batch.refresh_from_db()
    assert (batch.status, batch.cells.open().count()) == (BatchStatus.PAUSED, 2)
    page.get_by_role("button", name="Resume").click()
    page.locator("h1 .badge-running").wait_for()
    answered(page)
