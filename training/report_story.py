"""How a training went: its attempts, its times, and whether its curve is whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _

from llmplatform.text import enumerated
from training import curve_blocks
from training.models import Status, TrainingJob, Transition
from training.step_runs import coverage
from training.templatetags.training_text import short

HOLES_SHOWN = 20


@dataclass
class Attempt:
    """One process. `end` None: it runs. `outcome` is the status it ended with."""

    number: int
    node: str
    granted_at: datetime
    running_at: datetime | None = None
    from_step: int = 0
    to_step: int = 0
    ended_at: datetime | None = None
    outcome: str = ""

    @property
    def training_s(self) -> float:
        if self.running_at is None:
            return 0.0
        return ((self.ended_at or timezone.now()) - self.running_at).total_seconds()

    @property
    def outcome_label(self) -> str:
        return str(Status(self.outcome).label) if self.outcome else ""


def trained_before_s(job: TrainingJob) -> float:
    """Seconds of the attempts before its present one, which a trainer knows nothing of."""
    attempts = attempts_of(list(job.transitions.order_by("at", "id")))
    return sum(attempt.training_s for attempt in attempts if attempt.number < job.attempt)


@dataclass(frozen=True)
class Continuity:
    """Whether the curve has a hole or a step told twice. `missing` are logged steps that lack."""

    first: int
    last: int
    points: int
    missing: tuple[int, ...]

    @property
    def is_whole(self) -> bool:
        return not self.missing


@dataclass(frozen=True)
class Resume:
    """How a run went on after a break, in words."""

    text: str
    is_broken: bool


def attempts_of(transitions: Sequence[Transition]) -> list[Attempt]:
    found: list[Attempt] = []
    for row in transitions:
        if row.status == Status.PREPARING:
            if found and found[-1].ended_at is None:  # broke off, and was started anew at once
                found[-1].ended_at, found[-1].to_step = row.at, row.step
            found.append(Attempt(row.attempt, row.node_name, row.at, from_step=row.step))
        elif found and row.status == Status.RUNNING:
            found[-1].running_at, found[-1].from_step = row.at, row.step
        elif found and found[-1].ended_at is None and row.status != Status.PENDING:
            found[-1].ended_at, found[-1].to_step = row.at, row.step
            found[-1].outcome = row.status
    return found


def paused_seconds(transitions: Sequence[Transition], until: datetime) -> float:
    """From each pause to the wish to go on (or the end)."""
    total, since = 0.0, None
    for row in transitions:
        if since is not None:
            total += (row.at - since).total_seconds()
        since = row.at if row.status == Status.PAUSED else None
    return total + ((until - since).total_seconds() if since is not None else 0.0)


def queued_seconds(job: TrainingJob, transitions: Sequence[Transition]) -> float:
    """From creation, or from each resume, to a place."""
    total, since = 0.0, job.created_at
    waits = True
    for row in transitions:
        if row.status == Status.PENDING:
            since, waits = row.at, True
        elif waits:
            total += max(0.0, (row.at - since).total_seconds())
            waits = False
    return total


def continuity_of(workload_id: UUID, every: int) -> Continuity | None:
    """None without points. `every`: a point is due each so many steps."""
    told = curve_blocks.told_steps(workload_id)
    if not told:
        return None
    found = coverage(told, every, HOLES_SHOWN)
    first, last = min(run[0] for run in told), max(run[1] for run in told)
    return Continuity(first, last, found.count, found.missing)


def resume_sentence(row: dict[str, Any]) -> str:
    """What TrainingJob.continuity says of one resume, in words."""
    texts = {
        "same": _(
            "Attempt %(n)s resumed at step %(from)s; continuity check passed: step %(at)s was "
            "repeated, and its loss is the same to the last digit (%(again)s)."
        ),
        "close": _(
            "Attempt %(n)s resumed at step %(from)s; continuity check passed: step %(at)s was "
            "repeated, and its loss is within 0.1 %% of the one before (%(before)s, now "
            "%(again)s)."
        ),
        "different": _(
            "Attempt %(n)s resumed at step %(from)s; continuity check failed: step %(at)s was "
            "repeated, and its loss is not the one before (%(before)s, now %(again)s)."
        ),
    }
    saved = _(
        "Attempt %(n)s resumed at step %(from)s, where everything was saved; no step had to be "
        "repeated."
    )
    shown = {
        "n": row["attempt"],
        "from": f"{row['step']:,}",
        "at": f"{row.get('compared_step', 0):,}",
        "before": short(row.get("before")),
        "again": short(row.get("again")),
    }
    return texts.get(row["verdict"], saved) % shown


def resumes_of(job: TrainingJob) -> list[Resume]:
    return [Resume(resume_sentence(row), row["verdict"] == "different") for row in job.continuity]


def _without_check(before: Attempt, attempt: Attempt) -> str:
    shown = {"n": attempt.number, "to": before.to_step, "from": attempt.from_step}
    if before.outcome == Status.PAUSED and before.to_step == attempt.from_step:
        return _("Attempt %(n)s went on from step %(from)s, where the one before paused.") % shown
    text = _("Attempt %(n)s went on from step %(from)s; the one before had come to step %(to)s.")
    return text % shown


def proof_of(job: TrainingJob, attempts: Sequence[Attempt], found: Continuity | None) -> list[str]:
    """Why the curve can be trusted, resumes included."""
    checked = {row["attempt"]: resume_sentence(row) for row in job.continuity}
    sentences = [
        checked.get(attempt.number) or _without_check(before, attempt)
        for before, attempt in pairwise(attempts)
    ]
    if found is None:
        return sentences
    if not found.is_whole:
        shown = enumerated(map(str, found.missing))
        text = _("Steps that should be in the curve and are not: %(steps)s") % {"steps": shown}
        return [*sentences, text]
    text = _("Steps %(first)s to %(last)s: %(points)s points, none missing, none twice.")
    shown_steps = {"first": found.first, "last": found.last, "points": found.points}
    return [*sentences, text % shown_steps]
