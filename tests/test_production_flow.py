"""From a finished training to a chat in three clicks, and the label `production` moved and moved
back while a chat goes on, in Chromium, with two real versions served."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from accounts.models import User
from chat.models import ChatSettings, TitleWriter
from tests.test_main_flow import WITHIN_MS, worker
from training import services
from training.models import BaseModel, Deployment, Status, TrainingJob
from training.tests.conftest import PAIRS, tiny_model, training_python, wait_for
from training.tests.test_datasets import store

__all__ = ["tiny_model", "training_python", "worker"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.training,
    pytest.mark.filterwarnings("ignore::celery.exceptions.AlwaysEagerIgnored"),
]
PARAMETERS = {"num_train_epochs": 1.0, "learning_rate": 0.001}


class Hand:
    """Clicks on a page, and counts them."""

    def __init__(self, page: Any) -> None:
        self.page, self.clicks = page, 0

    def click(self, role: str, name: str) -> None:
        self.page.get_by_role(role, name=name, exact=True).first.click(timeout=WITHIN_MS)
        self.clicks += 1


def trained(*names: str, **fields: Any) -> list[TrainingJob]:
    jobs = [services.create_job(name=name, parameters=PARAMETERS, **fields) for name in names]
    wanted = {"pk__in": [job.pk for job in jobs], "status": Status.SUCCESS}
    wait_for(lambda: TrainingJob.objects.filter(version__isnull=False, **wanted).count() == 2)
    return list(TrainingJob.objects.filter(**wanted).order_by("created_at"))


def ask(page: Any, hand: Hand, question: str) -> None:
    """The answer is whole when this returns."""
    answers = page.locator(".message-assistant[data-status=done]")
    before = answers.count()
    page.fill("textarea[name=content]:visible", question)
    hand.click("button", "Send")
    answers.nth(before).wait_for(state="attached", timeout=WITHIN_MS)


def answerers(page: Any) -> list[str]:
    """The versions that the answers of the chat say they are by."""
    links = page.locator(".figures").get_by_title("Where this answer comes from")
    return [str(text).strip() for text in links.all_inner_texts()]


def served(job: TrainingJob) -> int:
    """How many requests the server of its version has answered, by its own word."""
    row = Deployment.objects.get(version__job=job)
    return int(row.health.get("served", 0))


def processes() -> list[tuple[Any, ...]]:
    return list(
        Deployment.objects.order_by("pk").values_list("pk", "attempt", "port", "started_at")
    )


@pytest.mark.usefixtures("worker")
def test_three_clicks_to_a_chat_and_a_label_that_moves_there_and_back(
    sign_in: Callable[[User], Any], alice: User, tiny_model: Path
) -> None:
    # A model that has learnt two sums writes titles of any kind.
    ChatSettings.objects.create(title_writer=TitleWriter.NOBODY)
    rows = [{"instruction": question, "output": answer} for question, answer in PAIRS]
    dataset = store(alice, rows, name="sums")
    base = BaseModel.objects.create(owner=alice, name="tiny", path=str(tiny_model), template="qwen")
    first, second = trained("adder", "adder-2", owner=alice, base_model=base, dataset=dataset)
    page = sign_in(alice)

    page.goto(f"/training/{first.pk}/")
    hand = Hand(page)
    hand.click("button", "Deploy")
    hand.click("link", "Chat with it")
    ask(page, hand, "What is 1 plus 2?")
    assert hand.clicks == 3

    page.goto(f"/training/{second.pk}/")
    hand.click("button", "Deploy")
    page.get_by_role("link", name="Chat with it").wait_for(timeout=WITHIN_MS)
    page.goto(f"/models/{first.version.pk}/")
    hand.click("button", "production")
    page.get_by_text("Programs and chats reach it as").wait_for()

    page.goto("/chat/")
    page.select_option("[name=model]", label="adder · production")
    ask(page, hand, "What is 2 plus 2?")
    assert answerers(page) == ["adder v1"]

    # The label moves in another tab; the chat's page is not touched.
    before = processes()
    tab = page.context.new_page()
    tab.goto(f"/models/{second.version.pk}/")
    Hand(tab).click("button", "production")
    tab.get_by_text("Programs and chats reach it as").wait_for()
    answered = served(second)
    ask(page, hand, "What is 2 plus 3?")
    assert answerers(page) == ["adder v1", "adder v2"]
    wait_for(lambda: served(second) > answered)

    Hand(tab).click("button", "Roll back to adder v1")
    tab.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    tab.wait_for_url(f"**/models/{first.version.pk}/")
    answered = served(first)
    ask(page, hand, "What is 2 plus 4?")
    assert answerers(page) == ["adder v1", "adder v2", "adder v1"]
    wait_for(lambda: served(first) > answered)
    assert processes() == before
    page.reload()
    assert answerers(page) == ["adder v1", "adder v2", "adder v1"]

    page.get_by_role("link", name="adder v2").click()
    page.wait_for_url(f"**/models/{second.version.pk}/")
    page.get_by_role("link", name=f"Dataset: {dataset.name}").click()
    page.wait_for_url(f"**/datasets/{dataset.pk}/")
    page.get_by_role("link", name="Its answers").first.click()
    page.get_by_role("link", name="What is 2 plus 2?").click()
    page.locator(".message-assistant").first.wait_for()
