"""The work of a parity check: light, beside the deployment that it looks at."""

import json
from collections.abc import Mapping
from typing import Any

from training import llamafactory, parity
from training.dataset_handover import write_dataset_info
from training.errors import Unbuildable
from training.models import ParityCheck, Reason, Status
from training.shim.endings import Ending, told_ending
from training.shim.process import Runner

RESULTS = "results.json"


class Checking:
    script = "parity.py"
    stops_by_signal = True

    def __init__(self, check: ParityCheck) -> None:
        self.check = check

    def spec(self, runner: Runner) -> dict[str, Any]:
        version, deployment = self.check.version, self.check.served
        job = version.job
        if deployment is None or deployment.is_final or deployment.port is None:
            raise Unbuildable(Reason.CONFIGURATION, "the model is not deployed any more")
        if job is None or not job.dataset.has_file:
            raise Unbuildable(Reason.DATA, "the dataset is not there any more")
        folder = runner.folder / "data"
        folder.mkdir(exist_ok=True)
        return {
            "trainer": llamafactory.trainer_rendering_args(version),
            "data": {
                "names": write_dataset_info(folder, [job.dataset]),
                "folder": str(folder),
                "stage": job.stage,
                "seed": llamafactory.SEED,
            },
            "endpoint": deployment.endpoint,
            "model_name": deployment.name,
            "count": parity.PROMPTS,
            "max_new_tokens": parity.ANSWER_TOKENS,
            "results_path": str(runner.folder / RESULTS),
            "events_path": str(runner.events),
        }

    def environment(self) -> Mapping[str, str]:
        deployment = self.check.served
        key = deployment.key if deployment is not None else ""
        return {"API_KEY": key, "CUDA_VISIBLE_DEVICES": ""}

    def watch(self, fence: int) -> None:
        pass

    def ending(self, outcome: dict[str, Any] | None, exit_code: int | None) -> Ending | None:
        return told_ending(outcome, exit_code)

    def on_end(self, ending: Ending, outcome: dict[str, Any] | None) -> None:
        if ending.status != Status.SUCCESS:
            return
        check = ParityCheck.objects.get(pk=self.check.pk)
        file = check.folder / f"attempt-{check.attempt}" / RESULTS
        found = json.loads(file.read_text(encoding="utf-8").replace("\\u0000", ""))
        ParityCheck.objects.filter(pk=check.pk).update(results=found)
