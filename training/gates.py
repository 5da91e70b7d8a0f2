"""What can keep a version from a label. A new check is a line in GATES.

A check gives the reasons that stand against a version, a sentence each, in the reader's language;
none where nothing does, or nothing is known.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from training import evaluation_gate, parity
from training.models import ModelVersion
from training.routes import PRODUCTION


@dataclass(frozen=True)
class Gate:
    """`labels` are those that it guards."""

    code: str
    title: Any
    problems_of: Callable[[ModelVersion], list[str]]
    labels: tuple[str, ...] = (PRODUCTION,)


@dataclass(frozen=True)
class Problem:
    gate: str
    title: str
    text: str


GATES: tuple[Gate, ...] = (
    Gate("evaluation", _("Evaluation"), evaluation_gate.problems_of),
    Gate("parity", _("Serving parity"), parity.problems_of),
)


def problems_of(
    version: ModelVersion, label: str, gates: tuple[Gate, ...] | None = None
) -> list[Problem]:
    """All that stands against it. `gates`: those to ask instead of all."""
    asked = [gate for gate in (GATES if gates is None else gates) if label in gate.labels]
    return [
        Problem(gate.code, str(gate.title), text)
        for gate in asked
        for text in gate.problems_of(version)
    ]
