"""Evaluations and deployments with something to show, in the browser."""

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone

from accounts.models import User
from training import registry
from training.models import Deployment, ParityCheck, Status
from training.tests.rows import add_log, make_job, make_node, make_version
from training.tests.test_deployments import HEALTH, checked, rows, running
from training.tests.test_evaluations import ALIKE, BETTER, WORSE, finished, found, side

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LONG = (side("我是一个助手，" * 80, 3.0, 0.2), side("averyveryverylongword" * 30, 1.0, 0.9))


def problems(page: Any) -> list[str]:
    violations = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [f"{v['id']}: {node['html'][:160]}" for v in violations for node in v["nodes"]]


def is_too_wide(page: Any) -> bool:
    script = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    return bool(page.evaluate(script))


def test_full_pages_are_good_to_everybody(alice: User, sign_in: Callable[[User], Any]) -> None:
    version = make_version(make_job(alice, Status.SUCCESS))
    evaluation = finished(version, found(LONG, WORSE, ALIKE, BETTER, general=(4.1, 5.3)))
    now = timezone.now().isoformat()
    health = HEALTH | {"last_request_at": now}
    deployment = running(version, make_node(is_gpu=True), sleep_minutes=5, health=health)
    registry.publish(deployment)
    ParityCheck.objects.all().delete()
    checked(deployment, rows("same", "tokens"))
    add_log(deployment, ["a line of the log"] * 100)  # type: ignore[arg-type]
    page = sign_in(alice)
    for path in (f"/models/evaluations/{evaluation.pk}/", f"/models/deployments/{deployment.pk}/"):
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            page.set_viewport_size({"width": 1440, "height": 900})
            page.goto(path)
            assert problems(page) == [], (path, theme)
            page.set_viewport_size({"width": 390, "height": 800})
            assert not is_too_wide(page), path


def test_the_form_shows_what_counts(alice: User, sign_in: Callable[[User], Any]) -> None:
    version = make_version(make_job(alice, Status.SUCCESS))
    page = sign_in(alice)

    def shown() -> list[str]:
        names = ("Dataset", "Questions", "Rubric")
        return [name for name in names if page.get_by_label(name).is_visible()]

    page.goto(f"/models/{version.pk}/evaluate/")
    page.get_by_label("Questions").wait_for(state="hidden")
    assert shown() == ["Dataset"]
    page.get_by_label("Examples from").select_option("probes")
    assert shown() == ["Questions"]
    page.get_by_role("button", name="Start the evaluation").click()
    page.locator(".field .errors").wait_for()
    assert shown() == ["Questions"]
    page.get_by_label("Examples from").select_option("dataset")
    assert shown() == ["Dataset", "Questions"]  # what was refused is not hidden


def test_the_log_grows_while_one_reads_it(alice: User, sign_in: Callable[[User], Any]) -> None:
    deployment = running(make_version(make_job(alice, Status.SUCCESS)))
    add_log(deployment, ["loading the model"])  # type: ignore[arg-type]
    page = sign_in(alice)
    page.goto(f"/models/deployments/{deployment.pk}/")
    add_log(deployment, ["the model answers"], first=1)  # type: ignore[arg-type]
    page.get_by_text("the model answers").wait_for()
    Deployment.objects.update(status=Status.STOPPED)
    page.get_by_text("Not deployed").first.wait_for()
    log = page.get_by_role("log").inner_text().split("\n")
    assert [line for line in log if line] == ["loading the model", "the model answers"]
