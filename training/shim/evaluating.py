"""The work of an evaluation: two models, one after the other, on the same examples."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training import evaluation_results, llamafactory
from training.dataset_handover import write_dataset_info
from training.errors import Unbuildable
from training.general_texts import TEXTS
from training.models import Evaluation, HeldOut, Reason, Status
from training.shim.endings import Ending, gpu_environment, told_ending
from training.shim.process import Runner

RESULTS = "results.json"


class Evaluating:
    script = "evaluate.py"
    stops_by_signal = True

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation = evaluation

    def spec(self, runner: Runner) -> dict[str, Any]:
        version = self.evaluation.version
        if not Path(version.path).is_dir():
            raise Unbuildable(Reason.MODEL, f"{version.path} does not exist")
        return {
            "base": llamafactory.base_serving_args(version),
            "tuned": llamafactory.serving_args(version),
            "general": list(TEXTS),
            "limit": self.evaluation.limit,
            "max_new_tokens": self.evaluation.max_new_tokens,
            "results_path": str(runner.folder / RESULTS),
            "events_path": str(runner.events),
            **self._examples(runner),
        }

    def _examples(self, runner: Runner) -> dict[str, Any]:
        """Raises Unbuildable where they are gone."""
        evaluation = self.evaluation
        if evaluation.source == HeldOut.PROBES:
            return {"probes": evaluation.probes}
        job = evaluation.version.job
        is_share = evaluation.source == HeldOut.SHARE
        dataset = job.dataset if is_share and job is not None else evaluation.dataset
        if dataset is None or not dataset.has_file:
            raise Unbuildable(Reason.DATA, "the dataset is not there any more")
        folder = runner.folder / "data"
        folder.mkdir(exist_ok=True)
        data: dict[str, Any] = {
            "names": write_dataset_info(folder, [dataset]),
            "folder": str(folder),
            "stage": dataset.stages[0] if dataset.stages else "sft",
            "seed": llamafactory.SEED,
        }
        if is_share and job is not None:
            data |= {"seed": job.parameters.get("seed", llamafactory.SEED)}
            data |= {n: job.parameters.get(n) for n in ("val_size", "max_samples")}
        return {"data": data}

    def environment(self) -> Mapping[str, str]:
        return gpu_environment(self.evaluation)

    def watch(self, fence: int) -> None:
        pass

    def ending(self, outcome: dict[str, Any] | None, exit_code: int | None) -> Ending | None:
        return told_ending(outcome, exit_code)

    def on_end(self, ending: Ending, outcome: dict[str, Any] | None) -> None:
        if ending.status != Status.SUCCESS:
            return
        evaluation = Evaluation.objects.get(pk=self.evaluation.pk)
        file = evaluation.folder / f"attempt-{evaluation.attempt}" / RESULTS
        found = json.loads(file.read_text(encoding="utf-8"))
        evaluation_results.keep(evaluation, found)
