"""Works about models: bringing one from a hub, making one into files for other programs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training import registry
from training.base_models import fetched_folder, hub_token
from training.models import BaseModel, Hub, ModelFetch, Status
from training.shim.endings import Ending, told_ending
from training.shim.process import Runner

TOKEN_VARIABLES = {Hub.HUGGING_FACE: "HF_TOKEN", Hub.MODELSCOPE: "MODELSCOPE_API_TOKEN"}


class Fetching:
    """A base model from its hub. The token is in the environment alone: specs are files."""

    script = "fetch.py"
    stops_by_signal = True

    def __init__(self, fetch: ModelFetch) -> None:
        self.fetch = fetch

    def spec(self, runner: Runner) -> dict[str, Any]:
        base_model = self.fetch.base_model
        output = fetched_folder(base_model)
        output.parent.mkdir(parents=True, exist_ok=True)
        return {
            "hub": base_model.hub,
            "repo_id": base_model.hub_id,
            "revision": base_model.revision,
            "output": str(output),
            "events_path": str(runner.events),
        }

    def environment(self) -> Mapping[str, str]:
        hub = Hub(self.fetch.base_model.hub)
        token = hub_token(self.fetch.owner, hub)
        return {TOKEN_VARIABLES[hub]: token} if token else {}

    def watch(self, fence: int) -> None:
        pass

    def ending(self, outcome: dict[str, Any] | None, exit_code: int | None) -> Ending | None:
        return told_ending(outcome, exit_code)

    def on_end(self, ending: Ending, outcome: dict[str, Any] | None) -> None:
        if ending.status != Status.SUCCESS or outcome is None:
            return
        base_model = BaseModel.objects.get(pk=self.fetch.base_model_id)
        base_model.path = str(Path(outcome["path"]))
        base_model.commit = str(outcome.get("commit") or "")[:100]
        registry.inspect_base_model(base_model)
