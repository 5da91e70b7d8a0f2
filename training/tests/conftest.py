"""What the training tests share: the training environment and one tiny model."""

import hashlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest
from django.conf import settings

from accounts.models import User
from training import services
from training.models import BaseModel, Dataset, TrainingJob

RUNNER = Path(__file__).resolve().parent.parent / "runner"
OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
PAIRS = [
    [f"What is {a} plus {b}?", f"{a} plus {b} is {a + b}."] for a in range(6) for b in range(6)
]


@pytest.fixture(scope="session")
def training_python() -> Path:
    """The interpreter that has LLaMA-Factory."""
    python = Path(settings.TRAINING_PYTHON)
    if not python.exists():
        pytest.fail(f"{python} is missing. Remedy: make test (it makes .venv-training)")
    return python


def run_script(python: Path, script: str, spec: Path, **popen: Any) -> subprocess.Popen[bytes]:
    """A script of training/runner in a process of its own, its output beside the spec."""
    with spec.with_suffix(".log").open("ab") as log:
        return subprocess.Popen(
            [str(python), str(RUNNER / script), str(spec)],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | OFFLINE | popen.pop("env", {}),
            **popen,
        )


@pytest.fixture(scope="session")
def tiny_model(training_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Qwen3 model with tokenizer; built once for all workers of the suite."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    model = shared / "tiny-model"
    try:
        (shared / "tiny-model.lock").mkdir()
    except FileExistsError:
        wait_for(model.exists)
        return model
    spec = shared / "tiny-model.json"
    sizes = {"epochs": 2, "hidden_size": 64, "num_layers": 2, "vocab_size": 600}
    paths = {"output": str(model), "events_path": str(shared / "tiny-model.events")}
    spec.write_text(json.dumps({"pairs": PAIRS, **sizes, **paths}))
    assert run_script(training_python, "build_model.py", spec).wait() == 0
    return model


class Forker:
    """Runs without the wait for imports: see forked_runs.py."""

    def __init__(self, python: Path) -> None:
        script = Path(__file__).with_name("forked_runs.py")
        self.process = subprocess.Popen(
            [str(python), str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | OFFLINE,
        )
        assert self._line() == "ready"

    def _line(self) -> str:
        out: IO[bytes] = self.process.stdout  # type: ignore[assignment]
        return out.readline().decode().strip()

    def start(self, spec: Path) -> int:
        self.process.stdin.write(f"{spec}\n".encode())  # type: ignore[union-attr]
        self.process.stdin.flush()  # type: ignore[union-attr]
        return int(self._line())

    def end(self, pid: int) -> int:
        """Its exit code."""
        told, code = self._line().split()
        assert int(told) == pid
        return int(code)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="session")
def forker(training_python: Path) -> Iterator[Forker]:
    forker = Forker(training_python)
    yield forker
    forker.close()


@pytest.fixture(scope="session")
def seeing_model(forker: Forker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small LLaVA model with random weights; see tiny_vision.py."""
    model = tmp_path_factory.mktemp("seeing") / "seeing.model"
    assert forker.end(forker.start(model)) == 0
    return model


def wait_for(condition: Callable[[], Any], seconds: float = 240) -> Any:
    """The first true value of `condition`; AssertionError if there is none in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError(f"it did not happen within {seconds} s")


@pytest.fixture
def dataset(alice: User) -> Dataset:
    """Sums, in alpaca's columns."""
    rows = [json.dumps({"instruction": q, "input": "", "output": a}) for q, a in PAIRS]
    path = Path(settings.MEDIA_ROOT) / "datasets" / f"sums-{alice.pk}" / "data.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return Dataset.objects.create(
        owner=alice,
        name="sums",
        format="alpaca",
        records=len(rows),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        path=str(path.relative_to(settings.MEDIA_ROOT)),
    )


@pytest.fixture
def base_model(alice: User, tmp_path: Path) -> BaseModel:
    """A folder that only looks like a model; tests that train set its path to `tiny_model`."""
    folder = tmp_path / "base"
    folder.mkdir()
    return BaseModel.objects.create(owner=alice, name="tiny", path=str(folder), template="qwen")


@pytest.fixture
def make_job(alice: User, dataset: Dataset, base_model: BaseModel) -> Callable[..., TrainingJob]:
    def make(name: str = "job", **fields: Any) -> TrainingJob:
        wanted = {"owner": alice, "base_model": base_model, "dataset": dataset} | fields
        return services.create_job(name=name, **wanted)

    return make
