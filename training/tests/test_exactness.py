"""A pause, a kill and a resume leave no trace: the weights are those of an undisturbed run, bit for
bit, in every stage and method that can be resumed, and in two processes.
"""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from safetensors.numpy import load_file

from conftest import free_port
from training.runner.checkpoints import newest_complete_checkpoint
from training.tests.conftest import OFFLINE, PAIRS, RUNNER, Forker, wait_for

pytestmark = [pytest.mark.training, pytest.mark.xdist_group("training")]

STEPS = 48
ADAPTER, WHOLE = "adapter_model.safetensors", "model.safetensors"
PREFERENCE = {"instruction": "prompt", "chosen": "chosen", "rejected": "rejected"}
DATASETS: dict[str, tuple[dict[str, Any], Callable[[str, str, int], dict[str, Any]]]] = {
    "sft": ({}, lambda q, a, i: {"instruction": q, "input": "", "output": a}),
    "pt": (
        {"columns": {"prompt": "text"}},
        lambda q, a, i: {"text": f"{q} {a}"},
    ),
    "dpo": (
        {
            "ranking": True,
            "columns": {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"},
        },
        lambda q, a, i: {"prompt": q, "chosen": a, "rejected": "No idea."},
    ),
    "kto": (
        {"columns": {"prompt": "prompt", "response": "output", "kto_tag": "label"}},
        lambda q, a, i: {"prompt": q, "output": a, "label": i % 2 == 0},
    ),
}


class Run:
    """One folder with a spec; `arguments` may say from where it goes on."""

    def __init__(self, folder: Path, arguments: dict[str, Any]) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.arguments = folder, arguments

    def spec(self, checkpoint: Path | str | None = None) -> Path:
        (self.folder / "control").unlink(missing_ok=True)
        args = self.arguments | {"output_dir": str(self.folder / "out")}
        if checkpoint is not None:
            args["resume_from_checkpoint"] = str(checkpoint)
        paths = {"events_path": str(self.folder / "events")}
        paths["control_path"] = str(self.folder / "control")
        spec = self.folder / "spec.json"
        spec.write_text(json.dumps({"args": args, **paths}))
        return spec

    def events(self, kind: str) -> list[dict[str, Any]]:
        path = self.folder / "events"
        lines = path.read_text().splitlines() if path.exists() else []
        return [row for row in map(json.loads, lines) if row["type"] == kind]

    def reached(self, step: int) -> bool:
        return any(row["step"] >= step for row in self.events("metrics"))

    def log(self) -> str:
        path = self.folder / "spec.log"
        return path.read_text(errors="replace")[-3000:] if path.exists() else ""

    def weights(self, name: str) -> dict[str, Any]:
        return load_file(self.folder / "out" / name)


@pytest.fixture
def make_run(tmp_path: Path, tiny_model: Path) -> Callable[..., Run]:
    data = tmp_path / "data"
    data.mkdir()
    infos = {}
    for name, (fields, row) in DATASETS.items():
        rows = [row(q, a, i) for i, (q, a) in enumerate(PAIRS)]
        (data / f"{name}.json").write_text(json.dumps(rows))
        infos[name] = {"file_name": f"{name}.json", **fields}
    (data / "dataset_info.json").write_text(json.dumps(infos))

    def make(name: str, stage: str, **arguments: Any) -> Run:
        known = {
            **{"stage": stage, "do_train": True, "finetuning_type": "lora", "lora_target": "all"},
            **{"model_name_or_path": str(tiny_model), "template": "qwen", "use_cpu": True},
            **{"dataset": stage, "dataset_dir": str(data), "report_to": "none", "seed": 42},
            **{"per_device_train_batch_size": 2, "max_steps": STEPS, "learning_rate": 0.001},
            **{"lora_dropout": 0.1, "logging_steps": 1, "save_steps": 5, "cutoff_len": 64},
        }
        return Run(tmp_path / name, known | arguments)

    return make


def difference(one: dict[str, Any], other: dict[str, Any]) -> float:
    assert one.keys() == other.keys()
    return max(float(abs(one[name] - other[name]).max()) for name in one)


def pause(run: Run, forker: Forker, at: int) -> str:
    """The checkpoint that it leaves."""
    pid = forker.start(run.spec())
    wait_for(lambda: run.reached(at) or run.events("failed"))
    (run.folder / "control").write_text("pause")
    assert forker.end(pid) == 75, run.log()
    told = run.events("paused")[-1]
    assert at <= told["step"] < STEPS
    return str(told["checkpoint"])


def kill(run: Run, forker: Forker, checkpoint: str) -> Path:
    """Some steps behind `checkpoint`; what it can go on from then."""
    at = int(checkpoint.rpartition("-")[2]) + 4
    pid = forker.start(run.spec(checkpoint))
    wait_for(lambda: run.reached(at) or run.events("failed"))
    os.kill(pid, signal.SIGKILL)
    assert forker.end(pid) == -signal.SIGKILL, run.log()
    found: Path | None = newest_complete_checkpoint(run.folder / "out")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("stage", "arguments", "file"),
    [
        ("sft", {"finetuning_type": "freeze", "freeze_trainable_layers": 1}, WHOLE),
        ("sft", {"quantization_bit": 4, "quantization_method": "bnb"}, ADAPTER),
        ("sft", {"finetuning_type": "full"}, WHOLE),
        ("pt", {"packing": True, "cutoff_len": 32}, ADAPTER),
        ("dpo", {}, ADAPTER),
        ("kto", {}, ADAPTER),
    ],
    ids=["freeze", "qlora", "full", "pt", "dpo", "kto"],
)
def test_paused_then_killed_then_finished(
    make_run: Callable[..., Run],
    forker: Forker,
    stage: str,
    arguments: dict[str, Any],
    file: str,
) -> None:
    whole = make_run("whole", stage, **arguments)
    assert forker.end(forker.start(whole.spec())) == 0, whole.log()
    broken = make_run("broken", stage, **arguments)
    first = pause(broken, forker, at=4)
    second = kill(broken, forker, first)
    assert forker.end(forker.start(broken.spec(second))) == 0, broken.log()
    assert len(broken.events("started")) == 3
    assert difference(whole.weights(file), broken.weights(file)) == 0


class Together:
    """A run in two processes, as a shim starts it."""

    def __init__(self, python: Path) -> None:
        self.python = python

    def start(self, run: Run, checkpoint: str | None = None) -> subprocess.Popen[bytes]:
        spec = run.spec(checkpoint)
        place = ["2", "1", "0", "127.0.0.1", str(free_port())]
        with spec.with_suffix(".log").open("ab") as log:
            return subprocess.Popen(
                [str(self.python), str(RUNNER / "launch.py"), str(spec), *place],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | OFFLINE,
                start_new_session=True,
            )


def test_two_processes_pause_and_resume_exactly(
    training_python: Path, make_run: Callable[..., Run]
) -> None:
    together = Together(training_python)
    gloo = {"ddp_backend": "gloo", "ddp_timeout": 1800, "max_steps": 16}
    whole, broken = make_run("whole", "sft", **gloo), make_run("broken", "sft", **gloo)
    assert together.start(whole).wait() == 0, whole.log()
    process = together.start(broken)
    wait_for(lambda: broken.reached(4) or process.poll() is not None)
    (broken.folder / "control").write_text("pause")
    assert process.wait() == 75, broken.log()
    told = broken.events("paused")
    assert len(told) == 1, "one of them speaks for both"
    folder = Path(told[0]["checkpoint"])
    assert newest_complete_checkpoint(broken.folder / "out", processes=2) == folder
    assert together.start(broken, str(folder)).wait() == 0, broken.log()
    assert difference(whole.weights(ADAPTER), broken.weights(ADAPTER)) == 0
    assert not _alive(process.pid)


def test_a_process_that_dies_ends_the_run_with_a_word(
    training_python: Path, make_run: Callable[..., Run]
) -> None:
    run = make_run("run", "sft", ddp_backend="gloo", max_steps=5000)
    process = Together(training_python).start(run)
    wait_for(lambda: run.reached(2) or process.poll() is not None)
    workers = psutil.Process(process.pid).children()
    assert len(workers) == 2, run.log()
    workers[1].kill()
    assert process.wait() != 0
    assert run.events("failed")[0]["kind"] == "killed", run.log()
    assert not any(worker.is_running() for worker in workers)


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
