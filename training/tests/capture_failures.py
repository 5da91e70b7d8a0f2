"""Fails trainings on purpose and keeps their logs: `python -m training.tests.capture_failures
<model folder> [name …]` fills failure_logs/ with what the real trainer says, paths made neutral.

Beside each log its first line says how it was made; logs that need what is not at hand (a GPU)
are written after known messages and say so.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from training.tests.bundles import picture

ROOT = Path(__file__).resolve().parents[2]
LOGS = Path(__file__).parent / "failure_logs"
PYTHON = ROOT / ".venv-training" / "bin" / "python"
ROWS = [
    {"instruction": f"{a} plus {b}?", "input": "", "output": f"{a + b}"}
    for a in range(6)
    for b in range(6)
]
COLUMNS = {"prompt": "instruction", "query": "input", "response": "output"}
ARGS: dict[str, Any] = {
    **{"stage": "sft", "dataset": "d1", "finetuning_type": "lora", "lora_target": "all"},
    **{"template": "qwen", "cutoff_len": 256, "per_device_train_batch_size": 1, "seed": 42},
    **{"learning_rate": 1e-4, "num_train_epochs": 3.0, "logging_steps": 5, "save_steps": 10},
    **{"save_total_limit": 20, "do_train": True, "report_to": "none", "disable_tqdm": True},
    **{"use_cpu": True, "lr_scheduler_type": "cosine"},
}
KEPT_LINES = 90


@dataclass
class Case:
    """How a run is brought to fail. `during` is called at the event `at`."""

    how: str
    args: dict[str, Any] = field(default_factory=dict)
    before: Callable[[Path, Path], None] = lambda run, model: None
    during: Callable[[subprocess.Popen[bytes], Path], None] | None = None
    at: str = "metrics"
    env: dict[str, str] = field(default_factory=dict)


def _records(text: str) -> Callable[[Path, Path], None]:
    def write(run: Path, model: Path) -> None:
        (run / "data" / "d1.json").write_text(text)

    return write


def _blocked(name: str) -> Callable[[subprocess.Popen[bytes], Path], None]:
    def block(process: subprocess.Popen[bytes], run: Path) -> None:
        checkpoint = run / "output" / "checkpoint-60"
        checkpoint.mkdir()
        (checkpoint / name).symlink_to("/dev/full")

    return block


def _without(name: str) -> Callable[[Path, Path], None]:
    return lambda run, model: (model / name).unlink()


def _cut_short(run: Path, model: Path) -> None:
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])


def _with_picture(run: Path, model: Path) -> None:
    (run / "data" / "a.png").write_bytes(picture())
    rows = [{**row, "input": "<image>", "images": ["a.png"]} for row in ROWS]
    _records(json.dumps(rows))(run, model)
    info = {"d1": {"file_name": "d1.json", "columns": COLUMNS | {"images": "images"}}}
    (run / "data" / "dataset_info.json").write_text(json.dumps(info))


def _kill(process: subprocess.Popen[bytes], run: Path) -> None:
    process.send_signal(signal.SIGKILL)


def _no_more_memory(process: subprocess.Popen[bytes], run: Path) -> None:
    used = psutil.Process(process.pid).memory_info().vms
    subprocess.run(["prlimit", f"--pid={process.pid}", f"--as={used}"], check=True)


EMPTY = json.dumps([{"instruction": "x", "input": "", "output": None}] * 20)
LONG = {"per_device_train_batch_size": 32, "cutoff_len": 8192, "num_train_epochs": 99.0}
CASES: dict[str, Case] = {
    "bad-records": Case("every record without an answer", before=_records(EMPTY)),
    "broken-json": Case("a file that ends in the middle", before=_records('[{"instruction": "')),
    "missing-column": Case(
        "records without a column", before=_records(json.dumps([{"instruction": "x"}] * 20))
    ),
    "wrong-template": Case("a template that does not exist", {"template": "qwen99"}),
    "wrong-modules": Case("an adapter for modules that are not there", {"lora_target": "q_projx"}),
    "wrong-stage": Case("DPO from records without a worse answer", {"stage": "dpo"}),
    "unknown-argument": Case("an argument that does not exist", {"learning_rat": 1}),
    "quantised-full": Case(
        "all weights of a quantised model", {"finetuning_type": "full", "quantization_bit": 4}
    ),
    "model-missing": Case("a folder that is not there", {"model_name_or_path": "/models/gone"}),
    "model-without-tokenizer": Case("no tokenizer", before=_without("tokenizer.json")),
    "model-cut-short": Case("weights that are cut short", before=_cut_short),
    # Of a model that sees (tiny_vision.py).
    "picture-cut": Case(
        "a cutoff length in the middle of a picture",
        {"template": "llava", "cutoff_len": 16},
        before=_with_picture,
    ),
    "hub-offline": Case(
        "a hub that refuses connections",
        {"model_name_or_path": "Qwen/Qwen3-8B"},
        env={"HF_ENDPOINT": "http://127.0.0.1:9"},
    ),
    "nan": Case(
        "a learning rate of 1e30",
        {
            **{"learning_rate": 1e30, "finetuning_type": "full", "max_grad_norm": 0.0},
            **{"lr_scheduler_type": "constant", "logging_steps": 1},
        },
    ),
    "disk-full": Case("no room for the optimiser's state", during=_blocked("optimizer.pt")),
    "disk-full-at-state": Case("no room for the state", during=_blocked("trainer_state.json")),
    "killed-by-kernel": Case("SIGKILL", LONG | {"cutoff_len": 256}, during=_kill),
    "processor-memory": Case(
        "a limit of its memory (RLIMIT_AS)",
        LONG,
        before=_records(json.dumps([{**ROWS[0], "output": "12 " * 6000}] * 64)),
        during=_no_more_memory,
        at="started",
    ),
}


def _prepare(case: Case, run: Path, model: Path) -> Path:
    (run / "data").mkdir(parents=True)
    (run / "data" / "d1.json").write_text(json.dumps(ROWS))
    info = {"d1": {"file_name": "d1.json", "columns": COLUMNS}}
    (run / "data" / "dataset_info.json").write_text(json.dumps(info))
    case.before(run, model)
    places = {"model_name_or_path": str(model), "output_dir": str(run / "output")}
    spec = {
        "args": ARGS | places | {"dataset_dir": str(run / "data")} | case.args,
        "events_path": str(run / "events.jsonl"),
        "control_path": str(run / "control"),
        "swanlab": None,
    }
    (run / "spec.json").write_text(json.dumps(spec))
    return run / "spec.json"


def _has_told(run: Path, kind: str) -> bool:
    events = run / "events.jsonl"
    return events.exists() and f'"{kind}"'.encode() in events.read_bytes()


def _fail(case: Case, run: Path, model: Path) -> int:
    spec = _prepare(case, run, model)
    with (run / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [PYTHON, ROOT / "training" / "runner" / "run.py", spec],
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=run,
            env=os.environ | case.env | {"HF_HOME": str(run / "hub"), "OMP_NUM_THREADS": "1"},
        )
        while case.during and process.poll() is None and not _has_told(run, case.at):
            time.sleep(0.05)
        if case.during and process.poll() is None:
            case.during(process, run)
        return process.wait(timeout=600)


def _told(run: Path) -> str:
    """The kind that the runner itself gave."""
    events = (run / "events.jsonl").read_text().splitlines()
    last = json.loads(events[-1])
    return str(last.get("kind", "")) if last["type"] == "failed" else ""


def _neutral(text: str, run: Path, model: Path) -> str:
    real = str(PYTHON.parent.parent.resolve())
    places = {str(run): "/data/run", str(model): "/models/tiny", str(ROOT): "/opt/platform"}
    for place, name in {real: "/opt/training", str(PYTHON.parent.parent): "/opt/training"}.items():
        text = text.replace(place, name)
    for place, name in places.items():
        text = text.replace(place, name)
    return text.replace(sys.base_prefix, "/usr")


def capture(name: str, source: Path) -> tuple[int, str]:
    """Exit code, and what the runner told."""
    case = CASES[name]
    with tempfile.TemporaryDirectory() as folder:
        run, model = Path(folder) / "run", Path(folder) / "model"
        shutil.copytree(source, model)
        code = _fail(case, run, model)
        lines = _neutral((run / "log.txt").read_text(errors="replace"), run, model).splitlines()
        told = _told(run)
    head = f"# captured: {case.how}; exit code {code}, told {told or 'nothing'}"
    (LOGS / f"{name}.txt").write_text("\n".join([head, *lines[-KEPT_LINES:]]) + "\n")
    return code, told


def main() -> None:
    source, names = Path(sys.argv[1]), sys.argv[2:] or list(CASES)
    for name in names:
        code, told = capture(name, source)
        sys.stdout.write(f"{name}: exit code {code}, told {told or 'nothing'}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
