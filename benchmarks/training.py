"""What the platform adds to a training: a job from its start to success against the bare runner.

Both run the same spec on the same machine, one after the other, and are measured from the outside.
"""

import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from benchmarks._platform import PASSWORD, platform
from training.demo import content

ROOT = Path(__file__).resolve().parent.parent
RUNNER = ROOT / "training" / "runner"
PYTHON = ROOT / ".venv-training" / "bin" / "python"
ROUNDS = 3
POLL_S = 0.5
PARAMETERS = content.TUNING_PARAMETERS | {"num_train_epochs": 10.0}


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


def through_platform(api: httpx.Client, body: dict[str, Any]) -> tuple[float, str]:
    """Seconds until the API says success, and the job's id."""
    started = time.monotonic()
    job = api.post("training/jobs", json=body).raise_for_status().json()
    while job["status"] not in ("success", "failed"):
        time.sleep(POLL_S)
        job = api.get(f"training/jobs/{job['id']}").raise_for_status().json()
    assert job["status"] == "success", job["error"]
    return time.monotonic() - started, job["id"]


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
            ours, theirs = [], []
            for _round in range(ROUNDS):
                seconds, job = through_platform(api, body)
                ours.append(seconds)
                spec = data / "training" / job / "attempt-1" / "spec.json"
                with tempfile.TemporaryDirectory() as folder:
                    theirs.append(bare(spec, Path(folder)))
    one, other = statistics.median(ours), statistics.median(theirs)
    print(f"through the platform {one:.1f} s, bare runner {other:.1f} s")
    print(f"added {one - other:+.1f} s ({(one / other - 1) * 100:+.1f} %); allowed 5 % + 3 s")
