"""What is kept of a log, and what a socket tells of it: every line, once, in order."""

import json
import random
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError, connection

from accounts.models import User
from training import streams
from training.models import HardwareSample, LogChunk, Metric, Workload
from training.tests.rows import add_log, make_job
from training.tests.test_consumers import receive, socket, token_of
from training.tests.written_runs import WrittenRun, meanwhile, pieces
from training.watching import EVENT_CHARS, Watch

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("seed", range(8))
def test_whatever_happens_to_its_readers(
    alice: User, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torn lines and characters, shims that die, transactions that are undone."""
    chance, run = random.Random(seed), WrittenRun(alice)
    monkeypatch.setattr("training.shim.supervision.RETRY_DATABASE_EVERY_S", 0)
    renew, told = Workload.renew, [piece for piece, _n in zip(pieces(), range(400), strict=False)]

    def renew_sometimes(self: Workload, fence: int, **changes: Any) -> str | None:
        kept = renew(self, fence, **changes)
        if chance.random() < 0.3:
            raise OperationalError("database is locked")
        return kept

    monkeypatch.setattr(Workload, "renew", renew_sometimes)
    left = "".join(text for text, _line in told).encode()
    while left:
        size = chance.choice((1, 3, 40, 700))
        run.write(left[:size])
        left = left[size:]
        if chance.random() < 0.1:
            run.change_shim()
        run.look()
        assert connection.in_atomic_block is False
    run.write("the last word, without an end")
    run.look(is_ended=True)
    assert run.lines == [line for _text, line in told] + ["the last word, without an end"]


def test_a_slice_holds_what_fits(alice: User) -> None:
    job, lines = make_job(alice, "running"), [f"{n} {'x' * (n % 90)}" for n in range(500)]
    for first in range(0, 500, 50):
        add_log(job, lines[first : first + 250], first)
    for limit, chars in ((3, None), (7, 5), (50, None), (51, 1000), (999, 3000), (999, None)):
        found, after = list[str](), 0
        while (part := streams.log_after(job.pk, after, limit, chars=chars)).items:
            assert len(part.items) <= limit
            assert chars is None or sum(map(len, part.items[:-1])) <= chars
            assert part.has_more or part.next == 500
            found, after = found + part.items, part.next
        assert found == lines
    assert streams.log_after(job.pk, 9999).items == []


def test_nobody_is_told_a_long_run_in_one_piece(alice: User) -> None:
    job = make_job(alice, "running")
    Metric.objects.bulk_create(
        Metric(workload=job, step=n, values={"loss": 1}) for n in range(4500)
    )
    HardwareSample.objects.bulk_create(HardwareSample(workload=job) for _n in range(2100))
    for first in range(0, 4000, 1000):
        add_log(job, ["y" * 1500] * 1000, first)
    watch, told, looks = Watch(job.pk, log=0), dict[str, list[Any]](), 0
    while watch.is_behind or not looks:
        looks += 1
        events = watch.news()
        assert len({event["type"] for event in events}) == len(events)
        for event in events:
            assert len(json.dumps(event)) < 2 * EVENT_CHARS
            told.setdefault(event["type"], []).extend(event.get("items") or event.get("lines", []))
    assert [row["step"] for row in told["metrics"]] == list(range(4500))
    assert (len(told["hardware"]), len(told["log"])) == (2100, 4000)
    assert watch.news() == []


async def test_a_fast_log_over_sockets_that_break(alice: User) -> None:
    """2,000 lines a second, read by somebody who comes back with the last `next`."""
    run = await sync_to_async(WrittenRun)(alice)
    told = [piece for piece, _n in zip(pieces(), range(6000), strict=False)]
    wanted, token = [line for _text, line in told], await sync_to_async(token_of)(alice)

    def write() -> None:
        part, told[:] = told[:200], told[200:]
        run.write("".join(text for text, _line in part))
        run.look()

    seen, turns = list[str](), 0
    with meanwhile(write, 0.1):
        while len(seen) < len(wanted):
            turns += 1
            async with socket(
                f"/ws/training/{run.job.pk}/?token={token}&log={len(seen)}"
            ) as opened:
                for _event in range(2):
                    event = await receive(opened, "log")
                    assert event["first"] == len(seen)
                    seen += event["lines"]
                    if len(seen) == len(wanted):
                        break
    assert turns > 1 and seen == wanted == await sync_to_async(lambda: run.lines)()


async def test_silence_is_told(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmplatform.sockets.ALIVE_EVERY_S", 0.1)
    monkeypatch.setattr("training.consumers.LOOK_EVERY_S", 0.05)
    job = await sync_to_async(make_job)(alice, "running")
    token = await sync_to_async(token_of)(alice)
    async with socket(f"/ws/training/{job.pk}/?token={token}") as opened:
        for _time in range(2):
            assert await receive(opened, "alive") == {"type": "alive"}


def test_a_log_of_many_megabytes_is_downloaded_as_it_was_written(alice: User, api: Any) -> None:
    job, lines = make_job(alice, "success"), [f"line {n} " + "." * 90 for n in range(100_000)]
    LogChunk.objects.bulk_create(
        LogChunk(workload=job, first=n, count=1000, text="\n".join(lines[n : n + 1000]))
        for n in range(0, len(lines), 1000)
    )
    with pytest.warns(Warning, match="asynchronous"):
        answer = b"".join(api(alice).get(f"training/jobs/{job.pk}/logs/download"))
    assert answer.decode().splitlines() == lines
