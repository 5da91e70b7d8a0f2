"""The report of a training: how long, how well, on what, with what, and whether it can be trusted.

Everything comes from our own rows. As a page, Markdown and PDF (report_text.py, report_pdf.py).
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Avg, Max
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.translation import gettext as _

from llmplatform.templatetags.numbers import count
from training import curve_blocks, curves, llamafactory
from training.models import HardwareSample, TrainingJob
from training.report_chapters import Chapter, chapters_of
from training.report_story import (
    Attempt,
    Continuity,
    attempts_of,
    continuity_of,
    paused_seconds,
    proof_of,
    queued_seconds,
)
from training.templatetags.training_text import duration, metric_label, short

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
CURVE_POINTS = 400


@dataclass(frozen=True)
class Report:
    job: TrainingJob
    attempts: list[Attempt]
    total_s: float
    queued_s: float
    training_s: float
    paused_s: float
    metrics: dict[str, Any]
    # Step and value.
    best: curves.Point | None
    figures: list[curves.Figure]
    hardware: dict[str, Any]
    yaml: str
    versions: dict[str, str]
    continuity: Continuity | None
    chapters: list[Chapter]
    made_at: datetime = field(default_factory=timezone.now)

    def summary(self) -> list[Row]:
        job = self.job
        dataset = (
            f"{job.dataset.name} · {job.dataset.records:,} · SHA-256 {job.dataset.sha256[:12]}"
        )
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
            shown = {"value": short(self.best[1]), "step": f"{self.best[0]:,.0f}"}
            rows.append((_("Best evaluation loss"), _("%(value)s at step %(step)s") % shown))
        if kept := self.job.summary.get("kept_step"):
            text = _("The checkpoint of step %(step)s, not the last one") % {"step": f"{kept:,}"}
            rows.append((_("Kept"), text))
        if planned := self.job.summary.get("planned_steps"):
            text = _("After %(step)s of %(planned)s steps: the evaluation no longer got better")
            shown = {"step": f"{self.job.step:,}", "planned": f"{planned:,}"}
            rows.append((_("Stopped early"), text % shown))
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
        return proof_of(self.job, self.attempts, self.continuity)


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
    series, _cursor = curve_blocks.overview(job.pk, points=CURVE_POINTS)
    lines = {name: [(p[0], p[2]) for p in points] for name, points in series.items()}
    titles = curve_titles()
    figures = [
        curves.figure(titles[key], {name: lines.get(name, []) for name in names})
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
        # The lowest value of each stretch is in the overview, and so is the lowest of all.
        best=min(lines.get("eval_loss", []), key=lambda point: point[1], default=None),
        figures=[drawn for drawn in figures if drawn is not None],
        hardware=hardware_of(job),
        yaml=configuration_of(job),
        versions=job.facts.get("versions", {}),
        continuity=continuity_of(job.pk, max(every, 1)),
        chapters=chapters_of(job),
    )
