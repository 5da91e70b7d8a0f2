"""The report of a training: how long, how well, on what, with what, and whether it can be trusted.

Everything comes from our own rows. As a page, Markdown and PDF (report_text.py, report_pdf.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

from django.db.models import Avg, Max
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.translation import gettext as _

from training import curves, llamafactory, streams
from training.models import HardwareSample, Status, TrainingJob, Transition
from training.templatetags.training_text import count, duration, metric_label, short

METRIC_NAMES = ("train_loss", "loss", "eval_loss", "train_runtime_s", "train_samples_per_second")
CURVES = {
    "loss": ("loss", "eval_loss"),
    "learning_rate": ("learning_rate",),
    "grad_norm": ("grad_norm",),
    "tokens_per_second": ("tokens_per_second",),
}
CPU_FIGURES = {"average": "cpu_percent_mean", "most": "cpu_percent_max"}
Row = tuple[str, object]
# GPU samples read at most.
SAMPLES_MAX = 5000


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
class Report:
    job: TrainingJob
    attempts: list[Attempt]
    total_s: float
    queued_s: float
    training_s: float
    paused_s: float
    metrics: dict[str, Any]
    best: dict[str, Any] | None
    figures: list[curves.Figure]
    hardware: dict[str, Any]
    yaml: str
    versions: dict[str, str]
    continuity: Continuity | None
    made_at: datetime = field(default_factory=timezone.now)

    def summary(self) -> list[Row]:
        job = self.job
        dataset = f"{job.dataset.name} · {job.dataset.records:,} · SHA-256 {job.dataset.sha256}"
        rows: list[Row] = [
            (_("Status"), job.state_label),
            (_("Base model"), job.base_model.name),
            (_("Dataset"), dataset),
            (_("Stage and method"), f"{job.get_stage_display()} · {job.get_method_display()}"),
            (_("Steps"), f"{job.step:,} / {job.max_steps:,}"),
        ]
        if trained := job.facts.get("trainable_parameters"):
            everything = job.facts.get("all_parameters")
            rows.append((_("Parameters trained"), f"{count(trained)} / {count(everything)}"))
        return rows

    def times(self) -> list[Row]:
        return [
            (_("Total"), duration(self.total_s)),
            (_("Training"), duration(self.training_s)),
            (_("In the queue"), duration(self.queued_s)),
            (_("Paused"), duration(self.paused_s)),
        ]

    def attempt_head(self) -> tuple[str, ...]:
        return (_("Attempt"), _("Node"), _("Steps"), _("Training"), _("Ended as"))

    def attempt_rows(self) -> list[tuple[object, ...]]:
        return [
            (
                attempt.number,
                attempt.node or "–",
                f"{attempt.from_step:,} – {attempt.to_step:,}",
                duration(attempt.training_s),
                attempt.outcome_label or "–",
            )
            for attempt in self.attempts
        ]

    def results(self) -> list[Row]:
        rows: list[Row] = [
            (metric_label(name), short(value)) for name, value in self.metrics.items()
        ]
        if self.best is not None:
            shown = {"value": short(self.best["eval_loss"]), "step": self.best["step"]}
            rows.append((_("Best evaluation loss"), _("%(value)s at step %(step)s") % shown))
        return rows

    def hardware_rows(self) -> list[Row]:
        known, rows = self.hardware, list[Row]()
        if "cpu_percent_mean" in known:
            shown = {k: round(known[v]) for k, v in CPU_FIGURES.items()}
            text = _("%(average)s %% on average, %(most)s %% at most") % shown
            rows.append((_("Processor"), text))
        if "rss_bytes_max" in known:
            rows.append((_("Most memory"), filesizeformat(known["rss_bytes_max"])))
        for gpu in known["gpus"]:
            most = filesizeformat(gpu["used_bytes_max"])
            rows.append((f"GPU {gpu['index']}", f"{gpu['name']} · {most} · {gpu['percent']:.0f} %"))
        return rows

    @property
    def proof(self) -> list[str]:
        """Why the curve can be trusted, resumes included."""
        sentences = []
        for before, attempt in pairwise(self.attempts):
            shown = {"n": attempt.number, "to": before.to_step, "from": attempt.from_step}
            if before.outcome == Status.PAUSED and before.to_step == attempt.from_step:
                text = _("Attempt %(n)s went on from step %(from)s, where the one before paused.")
            else:
                text = _(
                    "Attempt %(n)s went on from step %(from)s; the one before had come to "
                    "step %(to)s."
                )
            sentences.append(text % shown)
        return [*sentences, *self._continuity_text()]

    def _continuity_text(self) -> list[str]:
        found = self.continuity
        if found is None:
            return []
        if not found.is_whole:
            shown = ", ".join(map(str, found.missing))
            return [
                _("Steps that should be in the curve and are not: %(steps)s") % {"steps": shown}
            ]
        text = _("Steps %(first)s to %(last)s: %(points)s points, none missing, none twice.")
        return [text % {"first": found.first, "last": found.last, "points": found.points}]


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


def continuity_of(rows: Sequence[dict[str, Any]], every: int) -> Continuity | None:
    """None without points. The rows are those with a loss, one a step, in order."""
    steps = [int(row["step"]) for row in rows if "loss" in row]
    if not steps:
        return None
    wanted = set(range(every, steps[-1] + 1, every))
    return Continuity(steps[0], steps[-1], len(steps), tuple(sorted(wanted - set(steps))[:20]))


def hardware_of(job: TrainingJob) -> dict[str, Any]:
    """cpu_percent_mean, cpu_percent_max, rss_bytes_max where known, and a row for each of gpus."""
    rows = HardwareSample.objects.filter(workload_id=job.pk)
    totals = rows.aggregate(
        cpu_percent_mean=Avg("cpu_percent"),
        cpu_percent_max=Max("cpu_percent"),
        rss_bytes_max=Max("rss_bytes"),
    )
    gpus: dict[int, dict[str, Any]] = {}
    for sample in rows.exclude(gpus=[]).values_list("gpus", flat=True)[:SAMPLES_MAX]:
        for gpu in sample:
            known = gpus.setdefault(
                gpu["index"], {"name": gpu.get("name", ""), "used_bytes_max": 0, "percents": []}
            )
            known["used_bytes_max"] = max(known["used_bytes_max"], gpu.get("used_bytes") or 0)
            known["percents"].append(gpu.get("percent") or 0)
    shown = [
        {"index": index, **gpu, "percent": sum(gpu["percents"]) / len(gpu["percents"])}
        for index, gpu in sorted(gpus.items())
    ]
    return {name: value for name, value in totals.items() if value is not None} | {"gpus": shown}


def configuration_of(job: TrainingJob) -> str:
    return llamafactory.yaml_of(llamafactory.shown_args(job))


def curve_titles() -> dict[str, str]:
    return {
        "loss": _("Loss"),
        "learning_rate": _("Learning rate"),
        "grad_norm": _("Gradient norm"),
        "tokens_per_second": _("Tokens per second"),
    }


def report_of(job: TrainingJob) -> Report:
    transitions = list(job.transitions.order_by("at", "id"))
    attempts = attempts_of(transitions)
    until = job.finished_at or timezone.now()
    rows = streams.all_metrics(job.pk)
    evaluated = [row for row in rows if isinstance(row.get("eval_loss"), int | float)]
    titles = curve_titles()
    figures = [
        curves.figure(titles[key], {name: curves.series(rows, name) for name in names})
        for key, names in CURVES.items()
    ]
    every = int(job.parameters.get("logging_steps", llamafactory.DEFAULTS["logging_steps"]))
    return Report(
        job=job,
        attempts=attempts,
        total_s=(until - job.created_at).total_seconds(),
        queued_s=queued_seconds(job, transitions),
        training_s=sum(attempt.training_s for attempt in attempts),
        paused_s=paused_seconds(transitions, until),
        metrics={n: job.summary[n] for n in METRIC_NAMES if job.summary.get(n) is not None},
        best=min(evaluated, key=lambda row: float(row["eval_loss"]), default=None),
        figures=[drawn for drawn in figures if drawn is not None],
        hardware=hardware_of(job),
        yaml=configuration_of(job),
        versions=job.facts.get("versions", {}),
        continuity=continuity_of(rows, every),
    )
