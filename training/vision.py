"""Whether a base model can be shown pictures, told from its files and its chat template."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from llmplatform.text import enumerated
from training import llamafactory
from training.chat_templates import SEEING
from training.models import BaseModel, Dataset, ModelVersion

# In config.json, where the part that sees is described.
VISION_PARTS = ("vision_config", "visual", "vision_tower", "mm_vision_tower", "thinker_config")
# With "auto_map" and code of their own, which name it otherwise.
VISION_TYPES = {"minicpmv", "minicpmo", "kimi_vl", "youtu_vl", "lfm2_vl", "phi4mm"}
PROCESSORS = ("processor_config.json", "preprocessor_config.json")


def sees(base_model: BaseModel) -> bool | None:
    """None where its files are not at hand to tell."""
    folder = Path(base_model.path) if base_model.path else None
    if folder is None or not folder.is_dir():
        return None
    config = _json(folder / "config.json")
    has_part = any(config.get(name) for name in VISION_PARTS)
    return has_part or config.get("model_type") in VISION_TYPES


def is_seeing(version: ModelVersion) -> bool:
    """Whether a deployment of it can be sent pictures."""
    base_model = version.base_model
    return version.template in SEEING and base_model is not None and sees(base_model) is True


def why_blind(base_model: BaseModel, parameters: Mapping[str, Any]) -> dict[str, list[str]]:
    """What stands against pictures, by field; empty where nothing does."""
    if sees(base_model) is False:
        text = _(
            "The dataset has pictures, and this model cannot see: its files describe no vision "
            "part. Choose a vision-language model, such as Qwen2.5-VL."
        )
        return {"base_model": [text]}
    folder = Path(base_model.path or "/nowhere")
    if folder.is_dir() and not any((folder / name).is_file() for name in PROCESSORS):
        text = _(
            "The dataset has pictures, and this model's folder lacks the file that says how they "
            "are prepared: %(names)s."
        )
        return {"base_model": [text % {"names": " / ".join(PROCESSORS)}]}
    template = llamafactory.template_of(base_model, parameters)
    if template in SEEING:
        return {}
    text = _(
        "The dataset has pictures, and the chat template “%(name)s” has no place for them. Those "
        "that have: %(names)s."
    )
    shown = {"name": template or _("the model's own"), "names": enumerated(sorted(SEEING))}
    return {"template": [text % shown]}


def notes(
    dataset: Dataset, base_model: BaseModel, parameters: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """For somebody who is still choosing."""
    if not dataset.pictures:
        return []
    text = _(
        "Memory, time and cost are those of the texts alone. A model that sees needs more, by a "
        "rule that is not verified here."
    )
    cutoff = parameters.get("cutoff_len") or llamafactory.DEFAULTS["cutoff_len"]
    return [("dataset", text), ("cutoff_len", _cutoff_note(dataset, base_model, int(cutoff)))]


def _cutoff_note(dataset: Dataset, base_model: BaseModel, cutoff: int) -> str:
    counted = dataset.statistics.filter(base_model=base_model).first()
    text = _("Where a picture is cut, the training stops with an error.")
    if counted is None:
        more = _(
            "Count the tokens on the statistics page of the dataset to know how many it takes."
        )
        return f"{text} {more}"
    longest = max((length for length, _count in counted.result["lengths"]), default=0)
    if longest <= cutoff:
        return _("No record is cut: the longest has %(count)d tokens.") % {"count": longest}
    more = _("The longest record has %(count)d tokens, more than are read.")
    return f"{text} {more % {'count': longest}}"


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
