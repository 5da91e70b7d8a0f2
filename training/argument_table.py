"""Every argument that LLaMA-Factory's training has: what a person may set, and why not the rest.

Names and meanings: LLaMA-Factory 0.9.5. Defaults are those that a job gets here (llamafactory.py),
not always LLaMA-Factory's own. The rows are in `argument_files`, a file for each group, with
their words in every language side by side.
"""

import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.functional import Promise, lazy
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

Text = str | Promise
Value = bool | int | float | str | dict[str, Any]

FOLDER = Path(__file__).resolve().parent / "argument_files"
BLOCKED_FILE = "blocked"


def _spoken(**words: str) -> str:
    """English where the reader's own language is not among them."""
    return words.get((get_language() or "en").partition("-")[0], words["en"])


# Once: each call of `lazy` makes a class of 28 KB.
worded = lazy(_spoken, str)


@dataclass(frozen=True)
class Argument:
    """One row. `default` None: LLaMA-Factory decides. Empty `methods` or `stages`: all of them.

    `above`: the value must be greater than this; `minimum` and `maximum` are allowed values.
    `package`: what the training environment needs besides what is installed with the platform.
    """

    name: str
    kind: str  # int, float, bool, text, modules, choice or json
    group: str
    label: Text
    help: Text
    default: Value | None = None
    minimum: float | None = None
    above: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    package: str = ""

    def fits(self, *, stage: str, method: str) -> bool:
        return (not self.methods or method in self.methods) and (
            not self.stages or stage in self.stages
        )

    @property
    def is_installed(self) -> bool:
        return not self.package or self.package in settings.TRAINING_PACKAGES

    @cached_property
    def range(self) -> str:
        """`> 0, ≤ 1`; empty for what is no number."""
        parts = []
        if self.above is not None:
            parts.append(f"> {self.above:g}")
        if self.minimum is not None:
            parts.append(f"≥ {self.minimum:,g}")
        if self.maximum is not None:
            parts.append(f"≤ {self.maximum:,.10g}")
        return ", ".join(parts)


@dataclass(frozen=True)
class Blocked:
    """Why some arguments are out of reach."""

    code: str
    reason: Text
    names: tuple[str, ...]


GROUPS: dict[str, Text] = {
    "main": _("Main parameters"),
    "data": _("Data"),
    "optimiser": _("Optimiser and schedule"),
    "precision": _("Precision and memory"),
    "model": _("Model and tokenizer"),
    "lora": "LoRA",
    "freeze": _("Freeze"),
    "preference": _("Preference training"),
    "multimodal": _("Images, video and audio"),
    "galore": "GaLore",
    "apollo": "APOLLO",
    "badam": "BAdam",
    "evaluation": _("Evaluation"),
    "saving": _("Logging and checkpoints"),
    "distributed": _("Several devices"),
    "diagnostics": _("Diagnostics"),
}


def _read(name: str) -> dict[str, dict[str, Any]]:
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


def _argument(name: str, group: str, row: dict[str, Any]) -> Argument:
    (label_en, help_en), (label_zh, help_zh) = row.pop("en"), row.pop("zh")
    for key in ("choices", "methods", "stages"):
        row[key] = tuple(row.get(key, ()))
    label, text = worded(en=label_en, zh=label_zh), worded(en=help_en, zh=help_zh)
    return Argument(name=name, group=group, label=label, help=text, **row)


ARGUMENTS: tuple[Argument, ...] = tuple(
    _argument(name, group, row) for group in GROUPS for name, row in _read(group).items()
)
BY_NAME: dict[str, Argument] = {argument.name: argument for argument in ARGUMENTS}
BLOCKED: tuple[Blocked, ...] = tuple(
    Blocked(code, worded(en=row["en"], zh=row["zh"]), tuple(row["names"]))
    for code, row in _read(BLOCKED_FILE).items()
)
WHY_BLOCKED: dict[str, Text] = {name: row.reason for row in BLOCKED for name in row.names}
