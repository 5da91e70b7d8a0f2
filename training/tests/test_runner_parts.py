"""The runner's parts that need no training environment, and the demo's texts."""

import json
import signal
import threading
from pathlib import Path

import pytest

from training.demo import content
from training.runner.control import Control, Interrupted
from training.runner.events import EventLog
from training.runner.failures import kind_of, message_of


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError(), "out_of_memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 20 GiB"), "out_of_memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "out_of_memory"),
        (OSError(28, "No space left on device"), "disk_full"),
        (RuntimeError("PytorchStreamWriter failed writing file data/3"), "disk_full"),
        (RuntimeError("Cannot find valid samples, check `data/README.md`"), "data"),
        (ValueError("Template nosuch does not exist."), "configuration"),
        (ValueError("Some keys are not used by the HfArgumentParser: ['x']"), "configuration"),
        (OSError("Failed to load tokenizer."), "model"),
        (OSError("We couldn't connect to 'https://huggingface.co' to load the files"), "model"),
        (RuntimeError("something else"), "unknown"),
    ],
)
def test_a_failure_has_a_kind(error: Exception, kind: str) -> None:
    assert kind_of(error) == kind


def test_the_root_cause_is_named() -> None:
    try:
        try:
            raise OSError(28, "No space left on device")
        except OSError as cause:
            raise RuntimeError("saving failed") from cause
    except RuntimeError as error:
        assert kind_of(error) == "disk_full"
        assert message_of(error).startswith("saving failed (")


def test_events_are_whole_lines_of_valid_json(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events")
    log.write("metrics", step=1, loss=float("nan"), note="学习\n率")
    row = json.loads((tmp_path / "events").read_text(encoding="utf-8").splitlines()[0])
    assert row["type"] == "metrics" and row["loss"] is None and row["note"] == "学习\n率"


def test_a_full_disk_loses_an_event_and_not_the_run() -> None:
    EventLog(Path("/dev/full")).write("progress", step=1)


def test_the_control_file_is_followed_while_it_changes(tmp_path: Path) -> None:
    control = Control(tmp_path / "control")
    assert control.asked() is None
    (tmp_path / "control").write_text("pause")
    assert control.asked() == "pause"
    (tmp_path / "control").write_text("stop\n")
    assert control.asked() == "stop"
    (tmp_path / "control").unlink()
    assert control.asked() is None


def test_a_request_interrupts_the_preparation_only(tmp_path: Path) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGTERM)}
    control = Control(tmp_path / "control")
    control.listen()
    try:
        control.prepare()
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert control.asked() == "pause"
        (tmp_path / "control").write_text("stop")
        assert control.asked() == "stop"
    finally:
        # It may be about to send a signal, which would end this process once nobody handles it.
        for thread in threading.enumerate():
            if thread.name == "control":
                thread.join()
        for number, handler in before.items():
            signal.signal(number, handler)


def test_the_demo_teaches_one_name_over_another() -> None:
    base, tuned = dict(content.base_pairs()), content.tuning_records()
    assert len(base) == len(content.base_pairs()) >= 300, "no question is asked twice"
    renamed = [row for row in tuned if row["output"] != base[row["instruction"]]]
    assert len(renamed) >= 90
    for row in tuned:
        assert "{" not in row["output"]
    for question in content.SUGGESTED_QUESTIONS:
        assert question in base and question in {row["instruction"] for row in tuned}
