"""The log and the curves of a run in a browser: reloads, tabs, and connections that break."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from accounts.models import User
from conftest import free_port, serving
from training.models import LogChunk, Metric, TrainingJob
from training.tests.rows import add_log, make_job
from training.tests.written_runs import WrittenRun, meanwhile, pieces

pytestmark = pytest.mark.browser
SignIn = Callable[[User], Any]
SHOWN = """() => { const log = document.querySelector("[data-log]");
  return [log.querySelector("[data-first]")?.dataset.first ?? "0", log.textContent]; }"""
HOLDS = """(text) => document.querySelector("[data-log]").textContent.includes(text)"""
REACHES = """(count) => {
  const last = document.querySelector("[data-log]").lastElementChild?.dataset;
  return Number(last?.first) + Number(last?.lines) >= count; }"""
IS_LIVE = (
    """() => document.querySelector("[data-live]") && document.querySelector("[data-first]")"""
)
TOP = """async () => {
  const lines = await import("/static/js/training-log-lines.js");
  return lines.lineAtTop(document.querySelector("[data-log]")); }"""


class Trainer:
    """Writes a few lines and a point at a time, and knows what it has written."""

    def __init__(self, owner: User, lines: int = 3) -> None:
        self.run, self.pieces, self.count = WrittenRun(owner), pieces(), lines
        self.lines: list[str] = []
        self.steps = 0

    def write(self) -> None:
        for text, line in (next(self.pieces) for _n in range(self.count)):
            self.run.write(text)
            self.lines.append(line)
        if self.steps < 190:  # a table of a chart has 200 rows
            self.steps += 1
            self.run.tell("metrics", step=self.steps, loss=float(self.steps))
        self.run.look()

    @property
    def url(self) -> str:
        return f"/training/{self.run.job.pk}/"


@pytest.fixture
def trainer(alice: User, live_url: str) -> Trainer:
    made = Trainer(alice)
    made.write()
    return made


def shown(page: Any) -> tuple[int, list[str]]:
    """The number of the first line, and the lines."""
    first, text = page.evaluate(SHOWN)
    return int(first), text.split("\n")[:-1]


def is_part(page: Any, lines: list[str]) -> bool:
    first, found = shown(page)
    return found == lines[first : first + len(found)]


def expect_all(page: Any, trainer: Trainer) -> None:
    """Once it is quiet: the last line is there, and before it all others, as in the file."""
    page.wait_for_function(HOLDS, arg=f"{trainer.lines[-1]}\n")
    first, found = shown(page)
    assert found == trainer.lines[first:]
    assert trainer.run.lines == trainer.lines
    card = page.locator("figure", has_text="Loss").first
    if not card.locator("details").evaluate("each => each.open"):
        card.get_by_text("Show as table").click()
    rows = card.locator("tbody tr")
    expect(rows).to_have_count(Metric.objects.count())
    cells = rows.evaluate_all("all => all.map((row) => row.cells[0].textContent)")
    assert [int(text) for text in cells] == list(range(1, trainer.steps + 1))


def test_twenty_reloads_and_what_was_set_stays(
    alice: User, trainer: Trainer, sign_in: SignIn
) -> None:
    page = sign_in(alice)
    page.goto(trainer.url)
    page.get_by_label("Smoothing").fill("0.6")
    page.get_by_label("Logarithmic").check()
    page.get_by_label("Along").select_option("time")
    page.get_by_label("Level").select_option("warning")
    page.get_by_role("searchbox").fill("warn")
    page.get_by_role("button", name="Search", exact=True).click()
    with meanwhile(trainer.write, 0.1):
        for _time in range(20):
            page.reload()
            page.wait_for_function(IS_LIVE)
            assert is_part(page, trainer.lines)
            assert page.get_by_label("Smoothing").input_value() == "0.6"
            assert page.locator("[data-smooth-value]").inner_text() == "0.60"
            assert page.get_by_label("Logarithmic").is_checked()
            assert page.get_by_label("Along").input_value() == "time"
            assert page.get_by_label("Level").input_value() == "warning"
            assert page.get_by_role("searchbox").input_value() == "warn"
            assert page.get_by_label("Follow").is_checked()
            expect(page.locator("[data-log-matches] li").first).to_contain_text("WARNING 2")
    page.get_by_label("Along").select_option("step")
    page.get_by_label("Smoothing").fill("0")
    expect_all(page, trainer)
    page.get_by_role("button", name="Close").click()
    page.get_by_label("Logarithmic").uncheck()
    assert page.url.endswith(trainer.url), "what is as always needs no address of its own"


def test_a_place_in_a_long_log_stays_through_reloads(
    alice: User, live_url: str, sign_in: SignIn
) -> None:
    job = make_job(alice, "running")
    lines = [f"line {n} {'wide ' * (n % 60)}" if n % 7 else "" for n in range(200_000)]
    LogChunk.objects.bulk_create(
        LogChunk(workload=job, first=n, count=1000, text="\n".join(lines[n : n + 1000]))
        for n in range(0, len(lines), 1000)
    )
    page = sign_in(alice)
    page.goto(f"/training/{job.pk}/?follow=0&line=123457")
    page.wait_for_function(HOLDS, arg="line 123457 ")
    assert page.evaluate(TOP) == 123457
    page.locator("[data-log]").evaluate("log => { log.scrollTop += 333; }")
    page.wait_for_url(re.compile("line=1234[6-9]"))
    place = page.evaluate(TOP)
    for number in range(8):
        if number % 2 == 0:
            add_log(job, [f"news {number}"], len(lines))
            lines.append(f"news {number}")
        page.reload()
        page.wait_for_function(IS_LIVE)
        page.wait_for_function(HOLDS, arg="line 123457 ")
        assert is_part(page, lines)
        assert page.evaluate(TOP) == place and not page.get_by_label("Follow").is_checked()
    for edge in ("0", "log.scrollHeight"):  # up and down, into what has to be fetched
        for _time in range(8):
            first = shown(page)
            page.locator("[data-log]").evaluate(f"log => {{ log.scrollTop = {edge}; }}")
            page.wait_for_function(
                "(before) => document.querySelector('[data-first]').dataset.first !== before[0] "
                "|| document.querySelector('[data-log]').textContent.length !== before[1]",
                arg=[str(first[0]), len("\n".join(first[1])) + 1],
            )
            assert is_part(page, lines)
    page.get_by_label("Follow").check()
    page.wait_for_function(HOLDS, arg="news 6")
    assert is_part(page, lines) and shown(page)[1][-1] == "news 6"
    page.wait_for_url(re.compile(f"/training/{job.pk}/$"))


def test_two_tabs_and_another_shim(alice: User, trainer: Trainer, sign_in: SignIn) -> None:
    page = sign_in(alice)
    page.goto(trainer.url)
    other = page.context.new_page()
    other.goto(trainer.url)
    with meanwhile(trainer.write, 0.1):
        for _time in range(3):
            other.reload()
            page.wait_for_function(HOLDS, arg=f"{trainer.lines[-1]}\n")
            assert is_part(page, trainer.lines)
    trainer.run.write("half a li")
    trainer.run.look()
    trainer.run.change_shim()
    trainer.run.write("ne\n")
    trainer.lines.append("half a line")
    trainer.write()
    for each in (page, other):
        expect_all(each, trainer)


@pytest.fixture
def dropping(page: Any) -> Iterator[list[Any]]:
    """The sockets of the page, each of which can be closed as the server would."""
    sockets: list[Any] = []

    def pass_on(socket: Any) -> None:
        socket.connect_to_server()
        sockets.append(socket)

    page.route_web_socket(re.compile("/ws/training/"), pass_on)
    yield sockets
    page.unroute_all(behavior="ignoreErrors")


def test_sockets_that_break(
    alice: User, trainer: Trainer, sign_in: SignIn, dropping: list[Any]
) -> None:
    page = sign_in(alice)
    page.goto(trainer.url)
    page.evaluate("window.stayed = true")
    with meanwhile(trainer.write, 0.1):
        for code in (1012, 1006, 1013):
            page.wait_for_function(IS_LIVE)
            count = len(dropping)
            dropping[-1].close(code=code if code != 1006 else 1001)
            page.wait_for_function("() => !document.querySelector('[data-live]')")
            page.wait_for_function(IS_LIVE)
            assert len(dropping) > count and is_part(page, trainer.lines)
        page.context.set_offline(True)
        expect(page.get_by_text("No connection. Trying again")).to_be_visible()
        at = trainer.lines[-1]
        page.context.set_offline(False)
        page.wait_for_function(HOLDS, arg=f"{at}\n")
        expect(page.get_by_text("No connection. Trying again")).to_be_hidden()
    expect_all(page, trainer)
    assert page.evaluate("window.stayed") is True


def test_the_web_process_begins_anew(alice: User, trainer: Trainer, sign_in: SignIn) -> None:
    page, port = sign_in(alice), free_port()
    with meanwhile(trainer.write, 0.1):
        with serving(port) as url:
            page.goto(f"{url}{trainer.url}")
            page.wait_for_function(IS_LIVE)
            page.evaluate("window.stayed = true")
        page.wait_for_function("() => !document.querySelector('[data-live]')")
        with serving(port):
            page.wait_for_function(IS_LIVE)
            assert is_part(page, trainer.lines)
            page.reload()
            page.wait_for_function(IS_LIVE)
        page.wait_for_function("() => !document.querySelector('[data-live]')")
    with serving(port):
        expect_all(page, trainer)
        page.goto("about:blank")


def test_a_very_fast_log(alice: User, live_url: str, sign_in: SignIn) -> None:
    """2,000 lines a second: who follows sees the end, who reads is left alone."""
    trainer = Trainer(alice, lines=200)
    trainer.write()
    page = sign_in(alice)
    page.goto(trainer.url)
    with meanwhile(trainer.write, 0.1):
        for _time in range(4):
            page.wait_for_function(REACHES, arg=len(trainer.lines))
            assert is_part(page, trainer.lines) and page.get_by_label("Follow").is_checked()
        page.locator("[data-log]").hover()
        page.mouse.wheel(0, -2000)
        expect(page.get_by_label("Follow")).not_to_be_checked()
        page.wait_for_timeout(400)  # a wheel goes on turning
        place, at = page.evaluate(TOP), len(trainer.lines)
        page.wait_for_timeout(2500)
        assert len(trainer.lines) > at + 1000
        assert page.evaluate(TOP) == place and is_part(page, trainer.lines)
        page.get_by_label("Follow").check()
        for _time in range(2):
            page.wait_for_function(REACHES, arg=len(trainer.lines))
            assert is_part(page, trainer.lines) and page.get_by_label("Follow").is_checked()
    expect_all(page, trainer)


def test_a_resumed_run_takes_its_points_back(
    alice: User, trainer: Trainer, sign_in: SignIn
) -> None:
    page = sign_in(alice)
    page.goto(trainer.url)
    for _time in range(20):
        trainer.write()
    expect_all(page, trainer)
    page.evaluate("window.stayed = true")
    TrainingJob.objects.filter(pk=trainer.run.job.pk).update(status="preparing", attempt=2)
    trainer.run.change_shim()
    trainer.run.tell("started", step=9, max_steps=60)
    trainer.run.look()
    trainer.steps = 9
    expect(page.locator("figure", has_text="Loss").first.locator("tbody tr")).to_have_count(9)
    trainer.write()
    expect_all(page, trainer)
    assert page.evaluate("window.stayed") is True
