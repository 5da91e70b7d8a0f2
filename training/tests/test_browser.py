import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from accounts.models import User
from training.models import HardwareSample, Note, Status, TrainingJob
from training.tests.rows import (
    add_hardware,
    add_log,
    add_metrics,
    add_story,
    make_base_model,
    make_dataset,
    make_job,
    make_node,
    make_version,
)

pytestmark = pytest.mark.browser
SignIn = Callable[[User], Any]


@pytest.fixture
def job(alice: User, live_url: str) -> TrainingJob:
    made = make_job(alice, Status.RUNNING)
    add_metrics(made, 20)
    add_hardware(made, 5)
    add_story(made, ("preparing", 0, 1, 4), ("running", 0, 1, 3))
    add_log(made, ["hello <img src=x onerror=alert(1)>", "second"])
    return made


def test_the_job_page_follows_the_run(alice: User, job: TrainingJob, sign_in: SignIn) -> None:
    page = sign_in(alice)
    page.goto(f"/training/{job.pk}/")
    log = page.get_by_role("log")
    expect(log).to_contain_text("hello <img src=x onerror=alert(1)>")
    assert page.locator("[data-log] img").count() == 0
    loss = page.get_by_role("img", name=re.compile("^Loss:.*eval_loss"))
    expect(loss.locator("path")).to_have_count(2)
    expect(page.get_by_text("step 24 of 60")).to_be_visible()

    page.evaluate("window.stayed = true")
    add_log(job, ["third"], 2)
    add_metrics(job, 25, first=25)
    TrainingJob.objects.filter(pk=job.pk).update(step=48)
    expect(log).to_contain_text("third")
    expect(page.get_by_text("step 48 of 60")).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("^Gradient norm: grad_norm"))).to_be_visible()

    TrainingJob.objects.filter(pk=job.pk).update(status=Status.FAILED, reason="disk_full")
    expect(page.get_by_text("The disk is full")).to_be_visible()
    expect(page.get_by_role("button", name="Pause")).to_be_hidden()
    assert page.evaluate("window.stayed") is True


def test_pause_and_stop_without_a_reload(alice: User, job: TrainingJob, sign_in: SignIn) -> None:
    page = sign_in(alice)
    page.goto(f"/training/{job.pk}/")
    expect(page.get_by_role("log")).to_contain_text("second")
    page.evaluate("window.stayed = true")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Saving at the end of the step")).to_be_visible()
    expect(page.get_by_role("button", name="Pause")).to_be_hidden()
    page.get_by_role("button", name="Stop").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("cannot be resumed")
    dialog.get_by_role("button", name="Cancel").click()
    job.refresh_from_db()
    assert job.state == "pausing"
    page.get_by_role("button", name="Stop").click()
    dialog.get_by_role("button", name="Stop").click()
    expect(page.locator("[data-part=head] .badge")).to_have_text("Stopping")
    assert page.evaluate("window.stayed") is True


def test_curves_are_a_table_too(alice: User, job: TrainingJob, sign_in: SignIn) -> None:
    page = sign_in(alice)
    page.goto(f"/training/{job.pk}/")
    card = page.locator("figure", has_text="Loss").first
    summary = card.get_by_text("Show as table")
    summary.focus()
    page.keyboard.press("Enter")
    expect(card.get_by_role("columnheader")).to_have_text(["Step", "loss", "eval_loss"])
    expect(card.get_by_role("row")).to_have_count(5)


def test_hardware_goes_on_where_it_was_when_a_run_is_resumed(
    alice: User, job: TrainingJob, sign_in: SignIn
) -> None:
    *samples, newest = HardwareSample.objects.filter(workload=job).order_by("pk")
    for step, sample in enumerate(samples, start=1):
        HardwareSample.objects.filter(pk=sample.pk).update(step=step)
    assert newest.step is None
    page = sign_in(alice)
    page.goto(f"/training/{job.pk}/")
    line = page.locator("[data-curve=hardware] path").first
    expect(line).to_have_count(1)
    across = [float(x) for x in re.findall(r"[ML]\s*([\d.]+)", line.get_attribute("d") or "")]
    assert len(across) > 1 and across == sorted(across)


def test_hovering_one_curve_points_into_all(alice: User, job: TrainingJob, sign_in: SignIn) -> None:
    page = sign_in(alice)
    page.goto(f"/training/{job.pk}/")
    charts = page.locator("[data-curve=metrics]")
    expect(charts.first.locator("path")).to_have_count(2)
    charts.first.locator("svg").hover(position={"x": 60, "y": 80})
    for index in (0, 1, 2):
        expect(charts.nth(index).locator(".cursor")).to_have_attribute("visibility", "visible")
        expect(charts.nth(index).locator(".chart-legend")).to_contain_text("· 5")
    assert page.locator("[data-curve=hardware] .cursor[visibility=visible]").count() == 0


def new_training(alice: User, sign_in: SignIn, *, gib: int) -> Any:
    """Its page, with a dataset chosen."""
    make_base_model()
    make_dataset(alice)
    make_node(gib=gib)
    page = sign_in(alice)
    page.goto("/training/new/")
    page.get_by_label("Dataset", exact=True).select_option("identity")
    return page


def test_a_new_training(alice: User, live_url: str, sign_in: SignIn) -> None:
    make_base_model()
    make_dataset(alice, name="pairs", format="preference")
    make_node(gib=64)
    page = sign_in(alice)
    page.goto("/training/new/")
    expect(page.get_by_text("Choose a base model and a dataset; memory")).to_be_visible()
    page.get_by_label("Dataset", exact=True).select_option("pairs")
    expect(page.get_by_label("Name", exact=True)).to_have_value("pairs")
    expect(page.get_by_role("radio", name=re.compile("^Direct preference"))).to_be_checked()
    expect(page.get_by_label("Beta")).to_be_visible()
    expect(page.get_by_text("Fits", exact=True)).to_be_visible()

    page.get_by_role("radio", name=re.compile("^Supervised")).check()
    expect(page.get_by_text("This stage needs another kind of dataset").first).to_be_visible()
    expect(page.get_by_label("Beta")).to_be_hidden()
    page.get_by_role("radio", name=re.compile("^Direct preference")).check()

    page.get_by_role("button", name="Quality").click()
    expect(page.get_by_label("LoRA rank")).to_have_value("64")
    expect(page.locator("#preview")).to_contain_text("lora_rank: 64")

    page.get_by_label("Batch size").first.fill("0")
    expect(page.locator("#preview")).to_contain_text("Batch size: Must be at least 1")
    expect(page.locator("[data-said=per_device_train_batch_size]")).to_have_text(
        "Must be at least 1."
    )
    page.get_by_role("button", name="Start training").click()
    expect(page).to_have_url(re.compile("/training/new/$"))
    expect(page.get_by_text("Must be at least 1.").first).to_be_visible()
    expect(page.get_by_label("LoRA rank")).to_have_value("64")
    page.get_by_label("Batch size").first.fill("2")
    page.get_by_role("button", name="Start training").click()
    expect(page).to_have_url(re.compile("/training/[0-9a-f-]{36}/$"))
    expect(page.get_by_text("First in the queue")).to_be_visible()
    made = TrainingJob.objects.get()
    assert made.parameters["lora_rank"] == 64
    assert made.stage == "dpo"


def test_what_only_the_server_says_stays_until_it_is_mended(
    alice: User, live_url: str, sign_in: SignIn
) -> None:
    page = new_training(alice, sign_in, gib=64)
    name = page.get_by_label("Name", exact=True)
    name.fill("../../etc/passwd")
    page.get_by_label("LoRA rank").fill("4")
    page.get_by_role("button", name="Start training").click()
    refused = page.get_by_text("The name cannot contain slashes")
    expect(page.get_by_text("Fits", exact=True)).to_be_visible()
    expect(refused).to_be_visible()
    name.fill("passwd")
    expect(refused).to_have_count(0)


def test_the_way_back_keeps_what_was_typed(alice: User, live_url: str, sign_in: SignIn) -> None:
    page = new_training(alice, sign_in, gib=64)
    page.get_by_label("LoRA rank").fill("4")
    expect(page.locator("#preview")).to_contain_text("lora_rank: 4")
    page.get_by_role("link", name="Datasets").first.click()
    expect(page).to_have_url(re.compile("/datasets/$"))
    page.go_back()
    expect(page.get_by_label("LoRA rank")).to_have_value("4")
    expect(page.locator("#preview")).to_contain_text("lora_rank: 4")


def test_parameters_are_found_changed_and_remedied(
    alice: User, live_url: str, sign_in: SignIn
) -> None:
    page = new_training(alice, sign_in, gib=8)
    expect(page.get_by_text("Fits", exact=True)).to_be_visible()

    search = page.get_by_label("Search parameters")
    search.fill("dropout")
    dropout = page.get_by_label("Dropout")
    expect(dropout).to_be_visible()
    expect(page.get_by_label("Seed of the order")).to_be_hidden()
    expect(page.get_by_text("It belongs to orthogonal fine-tuning")).to_be_visible()
    dropout.fill("0.3")
    search.fill("nothing has this name")
    expect(page.get_by_text("Nothing found")).to_be_visible()
    search.fill("")
    page.get_by_label("Only changed").check()
    expect(dropout).to_be_visible()
    expect(page.get_by_label("Modules", exact=True).first).to_be_hidden()

    page.get_by_label("Batch size").first.fill("8")
    expect(page.get_by_text("Does not fit", exact=True)).to_be_visible()
    page.get_by_role("button", name=re.compile("^Batch 1, accumulated 8 times")).click()
    expect(page.get_by_label("Batch size").first).to_have_value("1")
    expect(page.get_by_text("Fits", exact=True)).to_be_visible()


def test_the_list_moves_by_itself(alice: User, job: TrainingJob, sign_in: SignIn) -> None:
    page = sign_in(alice)
    page.goto("/training/")
    shown = page.locator(".progress-text")
    expect(shown).to_contain_text("40 %")
    TrainingJob.objects.update(step=54)
    expect(shown).to_contain_text("90 %")


def test_deploy_from_the_job_page(alice: User, job: TrainingJob, sign_in: SignIn) -> None:
    page = sign_in(alice)
    page.goto(f"/training/{job.pk}/")
    expect(page.get_by_role("log")).to_contain_text("second")
    version = make_version(job)
    TrainingJob.objects.filter(pk=job.pk).update(status=Status.SUCCESS, desired="stop")
    page.get_by_role("button", name="Deploy").click()
    expect(page).to_have_url(re.compile(f"/models/{version.pk}/$"))
    expect(page.get_by_text("Waits for a place on a node")).to_be_visible()
    page.get_by_role("button", name="Undeploy").click()
    page.get_by_role("dialog").get_by_role("button", name="Undeploy").click()
    expect(page.get_by_text("Not deployed. Deploy it")).to_be_visible()


@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_is_wider_than_the_screen(
    alice: User, job: TrainingJob, sign_in: SignIn, width: int
) -> None:
    make_version(make_job(alice, Status.SUCCESS, name="x" * 100))
    page = sign_in(alice)
    page.set_viewport_size({"width": width, "height": 900})
    urls = ("/training/", "/training/new/", f"/training/{job.pk}/", "/models/")
    for url in (*urls, f"/training/{job.pk}/report/", "/models/base/new/"):
        page.goto(url)
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, url


def test_accessibility(alice: User, job: TrainingJob, sign_in: SignIn) -> None:
    from axe_playwright_python.sync_playwright import Axe

    version = make_version(make_job(alice, Status.SUCCESS, name="done"))
    make_node(is_gpu=True, gib=80)  # the clone's card has a note, with a link in its text
    page = sign_in(alice)
    urls = (
        "/training/",
        f"/training/new/?clone={job.pk}",
        "/training/new/import/",
        f"/training/{job.pk}/",
        "/models/",
    )
    for url in (*urls, f"/training/{job.pk}/report/", f"/models/{version.pk}/"):
        page.goto(url)
        page.wait_for_load_state("networkidle")
        found = Axe().run(page)
        assert found.violations_count == 0, f"{url}\n{found.generate_report()}"


def test_looking_closer_and_comparing(alice: User, job: TrainingJob, sign_in: SignIn) -> None:
    Note.objects.create(workload=job, kind="jump", step=15, facts={"before": 1, "after": 4})
    add_metrics(other := make_job(alice, Status.SUCCESS, name="other"), 60)
    page = sign_in(alice)
    page.goto(f"/training/{job.pk}/")
    chart = page.locator("[data-curve=metrics]").first
    expect(chart.locator(".chart-mark")).to_have_count(1)
    expect(page.get_by_text("The loss jumped").first).to_be_visible()
    page.get_by_label("Logarithmic").check()
    page.get_by_label("Smoothing").fill("0.6")
    expect(chart.locator(".pale")).to_have_count(2)
    chart.locator("svg").focus()
    page.keyboard.press("+")
    whole = page.get_by_role("button", name="Whole run")
    expect(whole).to_be_visible()
    whole.click()
    expect(whole).to_be_hidden()

    page.goto(f"/training/compare/?job={job.pk}&job={other.pk}")
    expect(page.locator("[data-compare][data-ready]")).to_be_visible()
    expect(page.locator("[data-curve]").first.locator(".curve")).to_have_count(2)


def test_a_long_log(alice: User, job: TrainingJob, sign_in: SignIn) -> None:
    add_log(job, [f"line {i}" for i in range(2, 8000)], 2)
    page = sign_in(alice)
    page.goto(f"/training/{job.pk}/")
    log = page.get_by_role("log")
    expect(log).to_contain_text("line 7999")
    page.get_by_role("searchbox").fill("LINE 1234")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.get_by_text("1 found")).to_be_visible()
    page.locator("[data-log-matches] button").click()
    expect(log.locator(".is-sought")).to_have_text("line 1234\n")
    assert "line 7999" not in log.inner_text()
    add_log(job, ["news"], 8000)
    page.get_by_label("Follow").check()
    expect(log).to_contain_text("news")
    for _reload in range(3):
        page.reload()
        expect(log).to_contain_text("news")
        assert log.inner_text().count("line 7999") == 1
