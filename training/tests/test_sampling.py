"""Sample answers while the real trainer trains."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from training.tests.conftest import run_script
from training.tests.test_runner import events, greatest_difference, make_spec, weights

__all__ = ["make_spec"]
pytestmark = [pytest.mark.training, pytest.mark.xdist_group("training")]


def test_samples_change_nothing_of_the_training(
    training_python: Path, make_spec: Callable[..., Path]
) -> None:
    """Answers at the start, at each evaluation and at the end; the weights are those of a run
    without them, bit by bit, dropout included."""
    wanted: dict[str, Any] = {"val_size": 0.2, "eval_strategy": "steps", "eval_steps": 10}
    plain, asked = make_spec("plain", **wanted), make_spec("asked", **wanted)
    spec = json.loads(asked.read_text())
    prompts = ["What is 2 plus 3?", "What is 1 plus 1?"]
    asked.write_text(json.dumps(spec | {"sample_prompts": prompts}))
    runs = [run_script(training_python, "run.py", each) for each in (plain, asked)]
    assert [run.wait() for run in runs] == [0, 0]
    samples = events(asked, "samples")
    steps = [event["step"] for event in samples]
    last = events(asked, "finished")[0]["step"]
    assert steps == [0, *range(10, last, 10), last]
    assert [item["prompt"] for item in samples[0]["items"]] == prompts
    assert all(isinstance(item["output"], str) for event in samples for item in event["items"])
    assert events(plain, "samples") == []
    assert greatest_difference(weights(plain), weights(asked)) == 0
