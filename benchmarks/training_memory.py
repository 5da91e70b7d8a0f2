"""The estimate of a training's memory against the measured peak, on models of random weights.

On a processor, where the peak is the most that the process ever held. `SIZES` are run with each
method; every run makes three steps, so that the optimiser's moments exist.
"""

import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

SIZES: dict[str, dict[str, Any]] = {
    "small": {"layers": 6, "hidden": 512, "intermediate": 1408, "heads": 8, "vocabulary": 32000},
    "medium": {"layers": 12, "hidden": 768, "intermediate": 2048, "heads": 12, "vocabulary": 32000},
    "large": {"layers": 16, "hidden": 1280, "intermediate": 3456, "heads": 16, "vocabulary": 32000},
}
METHODS = ("full", "lora", "qlora")
LENGTHS = ({"cutoff_len": 512, "per_device_train_batch_size": 2},)
RUNNER = Path(__file__).resolve().parent.parent / "training" / "runner" / "run.py"
OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


def make_model(python: str, folder: Path, size: dict[str, Any]) -> None:
    spec = folder.with_suffix(".json")
    spec.write_text(json.dumps(size | {"output": str(folder), "tied": False}))
    script = Path(__file__).with_name("_random_model.py")
    subprocess.run([python, str(script), str(spec)], check=True, capture_output=True)


def make_data(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    rows = [json.dumps({"text": "the quick brown fox " * 400}) for _ in range(40)]
    (folder / "d.jsonl").write_text("\n".join(rows))
    entry = {"d": {"file_name": "d.jsonl", "columns": {"prompt": "text"}}}
    (folder / "dataset_info.json").write_text(json.dumps(entry))


def peak_of(python: str, work: Path, args: dict[str, Any]) -> int:
    """Bytes. Raises RuntimeError with the end of the log."""
    spec, events = work / "spec.json", work / "events.jsonl"
    events.unlink(missing_ok=True)
    paths = {"events_path": str(events), "control_path": str(work / "control")}
    spec.write_text(json.dumps({"args": args} | paths))
    ended = subprocess.run(
        [python, str(RUNNER), str(spec)], capture_output=True, text=True, env=os.environ | OFFLINE
    )
    told = [json.loads(line) for line in events.read_text().splitlines()]
    finished = [event for event in told if event["type"] == "finished"]
    if not finished:
        raise RuntimeError((ended.stdout + ended.stderr)[-1500:])
    return int(finished[-1]["peak_rss_bytes"])


def compare(python: str, work: Path, model: Path, method: str, values: dict[str, Any]) -> str:
    from training import llamafactory
    from training.memory import Setup, memory_of
    from training.models import BaseModel
    from training.shapes import shape_of
    from training.weights import count_parameters

    parameters = llamafactory.DEFAULTS | values | {"max_steps": 3}
    base_model = BaseModel(path=str(model), parameters=count_parameters(model))
    shape = shape_of(base_model)
    assert shape is not None
    expected = memory_of(shape, Setup("pt", method, parameters), is_gpu=False)
    args = llamafactory.METHOD_ARGUMENTS[method] | parameters | llamafactory.FIXED
    args |= {"stage": "pt", "model_name_or_path": str(model), "dataset": "d", "packing": True}
    args |= {"dataset_dir": str(work / "data"), "output_dir": str(work / "out"), "use_cpu": True}
    args |= {"save_strategy": "no"}
    shutil.rmtree(work / "out", ignore_errors=True)
    peak = peak_of(python, work, args)
    off = expected.total / peak - 1
    parts = " ".join(f"{size / 2**20:.0f}" for size in asdict(expected).values())
    shown = f"{values['per_device_train_batch_size']} x {values['cutoff_len']}"
    return (
        f"{shape.parameters / 1e6:4.0f} M {method:>6} {shown:>9}  "
        f"expected {expected.total / 2**20:6.0f} MiB  "
        f"measured {peak / 2**20:6.0f} MiB  {off:+.1%}  ({parts})"
    )


def main() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "llmplatform.settings")
    django.setup()
    from django.conf import settings

    python = str(settings.TRAINING_PYTHON)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        make_data(work / "data")
        for name, size in SIZES.items():
            make_model(python, work / name, size)
            for method in METHODS:
                for values in LENGTHS:
                    print(compare(python, work, work / name, method, values), flush=True)


if __name__ == "__main__":
    main()
