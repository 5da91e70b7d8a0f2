"""LLaMA-Factory's own YAML, read into the form and written from a job."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils.translation import gettext as _

from accounts.models import User
from llmplatform.text import UNSTORABLE
from training import arguments, llamafactory
from training.argument_table import BY_NAME, WHY_BLOCKED
from training.models import BaseModel, Dataset, Method, Stage, TrainingJob

MAX_BYTES = 64 * 1024
# YAML reads a bare `no` as false, which these mean as a word.
WORDS = ("eval_strategy", "save_strategy")
METHODS = {"lora": Method.LORA, "freeze": Method.FREEZE, "full": Method.FULL}
OWN = (
    *("stage", "finetuning_type", "model_name_or_path", "dataset", "eval_dataset"),
    "quantization_method",
)


@dataclass(frozen=True)
class Refusal:
    name: str
    reason: str


@dataclass
class Imported:
    """What could be taken over, and what was left out and why."""

    base_model: BaseModel | None = None
    dataset: Dataset | None = None
    eval_dataset: Dataset | None = None
    stage: str = Stage.SFT
    method: str = Method.LORA
    parameters: dict[str, Any] = field(default_factory=dict)
    refused: list[Refusal] = field(default_factory=list)

    def refuse(self, name: str, reason: object) -> None:
        self.refused.append(Refusal(name, str(reason)))

    def initial(self) -> dict[str, Any]:
        """For the form."""
        found = {"stage": self.stage, "method": self.method, **self.parameters}
        if self.base_model is not None:
            found["base_model"] = self.base_model.pk
        if self.dataset is not None:
            found |= {"dataset": self.dataset.pk, "name": self.dataset.name}
        if self.eval_dataset is not None:
            found["eval_dataset"] = self.eval_dataset.pk
        return found


def export(job: TrainingJob) -> str:
    """As `llamafactory-cli train` reads it; paths of this installation are left out."""
    return llamafactory.yaml_of(llamafactory.shown_args(job))


def read(text: str, *, user: User) -> Imported:
    """ValidationError keyed `yaml` for what is no configuration at all."""
    values = _mapping(text)
    found = Imported()
    _take_stage(found, values.get("stage"))
    _take_method(found, values)
    if location := _word(values.get("model_name_or_path")):
        _take_model(found, location, user)
    if names := values.get("dataset"):
        found.dataset = _dataset(found, "dataset", names, user)
    if names := values.get("eval_dataset"):
        found.eval_dataset = _dataset(found, "eval_dataset", names, user)
    _take_parameters(found, {k: v for k, v in values.items() if k not in OWN})
    return found


def _mapping(text: str) -> dict[str, Any]:
    if len(text.encode()) > MAX_BYTES:
        raise ValidationError({"yaml": [_("This is longer than a configuration ever is (64 KB).")]})
    try:
        # Aliases let a few lines stand for gigabytes, and no configuration needs them.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
            raise ValidationError({"yaml": [_("Anchors and aliases are not read here.")]})
        values = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        text = _("Line %(line)s cannot be read as YAML: %(problem)s.")
        shown = {"line": line, "problem": error.problem or ""}
        raise ValidationError({"yaml": [text % shown]}) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValidationError({"yaml": [_("This cannot be read as YAML.")]}) from error
    if not isinstance(values, dict) or not values:
        text = _("A configuration is a list of names with values, such as “stage: sft”.")
        raise ValidationError({"yaml": [text]})
    return {str(name): value for name, value in values.items()}


def _take_stage(found: Imported, stage: Any) -> None:
    if _word(stage) in Stage.values:
        found.stage = str(stage)
    elif stage == "ppo":
        found.refuse("stage", WHY_BLOCKED["ppo_epochs"])
    elif stage is not None:
        found.refuse("stage", _("There is no such stage."))


def _take_method(found: Imported, values: Mapping[str, Any]) -> None:
    wanted = _word(values.get("finetuning_type", "lora"))
    if wanted == "oft":
        found.refuse("finetuning_type", WHY_BLOCKED["oft_rank"])
    elif wanted not in METHODS:
        found.refuse("finetuning_type", _("There is no such method."))
    found.method = METHODS.get(wanted, Method.LORA)
    if values.get("quantization_bit") and found.method == Method.LORA:
        found.method = Method.QLORA
    if (kind := values.get("quantization_method", "bnb")) not in ("bnb", "bitsandbytes"):
        text = _("Models are quantised with bitsandbytes here, not with %(kind)s.")
        found.refuse("quantization_method", text % {"kind": str(kind)[:40]})


def _take_model(found: Imported, location: str, user: User) -> None:
    same = Q(path=location) | Q(hub_id=location) | Q(name=location)
    found.base_model = BaseModel.objects.for_user(user).ready().filter(same).first()
    if found.base_model is None:
        text = _("No base model here is “%(location)s”. Register it, or choose another one.")
        found.refuse("model_name_or_path", text % {"location": location[:200]})


def _dataset(found: Imported, field: str, names: Any, user: User) -> Dataset | None:
    """The first of `names` that the person has."""
    listed = names if isinstance(names, list) else _word(names).split(",")
    wanted = [_word(name).strip() for name in listed if _word(name).strip()]
    rows = {row.name: row for row in Dataset.objects.for_user(user).filter(name__in=wanted)}
    known = [name for name in wanted if name in rows]
    for name in wanted:
        if name not in rows:
            text = _("You have no dataset “%(name)s”. Upload it, or choose another one.")
            found.refuse(field, text % {"name": name[:100]})
        elif name != known[0]:
            found.refuse(field, f"{name}: {WHY_BLOCKED['mix_strategy']}")
    return rows[known[0]] if known else None


def _word(value: Any) -> str:
    """As a text that can be looked up; empty for what is none."""
    return value if isinstance(value, str) and not UNSTORABLE.search(value) else ""


def _take_parameters(found: Imported, values: Mapping[str, Any]) -> None:
    """All that hold together; what stands against that is left out, one after the other."""
    wanted = {name: _plain(name, value) for name, value in values.items() if value is not None}
    while True:
        try:
            cleaned = _cleaned(found, wanted)
            break
        except ValidationError as error:
            told = error.message_dict
            named = [name for name in told if name in wanted]
            for name in named or [_asker(found, wanted, told)]:
                found.refuse(name, " ".join(told.get(name) or error.messages))
                del wanted[name]
    found.parameters = cleaned


def _cleaned(found: Imported, wanted: Mapping[str, Any]) -> dict[str, Any]:
    has_own = found.eval_dataset is not None
    return arguments.clean(wanted, stage=found.stage, method=found.method, has_eval_dataset=has_own)


def _asker(found: Imported, wanted: Mapping[str, Any], told: Mapping[str, Any]) -> str:
    """What is wrong is something that is not there: the parameter that asks for it."""
    for name in wanted:
        rest = {other: value for other, value in wanted.items() if other != name}
        try:
            _cleaned(found, rest)
        except ValidationError as error:
            if told.keys() <= error.message_dict.keys():
                continue
        return name
    return next(iter(wanted))


def _plain(name: str, value: Any) -> Any:
    """As a person would type it."""
    if name in WORDS and value is False:
        return "no"
    known = BY_NAME.get(name)
    if isinstance(value, list) and known is not None and known.kind in ("modules", "text"):
        return ",".join(str(item) for item in value)
    return value
