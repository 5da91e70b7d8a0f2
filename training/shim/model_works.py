"""Works about models: bringing one from a hub, making one into files for other programs."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings

from training import llamafactory, registry
from training.base_models import fetched_folder, hub_token
from training.errors import Unbuildable
from training.models import (
    BaseModel,
    ExportFormat,
    Hub,
    ModelExport,
    ModelFetch,
    Reason,
    Status,
)
from training.shim.endings import Ending, told_ending
from training.shim.process import Runner
from training.weights import size_of

TOKEN_VARIABLES = {Hub.HUGGING_FACE: "HF_TOKEN", Hub.MODELSCOPE: "MODELSCOPE_API_TOKEN"}
SPARE_BYTES = 200 * 1024**2


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


class Exporting:
    """A version as a whole model."""

    script = "export.py"
    stops_by_signal = True

    def __init__(self, export: ModelExport) -> None:
        self.export = export

    def spec(self, runner: Runner) -> dict[str, Any]:
        version = self.export.version
        if not version.is_here:
            raise Unbuildable(Reason.MODEL, f"{version.path} does not exist")
        base = Path(version.base_path)
        if not base.is_dir():
            raise Unbuildable(Reason.MODEL, f"{base} does not exist")
        expected = size_of(base) * (2 if self.export.format == ExportFormat.GGUF else 1)
        if shutil.disk_usage(runner.folder).free < expected + SPARE_BYTES:
            raise Unbuildable(Reason.DISK_FULL, f"{expected} bytes are needed")
        name = re.sub(r"[^\w.-]+", "-", version.title)
        is_gguf = self.export.format == ExportFormat.GGUF
        converter = {"converter": str(settings.GGUF_CONVERTER), "name": name}
        return {
            "args": llamafactory.export_args(version),
            "events_path": str(runner.events),
            "output": str(self.export.folder / "output"),
            "expected_bytes": expected,
            "gguf": converter if is_gguf else None,
        }

    def environment(self) -> Mapping[str, str]:
        return {"CUDA_VISIBLE_DEVICES": ""}  # merged in memory; GPUs belong to trainings

    def watch(self, fence: int) -> None:
        pass

    def ending(self, outcome: dict[str, Any] | None, exit_code: int | None) -> Ending | None:
        return told_ending(outcome, exit_code)

    def on_end(self, ending: Ending, outcome: dict[str, Any] | None) -> None:
        if ending.status == Status.SUCCESS and outcome is not None:
            ModelExport.objects.filter(pk=self.export.pk).update(
                path=outcome["path"], size_bytes=outcome["size_bytes"]
            )
