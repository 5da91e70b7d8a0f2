"""Records as tokens with their loss mask, made by the trainer's own code and kept beside the data.

page asks -> answer is there? show it
             else a request in MEDIA_ROOT/tokens, and somebody who answers it (runner/tokens.py)
"""

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from training import datasets, dispatch, llamafactory
from training.advice import ADVICE
from training.answering import requests_folder, start_answering
from training.chat_templates import TEMPLATES
from training.dataset_handover import media_arguments
from training.diagnosis import diagnose
from training.models import BaseModel, Dataset, Node, Reason

# Encoded together: who looks at one record looks at the next one, too.
BLOCK = 10
MAX_CUTOFF = 131_072
DEFAULT_CUTOFF = int(llamafactory.DEFAULTS["cutoff_len"])
# A request that nobody has answered by then will not be.
PATIENCE_S = 120


@dataclass(frozen=True)
class Wanted:
    """Which training the tokens are for."""

    base_model: BaseModel
    stage: str
    template: str = ""
    cutoff_len: int = DEFAULT_CUTOFF
    train_on_prompt: bool = False
    mask_history: bool = False

    @property
    def args(self) -> dict[str, Any]:
        args: dict[str, Any] = {
            "model_name_or_path": self.base_model.location,
            "cutoff_len": self.cutoff_len,
            "train_on_prompt": self.train_on_prompt,
            "mask_history": self.mask_history,
        }
        if template := llamafactory.template_of(self.base_model, {"template": self.template}):
            args["template"] = template
        return args


@dataclass(frozen=True)
class Tokens:
    """`state`: ready, pending or failed (then `error` says why)."""

    state: str
    sequences: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""


def wanted_for(
    dataset: Dataset,
    base_model: BaseModel,
    *,
    stage: str = "",
    template: str = "",
    cutoff_len: int | None = None,
    train_on_prompt: bool = False,
    mask_history: bool = False,
) -> Wanted:
    """ValidationError keyed by field for what no training could have."""
    wrong: dict[str, list[str]] = {}
    if template and template not in TEMPLATES:
        wrong["template"] = [_("There is no such chat template.")]
    if stage and stage not in dataset.stages:
        wrong["stage"] = [_("This dataset does not serve that stage.")]
    cutoff = DEFAULT_CUTOFF if cutoff_len is None else cutoff_len
    if not 4 <= cutoff <= MAX_CUTOFF:
        wrong["cutoff_len"] = [
            _("Between %(least)d and %(most)d.") % {"least": 4, "most": MAX_CUTOFF}
        ]
    if train_on_prompt and mask_history:
        text = _("Learning the questions, too, and only the last answer exclude each other.")
        wrong["mask_history"] = [text]
    if wrong:
        raise ValidationError(wrong)
    chosen = stage or dataset.stages[0]
    return Wanted(base_model, chosen, template, cutoff, train_on_prompt, mask_history)


def tokens_of(dataset: Dataset, position: int, wanted: Wanted) -> Tokens:
    """Of the record at `position`, from 0. Asks for what is not there yet, and does not wait."""
    start = position - position % BLOCK
    output = _output(dataset, start, wanted)
    try:
        answer = json.loads(output.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return _asked(dataset, start, wanted, output)
    if "error" in answer:
        # Not kept: what was wrong may be mended.
        output.unlink(missing_ok=True)
        return Tokens("failed", error=_why(answer))
    record = answer["records"][position - start]
    if "error" in record:
        return Tokens("failed", error=record["error"])
    return Tokens("ready", [_shown(each) for each in record["sequences"]])


def _why(answer: Mapping[str, Any]) -> str:
    """In the trainer's words, unless it only could not get at the model."""
    if diagnose(answer.get("causes", []), exit_code=None).reason != Reason.HUB:
        return str(answer["error"])
    return str(ADVICE[Reason.HUB])


def _shown(sequence: Mapping[str, Any]) -> dict[str, Any]:
    length = max(1, sequence["length"])
    return {
        **sequence,
        "cut": sequence["full_length"] - sequence["length"],
        "learned_percent": round(100 * sequence["learned"] / length),
    }


def _output(dataset: Dataset, start: int, wanted: Wanted) -> Path:
    """Beside the data, so that it goes when the data go."""
    asked = [start, dataset.sha256, wanted.stage, wanted.args, dataset.layout]
    key = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:32]
    return dataset.file.parent / "tokens" / f"{key}.json"


def _asked(dataset: Dataset, start: int, wanted: Wanted, output: Path) -> Tokens:
    folder = requests_folder()
    request = folder / f"{output.stem}.request.json"
    try:
        age = time.time() - request.stat().st_mtime
    except FileNotFoundError:
        _write_request(dataset, start, wanted, output, request)
        age = 0
    if age > PATIENCE_S:
        request.unlink(missing_ok=True)
        return Tokens("failed", error=_("The training environment did not answer in time."))
    return Tokens("pending") if ensure_answering() else Tokens("failed", error=_nobody())


def _nobody() -> str:
    return _("No machine with the training environment is there to make the tokens.")


def _write_request(
    dataset: Dataset, start: int, wanted: Wanted, output: Path, request: Path
) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    request.parent.mkdir(parents=True, exist_ok=True)
    body = {
        "args": wanted.args | media_arguments(output.parent, [dataset]),
        "stage": wanted.stage,
        "entry": dataset.layout,
        "records": datasets.records_of(dataset)[start : start + BLOCK],
        "output": str(output),
    }
    draft = request.with_suffix(".new")
    draft.write_text(json.dumps(body, ensure_ascii=False), encoding="utf-8")
    draft.replace(request)


def ensure_answering() -> bool:
    """Somebody who looks at the requests: here, or on a node that has the training environment.
    False when there is nobody."""
    if Path(settings.TRAINING_PYTHON).exists():
        start_answering()
        return True
    node = Node.objects.recent().filter(has_training=True).first()
    if node is not None:
        dispatch.answer_tokens(node)
    return node is not None
