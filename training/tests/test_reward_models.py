"""A reward model is trained for real, and is not offered where it could not answer."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from accounts.models import User
from training.llamafactory import FIXED, METHOD_ARGUMENTS
from training.models import Deployment, Status
from training.tests.conftest import PAIRS, run_script
from training.tests.rows import make_job, make_version


@pytest.mark.training
def test_a_reward_model_is_trained(training_python: Path, tiny_model: Path, tmp_path: Path) -> None:
    rows = [
        {"instruction": question, "input": "", "chosen": answer, "rejected": "I do not know."}
        for question, answer in PAIRS[:12]
    ]
    data = tmp_path / "data"
    data.mkdir()
    (data / "pairs.json").write_text(json.dumps(rows))
    columns = {"prompt": "instruction", "query": "input", "chosen": "chosen"}
    entry = {"file_name": "pairs.json", "ranking": True}
    entry["columns"] = columns | {"rejected": "rejected"}
    (data / "dataset_info.json").write_text(json.dumps({"pairs": entry}))
    args = METHOD_ARGUMENTS["lora"] | FIXED | {"stage": "rm", "template": "qwen", "use_cpu": True}
    args |= {"model_name_or_path": str(tiny_model), "dataset": "pairs", "dataset_dir": str(data)}
    args |= {"output_dir": str(tmp_path / "out"), "max_steps": 4, "logging_steps": 1}
    spec = tmp_path / "spec.json"
    paths = {name: str(tmp_path / name) for name in ("events_path", "control_path")}
    spec.write_text(json.dumps({"args": args, **paths}))
    assert run_script(training_python, "run.py", spec).wait() == 0, spec.with_suffix(".log")
    told = [json.loads(line) for line in (tmp_path / "events_path").read_text().splitlines()]
    finished = told[-1]
    assert finished["type"] == "finished"
    assert finished["peak_rss_bytes"] > 100 * 1024**2
    assert (tmp_path / "out" / "adapter_model.safetensors").is_file()


def test_a_reward_model_cannot_be_deployed(alice: User, client_for: Callable[[User], Any]) -> None:
    job = make_job(alice, Status.SUCCESS, stage="rm")
    version = make_version(job)
    client_for(alice).post(f"/models/{version.pk}/deploy/", {"name": "judge"})
    assert not Deployment.objects.exists()
