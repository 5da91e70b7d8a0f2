"""Long curves, long logs, comparisons and the doctor's notes: what watching is made of."""

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from conftest import ApiClient
from training import curve_blocks, log_search, registry, streams
from training.models import CurveBlock, LogChunk, Metric, Note, Sample, Status, TrainingJob
from training.shim import recording
from training.shim.reading import log_lines
from training.shim.recording import Recorder
from training.tests.rows import add_hardware, add_log, add_metrics, make_job

pytestmark = pytest.mark.django_db


def add_points(job: TrainingJob, count: int, first: int = 1) -> None:
    now = timezone.now()
    rows = [
        Metric(workload=job, step=step, values={"loss": 1000.0 if step == 2777 else 2.0}, at=now)
        for step in range(first, first + count)
    ]
    Metric.objects.bulk_create(rows, batch_size=2000)


def test_a_long_curve_comes_in_few_points_with_its_spike(alice: User) -> None:
    job = make_job(alice, Status.RUNNING)
    add_points(job, 6000)
    curve_blocks.roll_up(job.pk)
    curve_blocks.roll_up(job.pk)
    assert CurveBlock.objects.count() == 6000 // curve_blocks.BLOCK_POINTS
    series, cursor = curve_blocks.overview(job.pk, points=100)
    steps = [step for step, _at, _value in series["loss"]]
    assert len(steps) < 150 and steps == sorted(set(steps))
    assert (2777, 1000.0) in [(step, value) for step, _at, value in series["loss"]]
    assert steps[-1] == 6000
    assert streams.metrics_after(job.pk, cursor).items == []


def test_a_part_of_a_long_curve_is_told_exactly(alice: User) -> None:
    job = make_job(alice, Status.RUNNING)
    add_points(job, 6000)
    curve_blocks.roll_up(job.pk)
    series, _cursor = curve_blocks.overview(job.pk, points=1000, first=2700, last=2800)
    assert [step for step, _at, _value in series["loss"]] == list(range(2700, 2801))


def test_what_is_told_again_replaces_blocks(alice: User) -> None:
    job = make_job(alice, Status.RUNNING)
    add_points(job, 6000)
    curve_blocks.roll_up(job.pk)
    curve_blocks.forget_after(job.pk, 5000)
    add_points(job, 1500, first=5001)
    curve_blocks.roll_up(job.pk)
    series, _cursor = curve_blocks.overview(job.pk, points=5000)
    steps = [step for step, _at, _value in series["loss"]]
    assert steps == sorted(set(steps)) and steps[-1] == 6500
    blocks = CurveBlock.objects.values_list("first_step", "last_step")
    assert all(before[1] < after[0] for before, after in pairwise(blocks))


def test_the_curves_of_the_api(alice: User, api: Callable[[User], Any]) -> None:
    job = make_job(alice, Status.RUNNING)
    add_metrics(job, 60)
    add_hardware(job, 3)
    found = api(alice).get(f"training/jobs/{job.pk}/curves").json()
    assert [point[0] for point in found["series"]["loss"]] == list(range(5, 61, 5))
    assert len(found["hardware"]) == 3
    rest = api(alice).get(f"training/jobs/{job.pk}/metrics?after={found['next']['metrics']}")
    assert rest.json()["items"] == []


def test_hardware_of_a_long_run_comes_in_few_samples(alice: User) -> None:
    job, other = make_job(alice, Status.RUNNING), make_job(alice, Status.RUNNING, name="other")
    assert curve_blocks.hardware_overview(job.pk, 20) == ([], 0)
    for _turn in range(30):  # two runs tell in turns
        add_hardware(job, 7)
        add_hardware(other, 3)
    oldest, *_others, newest = job.hardware.order_by("pk")
    every, last = curve_blocks.hardware_overview(job.pk, 5000)
    assert (len(every), last) == (210, newest.pk)
    few, last = curve_blocks.hardware_overview(job.pk, 20)
    assert 15 <= len(few) <= 22 and last == newest.pk
    assert few[0] == oldest.as_row() and few[-1] == newest.as_row()
    assert [row["at"] for row in few] == [row["at"] for row in every if row in few]


LOG = [
    "[INFO|trainer.py:10] Loading",
    "[WARNING|x.py:3] odd thing",
    "{'loss': '2.1'}",
    "Traceback (most recent call last):",
    "ValueError: a 100%_sure mistake",
    "损失 上升",
]


@pytest.mark.parametrize(
    ("wanted", "lines"),
    [
        ({"words": "LOSS"}, [2]),
        ({"words": "100%_SURE"}, [4]),
        ({"words": "损失"}, [5]),
        ({"level": "error"}, [3, 4]),
        ({"level": "warning"}, [1]),
        ({"level": "info"}, [0]),
        ({"words": "mistake", "level": "warning"}, []),
        ({"words": "o", "after": 2}, [2, 3, 4]),
    ],
)
def test_searching_the_log(alice: User, wanted: dict[str, Any], lines: list[int]) -> None:
    job = make_job(alice, Status.RUNNING)
    add_log(job, LOG[:3])
    add_log(job, LOG[3:], 3)
    found = log_search.search(job.pk, **wanted)
    assert [item["line"] for item in found.items] == lines
    assert found.next is None


@pytest.mark.parametrize("window", [15, 50_000])
def test_a_search_goes_on_where_it_stopped(
    alice: User, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_search, "WINDOW_LINES", window)
    job = make_job(alice, Status.RUNNING)
    for first in range(0, 100, 10):
        add_log(job, [f"loss {i}" for i in range(first, first + 10)], first)
    found: list[int] = []
    after: int | None = 0
    while after is not None:
        piece = log_search.search(job.pk, words="loss", after=after, limit=7, budget_s=0)
        found += [item["line"] for item in piece.items]
        after = piece.next
    assert found == list(range(100))


def test_the_log_by_page_api_and_download(alice: User, api: Callable[[User], Any]) -> None:
    job = make_job(alice, Status.RUNNING)
    add_log(job, LOG[:3])
    add_log(job, LOG[3:], 3)
    client = api(alice)
    found = client.get(f"training/jobs/{job.pk}/logs?after=2&limit=2").json()
    assert found == {"lines": LOG[2:4], "next": 4, "count": 6}
    found = client.get(f"training/jobs/{job.pk}/logs/search?level=warning").json()
    assert found["items"] == [{"line": 1, "text": LOG[1], "level": "warning"}]
    answer = client.get(f"training/jobs/{job.pk}/logs/download")
    assert b"".join(answer).decode() == "\n".join(LOG) + "\n"
    assert client.get(f"training/jobs/{job.pk}/logs/search?level=loud").status_code == 422


def test_progress_bars_leave_one_line() -> None:
    bars = [f"Map:  {n * 20}%|{'#' * n}    | {n}/5 [00:01<00:02, 1.9it/s]" for n in range(1, 6)]
    told = "\r".join(bars) + "\n" + "\n".join(bars) + "{'loss': '2.1'}\nplain 50% | text\n"
    # The words that ran into the last bar stay, the bar does not.
    assert log_lines(told.encode()) == [bars[3], "{'loss': '2.1'}", "plain 50% | text"]


def test_a_log_is_kept_whole_up_to_a_limit(
    alice: User, api: Callable[[User], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(alice, Status.RUNNING)
    lines = [f"line {n}" for n in range(12_345)]
    monkeypatch.setattr(recording, "LOG_MAX_CHARS", 200_000)
    recorder = Recorder(job, job.fence)
    for start in range(0, len(lines), 4000):
        recorder.add_log("\n".join(lines[start : start + 4000]).encode())
    answer = api(alice).get(f"training/jobs/{job.pk}/logs/download")
    assert b"".join(answer).decode().splitlines() == lines
    assert LogChunk.objects.filter(workload=job, count__gt=recording.CHUNK_LINES).count() == 0
    # Another shim of the same job goes on counting where the first one stopped.
    other = Recorder(job, job.fence)
    for _time in range(3):
        other.add_log(b"more\n" * 20_000)
    last = streams.log_tail(job.pk, 2)
    assert last.items == [lines[-1], recording.LOG_FULL] and last.next == len(lines) + 1


def record(job: TrainingJob, *events: dict[str, Any]) -> None:
    recorder = Recorder(job, job.fence)
    for event in events:
        recorder.apply({"at": timezone.now().timestamp(), **event})


def test_the_doctor_remarks_on_what_is_recorded(alice: User, api: Callable[[User], Any]) -> None:
    job = make_job(alice, Status.RUNNING)
    points = [{"type": "metrics", "step": i, "loss": 2.0} for i in range(1, 5)]
    record(job, *points, {"type": "metrics", "step": 5, "loss": None})
    record(job, {"type": "metrics", "step": 6, "loss": None})  # another shim
    found = api(alice).get(f"training/jobs/{job.pk}/notes").json()
    assert [(note["kind"], note["step"]) for note in found["items"]] == [("nan", 5)]
    assert "“loss”" in found["items"][0]["text"] and found["items"][0]["actions"] == ["stop"]


def test_what_a_resumed_run_tells_anew_is_remarked_anew(alice: User) -> None:
    job = make_job(alice, Status.RUNNING)
    record(job, {"type": "metrics", "step": 5, "loss": None})
    samples = {"type": "samples", "items": [{"position": 0, "prompt": "p", "output": "o"}]}
    record(job, samples | {"step": 2}, samples | {"step": 6}, samples | {"step": 6})
    assert Sample.objects.count() == 2
    started = {"type": "started", "step": 3, "max_steps": 60}
    record(job, started, {"type": "metrics", "step": 5, "loss": None})
    assert list(Note.objects.values_list("kind", "step")) == [("nan", 5)]
    assert list(Sample.objects.values_list("step", flat=True)) == [2]


def test_runs_side_by_side(alice: User, bob: User, client_for: Callable[[User], Client]) -> None:
    summary = {"train_loss": 1.0}
    one = make_job(alice, Status.SUCCESS, name="one", summary=summary)
    other = make_job(
        alice,
        Status.SUCCESS,
        name="other",
        summary=summary | {"train_loss": 0.5},
        parameters={"learning_rate": 0.0002, "num_train_epochs": 3.0},
        base_model=one.base_model,
        dataset=one.dataset,
    )
    foreign = make_job(bob, Status.SUCCESS, name="foreign")
    query = "&".join(f"job={job.pk}" for job in (one, other, foreign))
    page = client_for(alice).get(f"/training/compare/?{query}&job=nonsense").content.decode()
    assert "Learning rate" in page and "foreign" not in page
    different = page[page.index("What was different") : page.index("What was the same")]
    assert "1.0e-4" in different and "2.0e-4" in different and "Epochs" not in different
    results = page[page.index("Results") : page.index("What was different")]
    assert results.index("0.5") < results.index("best")


def test_comparing_through_the_api(alice: User, bob: User, api: Callable[[User], Any]) -> None:
    jobs = [make_job(alice, Status.RUNNING, name=name) for name in ("a", "b")]
    add_metrics(jobs[1], 20)
    foreign = make_job(bob, Status.RUNNING)
    query = "&".join(f"jobs={job.pk}" for job in [*jobs, foreign])
    found = api(alice).get(f"training/compare?{query}").json()
    assert [job["name"] for job in found["jobs"]] == ["a", "b"]
    assert len(found["jobs"][1]["series"]["loss"]) == 4
    assert api(alice).get("training/compare").status_code == 422


def make_checkpoint(job: TrainingJob, step: int) -> None:
    folder = job.folder / "attempt-1" / "output" / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    for name in ("optimizer.pt", "scheduler.pt", "training_args.bin", "rng_state.pth"):
        (folder / name).write_text("x")
    (folder / "adapter_model.safetensors").write_text(f"weights of {step}")
    (folder / "trainer_state.json").write_text(json.dumps({"global_step": step}))


def test_the_best_checkpoint_is_kept(alice: User, client_for: Callable[[User], Client]) -> None:
    job = make_job(alice, Status.RUNNING)
    for step, loss in ((10, 1.0), (20, 0.6), (30, 0.9)):
        record(job, {"type": "metrics", "step": step, "eval_loss": loss})
        make_checkpoint(job, step)
    answer = client_for(alice).post(f"/training/{job.pk}/keep-best/")
    job.refresh_from_db()
    version = job.version
    assert answer.headers["Location"] == f"/models/{version.pk}/"
    assert (job.folder / "best-20" / "adapter_model.safetensors").read_text() == "weights of 20"
    assert not (job.folder / "best-20" / "optimizer.pt").exists()
    assert version.path == str(job.folder / "best-20") and version.metrics["eval_loss"] == 0.6
    assert job.state == "stopping"
    assert registry.register_version(job) == version


def test_programs_keep_it_too(
    alice: User,
    bob: User,
    client_for: Callable[[User], Client],
    api: Callable[[User], ApiClient],
) -> None:
    job = make_job(alice, Status.RUNNING)
    path = f"training/jobs/{job.pk}/keep-best"
    assert api(alice).post(path).status_code == 409
    record(job, {"type": "metrics", "step": 10, "eval_loss": 0.4})
    make_checkpoint(job, 10)
    assert api(bob).post(path).status_code == 404
    made = api(alice).post(path)
    assert made.status_code == 201 and made.json()["id"] == TrainingJob.objects.get().version.pk
    assert api(alice).get(f"training/jobs/{job.pk}").json()["summary"]["kept_step"] == 10
    assert "step 10" in client_for(alice).get(f"/training/{job.pk}/").content.decode()
    assert api(alice).post(path).status_code == 409


def test_nothing_to_keep_is_said(alice: User, client_for: Callable[[User], Client]) -> None:
    job = make_job(alice, Status.RUNNING)
    make_checkpoint(job, 10)
    answer = client_for(alice).post(f"/training/{job.pk}/keep-best/", follow=True)
    assert "no complete checkpoint with an evaluation" in answer.content.decode()
    job.refresh_from_db()
    assert job.state == "running"
