"""What the platform adds to a training: a job from its start to success against the bare runner.

Both run the same spec on the same machine, one after the other, and are measured from the outside.
Meanwhile the processor time and the memory (PSS: shared pages in parts) of shim and worker are
taken: processor time hardly depends on what else the machine does, seconds do.
BENCH_TRAINING_EPOCHS and BENCH_TRAINING_ROUNDS change length and number.
"""

import json
import os
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks._platform import PASSWORD, platform
from training.demo import content

ROOT = Path(__file__).resolve().parent.parent
RUNNER = ROOT / "training" / "runner"
PYTHON = ROOT / ".venv-training" / "bin" / "python"
ROUNDS = int(os.environ.get("BENCH_TRAINING_ROUNDS", "3"))
# Asking and measuring take the processors from what is measured: seldom, and the seconds are those
# that the platform has written down itself.
POLL_S = 5.0
# About a minute on two cores.
EPOCHS = float(os.environ.get("BENCH_TRAINING_EPOCHS", "20"))
PARAMETERS = content.TUNING_PARAMETERS | {"num_train_epochs": EPOCHS}
MEASURED = ("shim", "worker", "beat")


@dataclass
class Watched:
    """Processes of the platform while a job runs: by name, processor seconds and PSS in bytes."""

    data: Path
    job: str
    first: dict[str, float] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)
    memory: dict[str, int] = field(default_factory=dict)
    began_at: float = 0.0
    ended_at: float = 0.0

    def look(self) -> None:
        found = {name: self._processes(name) for name in MEASURED}
        if not found["shim"]:
            return
        now = {name: sum(map(_cpu_s, family)) for name, family in found.items()}
        if not self.first:
            self.first, self.began_at = now, time.monotonic()
        self.last, self.ended_at = now, time.monotonic()
        for name, family in found.items():
            self.memory[name] = max(self.memory.get(name, 0), sum(map(_pss, family)))

    def _processes(self, name: str) -> list[psutil.Process]:
        if name == "shim":
            lock = self.data / "training" / self.job / "shim.lock"
            text = lock.read_text().strip() if lock.exists() else ""
            family = [psutil.Process(int(text))] if text and psutil.pid_exists(int(text)) else []
            return [one for one in family if "training.shim" in _words(one)]
        rows = json.loads((self.data / "run" / "processes.json").read_text())
        parents = [psutil.Process(row["pid"]) for row in rows if psutil.pid_exists(row["pid"])]
        parents = [one for one in parents if f" {name} " in _words(one)]
        families = [[one, *one.children(recursive=True)] for one in parents]
        return [one for family in families for one in family if f" {name} " in _words(one)]

    def share(self, name: str) -> float:
        """Of one core, in percent."""
        return 100 * (self.last[name] - self.first[name]) / (self.ended_at - self.began_at)


def _words(process: psutil.Process) -> str:
    """Of a zombie none. Of what a worker has started the shims and runners are not its own."""
    try:
        return f" {' '.join(process.cmdline())} "
    except psutil.Error:
        return ""


def _cpu_s(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return times.user + times.system


def _pss(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0


def build(folder: Path) -> Path:
    """A small base model; how well it answers does not matter here."""
    model, spec = folder / "tiny", folder / "build.json"
    wanted = {"pairs": content.base_pairs(), "output": str(model), "epochs": 1}
    spec.write_text(json.dumps(wanted | {"events_path": str(folder / "build.events")}))
    subprocess.run([PYTHON, RUNNER / "build_model.py", spec], check=True, capture_output=True)
    return model


def prepare(api: httpx.Client, model: Path) -> dict[str, Any]:
    """The body of a job; the ids of what it needs come from the API."""
    login = {"email": "admin@example.com", "password": PASSWORD}
    token = api.post("auth/login", json=login).raise_for_status().json()["access_token"]
    api.headers["Authorization"] = f"Bearer {token}"
    records = json.dumps(content.tuning_records(), ensure_ascii=False).encode()
    upload = api.post("datasets", data={"name": "bench"}, files={"file": ("b.json", records)})
    found = {"name": "bench", "path": str(model), "template": "qwen"}
    base = api.post("training/base-models", json=found).raise_for_status().json()
    dataset = upload.raise_for_status().json()["id"]
    wanted = {"base_model": base["id"], "dataset": dataset, "parameters": PARAMETERS}
    return {"name": "bench", "stage": "sft", "method": "lora", **wanted}


def through_platform(
    api: httpx.Client, body: dict[str, Any], data: Path
) -> tuple[float, str, Watched]:
    """Seconds from order to success, the job's id, and what was measured while it trained."""
    job = api.post("training/jobs", json=body).raise_for_status().json()
    watched = Watched(data, job["id"])
    while job["status"] not in ("success", "failed"):
        time.sleep(POLL_S)
        job = api.get(f"training/jobs/{job['id']}").raise_for_status().json()
        if job["status"] == "running":
            watched.look()
    assert job["status"] == "success", job["error"]
    took = datetime.fromisoformat(job["finished_at"]) - datetime.fromisoformat(job["created_at"])
    return took.total_seconds(), job["id"], watched


def bare(spec_path: Path, folder: Path) -> float:
    """Seconds of the same spec without the platform."""
    spec = json.loads(spec_path.read_text())
    spec["args"]["output_dir"] = str(folder / "output")
    spec |= {"events_path": str(folder / "events"), "control_path": str(folder / "control")}
    copy = folder / "spec.json"
    copy.write_text(json.dumps(spec))
    started = time.monotonic()
    subprocess.run([PYTHON, RUNNER / "run.py", copy], check=True, capture_output=True)
    return time.monotonic() - started


def main() -> None:
    with tempfile.TemporaryDirectory() as models:
        model = build(Path(models))
        extra = {"BASE_MODEL_ROOTS": models}
        with platform(extra) as (url, data), httpx.Client(base_url=f"{url}/api/v1/") as api:
            body = prepare(api, model)
            ours, theirs, seen = [], [], []
            # The first one also waits for a worker that has just been started.
            through_platform(api, body | {"parameters": PARAMETERS | {"num_train_epochs": 1}}, data)
            for _round in range(ROUNDS):
                seconds, job, watched = through_platform(api, body, data)
                ours.append(seconds)
                seen.append(watched)
                spec = data / "training" / job / "attempt-1" / "spec.json"
                with tempfile.TemporaryDirectory() as folder:
                    theirs.append(bare(spec, Path(folder)))
    report(ours, theirs, seen)


def report(ours: list[float], theirs: list[float], seen: list[Watched]) -> None:
    one, other = statistics.median(ours), statistics.median(theirs)
    print(f"through the platform {one:.1f} s, bare runner {other:.1f} s")
    print(f"added {one - other:+.1f} s ({(one / other - 1) * 100:+.1f} %); aim: 3 % of a minute")
    shares = {name: statistics.median(w.share(name) for w in seen) for name in MEASURED}
    sizes = {name: max(w.memory[name] for w in seen) / 1024**2 for name in MEASURED}
    for name in MEASURED:
        print(f"{name}: {shares[name]:.2f} % of a core, {sizes[name]:.0f} MiB (PSS)")
    both = shares["shim"] + shares["worker"]
    print(f"shim and worker while watching: {both:.2f} % of a core (aim: below 2 %),")
    print(f"{sizes['shim'] + sizes['worker']:.0f} MiB (aim: below 120)")
