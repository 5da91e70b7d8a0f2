"""What a report tells beyond times, curves and hardware, in a form that each format can draw."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.translation import gettext as _

from llmplatform.text import money
from training import evaluation_gate, evaluation_results, forecasts
from training.dataset_texts import change_text
from training.doctor_texts import remark_of
from training.models import (
    Dataset,
    Evaluation,
    Node,
    Outcome,
    SlotUse,
    TrainingJob,
)
from training.sample_views import sample_rows
from training.templatetags.training_text import measure_label, short, signed

Row = tuple[str, object]
# What a reader takes in; the pages of the job and of the evaluation have all of it.
SAMPLE_STEPS, WORSE_SHOWN, NOTES_SHOWN, ANCESTORS_MAX = 3, 5, 20, 8
TEXT_CHARS = 1200


@dataclass(frozen=True)
class Case:
    """One question with what was answered to it: (who, text) each."""

    title: str
    answers: list[Row]


@dataclass(frozen=True)
class Chapter:
    """`facts`, a table, sentences and cases, in this order, as far as there are any."""

    title: str
    facts: list[Row] = field(default_factory=list)
    head: tuple[str, ...] = ()
    rows: list[tuple[object, ...]] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)
    cases_title: str = ""
    cases: list[Case] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.facts or self.rows or self.sentences or self.cases)


def chapters_of(job: TrainingJob) -> list[Chapter]:
    found = (
        _notes(job),
        _samples(job),
        _evaluation(job),
        _dataset(job),
        _places(job),
        _forecast(job),
    )
    return [chapter for chapter in found if chapter]


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_CHARS else f"{text[:TEXT_CHARS]}…"


def _notes(job: TrainingJob) -> Chapter:
    remarks = [remark_of(note) for note in job.notes.order_by("step", "pk")[:NOTES_SHOWN]]
    return Chapter(
        _("Doctor's notes"),
        facts=[
            (
                _("Step %(n)s: %(title)s") % {"n": f"{r.note.step:,}", "title": r.title},
                f"{r.text} {r.advice}",
            )
            for r in remarks
        ],
    )


def _samples(job: TrainingJob) -> Chapter:
    table = sample_rows(job.pk, SAMPLE_STEPS)
    heads = [
        _("step %(n)s") % {"n": f"{step:,}"} if step else _("before training")
        for step in table.steps
    ]
    cases = [
        Case(_cut(prompt), _answers(zip(heads, answers, strict=True)))
        for prompt, answers in table.rows
    ]
    return Chapter(_("Sample answers"), cases=cases)


def _answers(pairs: Any) -> list[Row]:
    return [(who, _cut(text) or _("(empty)")) for who, text in pairs if text is not None]


def _evaluation(job: TrainingJob) -> Chapter:
    version = getattr(job, "version", None)
    found = evaluation_gate.newest(version) if version is not None else None
    title = _("Evaluation: base model and trained model")
    if found is None:
        return Chapter(title)
    return Chapter(
        title,
        facts=_outcomes(found),
        head=(_("Measure"), _("Base model"), _("Trained model"), _("Difference")),
        rows=[
            (measure_label(r["name"]), short(r["base"]), short(r["tuned"]), signed(r["change"]))
            for r in evaluation_results.comparison(found)
        ],
        sentences=evaluation_gate.problems_in(found),
        cases_title=_("Examples that got worse"),
        cases=[
            Case(
                _cut(sample.question) or _("(no question)"),
                _answers(
                    [
                        (_("Expected"), sample.expected or None),
                        (_("Base model"), sample.base_answer or None),
                        (_("Trained model"), sample.tuned_answer or None),
                    ]
                ),
            )
            for sample in found.samples.filter(outcome=Outcome.LOSS)[:WORSE_SHOWN]
        ],
    )


def _outcomes(found: Evaluation) -> list[Row]:
    counts = found.counts()
    labels: list[Row] = [(str(each.label), f"{counts[each]:,}") for each in Outcome]
    rows: list[Row] = [(_("Samples"), f"{found.samples.count():,}"), *labels]
    if found.judge is not None:
        rows.append((_("Judge"), str(found.judge)))
        if found.rubric:
            rows.append((_("Rubric"), found.rubric))
    return rows


def _dataset(job: TrainingJob) -> Chapter:
    dataset = job.dataset
    rows: list[Row] = [
        (_("Name"), str(dataset)),
        (_("Format"), dataset.get_format_display()),
        (_("Records"), f"{dataset.records:,}"),
        (_("Rejected"), f"{dataset.rejected:,}"),
    ]
    if dataset.duplicates is not None:
        rows.append((_("Duplicates"), f"{dataset.duplicates:,}"))
    if dataset.size_bytes:
        rows.append((_("Size"), filesizeformat(dataset.size_bytes)))
    rows += [("SHA-256", dataset.sha256), *_lineage(job)]
    return Chapter(_("Dataset and lineage"), facts=rows)


def _lineage(job: TrainingJob) -> Iterator[Row]:
    for child, parent in _ancestors(job.dataset):
        how = change_text(child.change) if child.change else ""
        text = f"{parent} · SHA-256 {parent.sha256[:12]}"
        yield _("%(name)s was made from") % {"name": child}, f"{text} · {how}" if how else text
    if job.start_version is not None:
        yield _("Continues the version"), job.start_version.title
    version = getattr(job, "version", None)
    if version is not None:
        yield _("Became the version"), version.title


def _ancestors(dataset: Dataset) -> Iterator[tuple[Dataset, Dataset]]:
    for _n in range(ANCESTORS_MAX):
        if dataset.parent is None:
            return
        yield dataset, dataset.parent
        dataset = dataset.parent


def _places(job: TrainingJob) -> Chapter:
    """Hours by machine, and what they cost at the machines' prices of today."""
    now = timezone.now()
    seconds: dict[tuple[str, bool], float] = {}
    for use in SlotUse.objects.filter(workload_id=job.pk).order_by("started_at"):
        key = (use.node_name, use.is_gpu)
        lasted = ((use.ended_at or now) - use.started_at).total_seconds()
        seconds[key] = seconds.get(key, 0.0) + lasted
    prices = dict(
        Node.objects.filter(name__in={name for name, _gpu in seconds}).values_list(
            "name", "hour_price_usd"
        )
    )
    rows, costs = list[tuple[object, ...]](), list[Decimal | None]()
    for (name, is_gpu), lasted in seconds.items():
        price = prices.get(name)
        cost = None if price is None else price * Decimal(lasted) / 3600
        costs.append(cost)
        shown = "–" if cost is None else money(cost, "USD")
        rows.append((name, "GPU" if is_gpu else _("Processor"), f"{lasted / 3600:.2f}", shown))
    facts: list[Row] = []
    if costs and None not in costs:
        total = sum((cost or Decimal(0) for cost in costs), Decimal(0))
        facts.append((_("Cost"), money(total, "USD")))
    if hours := sum(lasted for (_name, is_gpu), lasted in seconds.items() if is_gpu) / 3600:
        facts.append((_("GPU hours"), f"{hours:.2f}"))
    head = (_("Node"), _("Place"), _("Hours"), _("Cost"))
    return Chapter(_("Hours and cost"), facts=facts, head=head if rows else (), rows=rows)


def _forecast(job: TrainingJob) -> Chapter:
    rows: list[tuple[object, ...]] = [
        (row.label, row.expected or "–", row.measured or "–", row.off_by or "–")
        for row in forecasts.comparison_of(job)
    ]
    is_overridden = bool(rows) and job.forecast.is_overridden
    return Chapter(
        _("Predicted and measured"),
        head=("", _("Predicted"), _("Measured"), _("Off by")),
        rows=rows,
        sentences=[_("Started although it was not to fit.")] if is_overridden else [],
    )
