"""The runner with the real LLaMA-Factory: exact pauses, exit codes, serving."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from safetensors.numpy import load_file

from conftest import free_port
from training.runner.checkpoints import newest_complete_checkpoint
from training.tests.conftest import OFFLINE, PAIRS, run_script, wait_for

pytestmark = [pytest.mark.training, pytest.mark.xdist_group("training")]

MakeSpec = Callable[..., Path]


@pytest.fixture
def make_spec(tmp_path: Path, tiny_model: Path) -> MakeSpec:
    data = tmp_path / "data"
    data.mkdir()
    rows = [{"instruction": q, "input": "", "output": a} for q, a in PAIRS]
    (data / "sums.json").write_text(json.dumps(rows))
    (data / "dataset_info.json").write_text(json.dumps({"sums": {"file_name": "sums.json"}}))

    def make(name: str, **args: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "control_path").unlink(missing_ok=True)
        arguments = {
            **{"stage": "sft", "do_train": True, "finetuning_type": "lora", "lora_target": "all"},
            **{"model_name_or_path": str(tiny_model), "template": "qwen", "use_cpu": True},
            **{"dataset": "sums", "dataset_dir": str(data), "output_dir": str(folder / "out")},
            **{"per_device_train_batch_size": 2, "num_train_epochs": 2.0, "learning_rate": 0.001},
            **{"lora_dropout": 0.1, "logging_steps": 1, "save_steps": 10, "report_to": "none"},
            **{"seed": 42, "disable_tqdm": True, "cutoff_len": 128},
            **args,
        }
        spec = folder / "spec.json"
        paths = {name: str(folder / name) for name in ("events_path", "control_path")}
        spec.write_text(json.dumps({"args": arguments, **paths}))
        return spec

    return make


def events(spec: Path, kind: str | None = None) -> list[dict[str, Any]]:
    path = spec.parent / "events_path"
    lines = path.read_text().splitlines() if path.exists() else []
    rows = [json.loads(line) for line in lines]
    return [row for row in rows if kind in (None, row["type"])]


def reached(spec: Path, step: int) -> bool:
    return any(row["step"] >= step for row in events(spec, "metrics"))


def weights(spec: Path, name: str = "adapter_model.safetensors") -> dict[str, Any]:
    return load_file(spec.parent / "out" / name)


def greatest_difference(one: dict[str, Any], other: dict[str, Any]) -> float:
    assert one.keys() == other.keys()
    return max(float(abs(one[name] - other[name]).max()) for name in one)


@pytest.mark.parametrize(
    ("method", "file"), [("lora", "adapter_model.safetensors"), ("full", "model.safetensors")]
)
def test_pause_and_resume_is_exact(
    training_python: Path, make_spec: MakeSpec, method: str, file: str
) -> None:
    whole = make_spec("whole", finetuning_type=method)
    assert run_script(training_python, "run.py", whole).wait() == 0

    paused = make_spec("paused", finetuning_type=method)
    process = run_script(training_python, "run.py", paused)
    wait_for(lambda: reached(paused, 7))
    (paused.parent / "control_path").write_text("pause")
    assert process.wait() == 75
    pause = events(paused, "paused")[0]
    assert 7 <= pause["step"] < 36
    assert not (paused.parent / "out" / file).exists()

    resumed = make_spec(
        "paused", finetuning_type=method, resume_from_checkpoint=pause["checkpoint"]
    )
    assert run_script(training_python, "run.py", resumed).wait() == 0
    assert greatest_difference(weights(whole, file), weights(resumed, file)) == 0
    steps = [row["step"] for row in events(resumed, "metrics") if "loss" in row]
    assert steps == sorted(set(steps)), "no step is told twice"


def test_a_killed_run_goes_on_from_its_newest_checkpoint(
    training_python: Path, make_spec: MakeSpec
) -> None:
    whole = make_spec("whole")
    assert run_script(training_python, "run.py", whole).wait() == 0
    killed = make_spec("killed")
    process = run_script(training_python, "run.py", killed)
    wait_for(lambda: reached(killed, 13))
    process.kill()
    process.wait()
    checkpoint = newest_complete_checkpoint(killed.parent / "out")
    assert checkpoint is not None
    resumed = make_spec("killed", resume_from_checkpoint=str(checkpoint))
    assert run_script(training_python, "run.py", resumed).wait() == 0
    assert greatest_difference(weights(whole), weights(resumed)) == 0


def test_stop_saves_nothing_and_says_so(training_python: Path, make_spec: MakeSpec) -> None:
    spec = make_spec("stopped", num_train_epochs=50.0)
    process = run_script(training_python, "run.py", spec)
    wait_for(lambda: reached(spec, 2))
    (spec.parent / "control_path").write_text("stop")
    assert process.wait() == 76
    assert events(spec, "stopped")
    assert not (spec.parent / "out" / "adapter_model.safetensors").exists()


def test_a_signal_saves_and_during_the_imports_it_is_not_lost(
    training_python: Path, make_spec: MakeSpec
) -> None:
    early, late = make_spec("early"), make_spec("late", num_train_epochs=50.0)
    process = run_script(training_python, "run.py", early)
    wait_for(lambda: events(early, "loading"))
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 75
    process = run_script(training_python, "run.py", late)
    wait_for(lambda: reached(late, 2))
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 75
    told = events(late, "paused")[0]
    assert told["step"] >= 2 and Path(told["checkpoint"]).is_dir()


def test_a_pause_before_the_first_step_keeps_the_checkpoint_it_came_from(
    training_python: Path, make_spec: MakeSpec, tmp_path: Path
) -> None:
    checkpoint = str(tmp_path / "checkpoint-10")
    spec = make_spec("early", resume_from_checkpoint=checkpoint)
    (spec.parent / "control_path").write_text("pause")
    assert run_script(training_python, "run.py", spec).wait() == 75
    told = events(spec, "paused")[0]
    assert (told["step"], told["checkpoint"]) == (10, checkpoint)


def test_processes_that_load_data_do_not_outlive_a_stop(
    training_python: Path, make_spec: MakeSpec
) -> None:
    workers = {"preprocessing_num_workers": 2, "dataloader_num_workers": 2}
    spec = make_spec("workers", num_train_epochs=50.0, **workers)
    process = run_script(training_python, "run.py", spec, start_new_session=True)
    wait_for(lambda: reached(spec, 2))
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 75
    wait_for(lambda: not _is_group_alive(process.pid))


def _is_group_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_story_is_whole(training_python: Path, make_spec: MakeSpec) -> None:
    spec = make_spec("story", num_train_epochs=1.0, include_num_input_tokens_seen=True)
    assert run_script(training_python, "run.py", spec).wait() == 0
    kinds = [row["type"] for row in events(spec) if row["type"] != "hardware"]
    assert kinds[:2] == ["loading", "started"] and kinds[-1] == "finished"
    started, finished = events(spec, "started")[0], events(spec)[-1]
    assert 0 < started["trainable_parameters"] < started["all_parameters"]
    assert events(spec, "progress")[-1]["step"] == started["max_steps"] == finished["step"]
    rows = events(spec, "metrics")
    assert [row["step"] for row in rows] == list(range(1, started["max_steps"] + 1))
    assert rows[-1]["grad_norm"] > 0 and rows[-1]["tokens_per_second"] > 0
    mean = sum(row["loss"] for row in rows) / len(rows)
    assert finished["metrics"]["train_loss"] == pytest.approx(mean)
    assert finished["train_runtime_s"] > 0


def test_the_base_model_renders_what_the_trainer_renders(
    training_python: Path, tiny_model: Path
) -> None:
    code = """
import sys
from transformers import AutoTokenizer
from llamafactory.data.template import get_template_and_fix_tokenizer
from llamafactory.hparams import DataArguments
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
own = AutoTokenizer.from_pretrained(sys.argv[1])
template = get_template_and_fix_tokenizer(tokenizer, DataArguments(template="qwen"))
for system in (None, "Be kind."):
    messages = [{"role": "user", "content": "1?"}, {"role": "assistant", "content": "1."}]
    prompt, answer = template.encode_oneturn(tokenizer, messages, system=system)
    before = [{"role": "system", "content": system}] if system else []
    text = own.apply_chat_template(before + messages, tokenize=False)
    assert own.encode(text, add_special_tokens=False) == prompt + answer, own.decode(prompt)
"""
    command = [str(training_python), "-c", code, str(tiny_model)]
    done = subprocess.run(command, env=os.environ | OFFLINE, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_wrong_configuration_is_classified(training_python: Path, make_spec: MakeSpec) -> None:
    spec = make_spec("wrong", lora_target="nothing_like_this")
    assert run_script(training_python, "run.py", spec).wait() == 1
    assert events(spec, "failed")[0]["kind"] == "configuration"


def test_a_missing_model_is_said_at_once(training_python: Path, make_spec: MakeSpec) -> None:
    spec = make_spec("missing", model_name_or_path="/nowhere/model")
    assert run_script(training_python, "run.py", spec).wait() == 1
    told = events(spec, "failed")[0]
    assert told["kind"] == "model" and "/nowhere/model" in told["message"]


def test_broken_data_is_classified_with_its_cause(
    training_python: Path, make_spec: MakeSpec, tmp_path: Path
) -> None:
    spec = make_spec("broken")
    (tmp_path / "data" / "sums.json").write_text('[{"instruction": "a", "output":')
    assert run_script(training_python, "run.py", spec).wait() == 1
    assert events(spec, "failed")[0]["kind"] == "data"


def test_it_serves_behind_its_key(training_python: Path, tiny_model: Path, tmp_path: Path) -> None:
    port = free_port()
    spec = tmp_path / "serve.json"
    args = {
        "model_name_or_path": str(tiny_model),
        "template": "qwen",
        "infer_backend": "huggingface",
    }
    spec.write_text(json.dumps({"args": args, "port": port, "model_name": "sums"}))
    process = run_script(training_python, "serve.py", spec, env={"API_KEY": "a-key"})
    url = f"http://127.0.0.1:{port}/v1"
    signed = {"Authorization": "Bearer a-key"}
    try:
        wait_for(lambda: _answers(process, f"{url}/models", signed))
        assert httpx.get(f"{url}/models").status_code == 401
        body = {"model": "sums", "max_tokens": 4, "messages": [{"role": "user", "content": "1?"}]}
        answer = httpx.post(f"{url}/chat/completions", json=body, headers=signed, timeout=60)
        assert answer.json()["choices"][0]["message"]["role"] == "assistant"
    finally:
        process.terminate()
        assert process.wait(timeout=20) in (0, -signal.SIGTERM, 128 + signal.SIGTERM)


def _answers(process: subprocess.Popen[bytes], url: str, headers: dict[str, str]) -> bool:
    assert process.poll() is None
    try:
        return httpx.get(url, headers=headers).status_code == 200
    except httpx.HTTPError:
        return False


def test_an_incomplete_checkpoint_does_not_count(tmp_path: Path) -> None:
    for step, is_complete in ((10, True), (20, False)):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        for name in ("optimizer.pt", "scheduler.pt", "training_args.bin", "rng_state.pth"):
            (folder / name).write_text("x")
        (folder / "adapter_model.safetensors").write_text("x")
        if is_complete:
            (folder / "trainer_state.json").write_text(json.dumps({"global_step": step}))
    assert newest_complete_checkpoint(tmp_path) == tmp_path / "checkpoint-10"
    for name in ("optimizer.pt", "scheduler.pt", "adapter_model.safetensors", "rng_state.pth"):
        missing = tmp_path / "checkpoint-10" / name
        missing.rename(tmp_path / name)
        assert newest_complete_checkpoint(tmp_path) is None, name
        (tmp_path / name).rename(missing)
    assert newest_complete_checkpoint(tmp_path) == tmp_path / "checkpoint-10"
