"""What the shim is made of, without a training: logs of any size, limits, continuity."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from accounts.models import User
from training.models import Metric, SharingSettings, Slot, TrainingJob
from training.parallel import Sharing, deepspeed_config, parallel_arguments
from training.shim import log_file
from training.shim.continuity import Continuity, verdict
from training.shim.limits import Limits
from training.shim.log_file import LogFile
from training.shim.reading import log_lines, whole_lines
from training.tests.rows import make_dataset, make_node

MakeJob = Callable[..., TrainingJob]
MIB = 1024**2


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "KEPT_BYTES", 2 * MIB)
    monkeypatch.setattr(log_file, "BEHIND_BYTES", 2 * MIB)
    monkeypatch.setattr(log_file, "TAIL_BYTES", MIB // 8)


def read_along(path: Path, writes: int) -> tuple[bytes, int]:
    """All that a reader saw who was never at the end of what was written, and the most it took."""
    log, offset, read, most = LogFile(path), 0, b"", 0
    with path.open("ab", buffering=0) as runner:
        for number in range(writes):
            runner.write(b"%06d " % number + b"x" * (MIB // 4) + b"\n")
            lines, offset = log.read(offset)
            read += lines
            runner.write(b"%06d meanwhile\n" % number)
            offset = log.cut(offset)
            most = max(most, path.stat().st_blocks * 512)
        runner.write(b"the last word\n")
    return read + log.read(offset)[0], most


def test_a_log_that_grows_without_end_stays_bounded(tmp_path: Path, small: None) -> None:
    read, most = read_along(tmp_path / "log.txt", 40)
    words = [line[:16] for line in read.splitlines()]
    wanted = [text for n in range(40) for text in (b"%06d xxxxxxxxx" % n, b"%06d meanwhile" % n)]
    assert words == [*wanted, b"the last word"], "nothing is lost, doubled or out of order"
    assert most <= 2.5 * MIB


def test_where_a_file_can_have_no_holes_it_begins_anew(
    tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_file, "_punch", lambda *_arguments: False)
    path, offset, read = tmp_path / "log.txt", 0, b""
    log = LogFile(path)
    with path.open("ab", buffering=0) as runner:
        for number in range(40):
            runner.write(b"%06d " % number + b"x" * (MIB // 4) + b"\n")
            lines, offset = log.read(offset)
            read += lines
            offset = log.cut(offset)
            assert path.stat().st_size <= 2.5 * MIB
    assert [b"%06d" % n in read for n in range(40)] == [True] * 40
    assert b"000000" not in (tmp_path / "log.before.txt").read_bytes()


def test_a_reader_that_is_far_behind_goes_to_the_end_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    with path.open("wb") as file:
        file.truncate(10 * 1024**3)  # ten gigabytes, of which the disk holds next to nothing
        file.seek(0, 2)
        file.write(b"\nRuntimeError: the cause\n")
    offset, read = 0, b""
    log = LogFile(path)
    for _turn in range(3):
        lines, offset = log.read(offset, is_ended=True)
        read += lines
    assert read.startswith("… 10".encode()) and b"the cause" in read
    assert len(read) < 2 * MIB and offset == path.stat().st_size
    assert log.cut(offset) == offset


def test_a_bar_without_an_end_is_not_torn() -> None:
    bars = [f"Map: {n * 100 // 20_000}%|{'#' * 40}| {n}/20000 [00:01<00:02]" for n in range(20_000)]
    data, read, offset = "\r".join(bars).encode(), list[str](), 0
    with tempfile.NamedTemporaryFile() as file:
        file.write(data + b"\n")
        file.flush()
        while offset <= len(data):
            piece, offset = whole_lines(Path(file.name), offset)
            read += log_lines(piece)
    assert len(read) == 2 and set(read) <= set(bars) and read[-1] == bars[-1]


def test_a_limit_counts_the_age_of_the_process_and_no_clock_on_the_wall(
    make_job: MakeJob, admin_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(sharing=Sharing(max_hours=1))
    age = 3000.0
    limits = Limits(job, lambda: age)
    monkeypatch.setattr("time.time", lambda: 4e9)
    assert limits.passed() is None
    age = 3601.0
    assert limits.passed() == "time_limit"
    SharingSettings.objects.update_or_create(pk=1, defaults={"max_hours": 0.5})
    assert Limits(make_job(name="b"), lambda: 2000.0).passed() == "time_limit"
    dataset = make_dataset(admin_user)
    lifted = Sharing(max_hours=0)
    unlimited = make_job(name="c", owner=admin_user, dataset=dataset, sharing=lifted)
    assert Limits(unlimited, lambda: 1e9).passed() is None


def test_an_idle_gpu_is_noticed_and_a_busy_neighbour_is_not_taken_for_it(
    make_job: MakeJob,
) -> None:
    node = make_node(is_gpu=True)
    job = make_job(sharing=Sharing(idle_minutes=10))
    TrainingJob.objects.filter(pk=job.pk).update(node=node)
    Slot.objects.update(workload=job)
    job.refresh_from_db()
    now = 0.0
    limits = Limits(job, lambda: 1.0, clock=lambda: now)

    def load(own: float) -> None:
        gpus = [{"index": 0, "percent": own}, {"index": 1, "percent": 100}]
        limits.note({"type": "hardware", "gpus": gpus})

    now = 2000.0
    load(0)
    assert limits.passed() is None, "data and model are still being loaded"
    limits.note({"type": "started"})
    now += 500
    load(90)
    now += 500
    load(0)
    assert limits.passed() is None
    now += 101
    assert limits.passed() == "idle"


def test_the_first_loss_told_twice_is_compared(make_job: MakeJob) -> None:
    job = make_job()
    for step in range(2, 21, 2):
        Metric.objects.create(workload=job, step=step, values={"loss": 1 / step})
    continuity = Continuity(job)
    continuity.resumed(11)
    continuity.told({"step": 12, "loss": 0.5})
    continuity.told({"step": 14, "loss": 1 / 14})
    continuity.told({"step": 16, "loss": 99})
    job.refresh_from_db()
    [row] = job.continuity
    assert (row["step"], row["compared_step"], row["verdict"]) == (11, 14, "same")
    job.attempt = 2
    again = Continuity(job)
    again.resumed(20)
    job.refresh_from_db()
    assert [row["verdict"] for row in job.continuity] == ["same", "not_repeated"]


@pytest.mark.parametrize(
    ("before", "again", "expected"),
    [(2.0, 2.0, "same"), (2.0, 2.001, "close"), (2.0, 2.1, "different"), (0.0, 0.0, "same")],
)
def test_losses_are_same_close_or_different(before: float, again: float, expected: str) -> None:
    assert verdict(before, again) == expected


def test_deepspeed_is_told_what_its_documentation_asks_for() -> None:
    two, three = deepspeed_config("zero2"), deepspeed_config("zero3")
    assert two and three and deepspeed_config("ddp") is None and deepspeed_config("fsdp") is None
    assert two["zero_optimization"]["stage"] == 2 and three["zero_optimization"]["stage"] == 3
    assert three["zero_optimization"]["stage3_gather_16bit_weights_on_model_save"] is True
    for config in (two, three):
        assert config["train_micro_batch_size_per_gpu"] == config["train_batch_size"] == "auto"
        assert config["bf16"]["enabled"] == config["fp16"]["enabled"] == "auto"


def test_the_trainer_is_told_how_processes_share() -> None:
    def told(strategy: str, *, is_parallel: bool = True, has_gpu: bool = True) -> dict[str, object]:
        return parallel_arguments(
            strategy, is_parallel=is_parallel, has_gpu=has_gpu, deepspeed_path="/x/deepspeed.json"
        )

    assert told("ddp", is_parallel=False) == {}
    assert "ddp_backend" not in told("ddp") and told("ddp", has_gpu=False)["ddp_backend"] == "gloo"
    assert told("zero3")["deepspeed"] == "/x/deepspeed.json"
    assert "full_shard" in str(told("fsdp")["fsdp"]) and "deepspeed" not in told("fsdp")
