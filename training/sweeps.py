"""A grid of parameters as a group of trainings: how many, what they take, which is best."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Unpack

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from llmplatform.text import enumerated, money
from training import checks, comparing, llamafactory, services
from training.argument_table import BY_NAME, Text
from training.checks import Chosen
from training.errors import StateConflict
from training.estimate import Estimate, estimate
from training.models import Status, Sweep, TrainingJob
from training.parallel import Sharing

Grid = Mapping[str, Sequence[Any]]
PARAMETERS_MAX = 4
NAME_MAX = 90
# What tells which is best, lower first; the first that a run has.
MEASURES = ("eval_loss", "train_loss", "loss")


@dataclass(frozen=True)
class Plan:
    """What a sweep would be. `worst` is the estimate of the combination that takes most memory."""

    count: int
    seconds: int | None
    cost_usd: Decimal | None
    worst: Estimate

    @property
    def cost(self) -> str:
        return money(self.cost_usd or Decimal(0), "USD")


@dataclass(frozen=True)
class Row:
    job: TrainingJob
    values: tuple[str, ...]
    measure: float | None
    is_best: bool


@dataclass(frozen=True)
class Results:
    """`measure`: the name of what was compared; empty while nothing has ended."""

    names: tuple[Text, ...]
    measure: str
    rows: list[Row]

    @property
    def is_live(self) -> bool:
        return any(not row.job.is_final for row in self.rows)

    @property
    def ended(self) -> int:
        return sum(row.job.is_final for row in self.rows)

    @property
    def comparable(self) -> list[TrainingJob]:
        """Those with curves, the best first, as many as can be laid over one another."""
        rows = [row for row in self.rows if row.job.attempt]
        rows.sort(key=lambda row: (row.measure is None, row.measure or 0.0))
        return [row.job for row in rows[: comparing.JOBS_MAX]]


def split_values(text: str) -> list[str]:
    """What a person typed with commas between; of numbers also with spaces."""
    return [part.strip() for part in text.replace("，", ",").split(",") if part.strip()]


def combinations(grid: Grid) -> list[dict[str, Any]]:
    """In the order of the grid, the last parameter changing fastest."""
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def check_grid(grid: Grid) -> None:
    """ValidationError keyed `grid`."""
    limit = settings.TRAINING_SWEEP_MAX_JOBS
    if not grid or any(not found or None in found or "" in found for found in grid.values()):
        raise ValidationError({"grid": [_("Give each parameter at least one value.")]})
    if len(grid) > PARAMETERS_MAX:
        text = _("At most %(count)s parameters can be tried at once.")
        raise ValidationError({"grid": [text % {"count": PARAMETERS_MAX}]})
    if any(name in BY_NAME and BY_NAME[name].kind == "json" for name in grid):
        raise ValidationError({"grid": [_("Only plain values can be tried.")]})
    count = 1
    for values in grid.values():
        count *= len(values)
    if count > limit:
        text = _("These are %(count)s trainings; at most %(limit)s can be started at once.")
        raise ValidationError({"grid": [text % {"count": f"{count:,}", "limit": limit}]})


def _settled(chosen: Chosen, parameters: Mapping[str, Any], grid: Grid) -> list[dict[str, Any]]:
    """The cleaned parameters of each combination. ValidationError keyed by field or `grid`."""
    check_grid(grid)
    found = []
    for values in combinations(grid):
        try:
            found.append(checks.checked({**parameters, **values}, **chosen))
        except ValidationError as error:
            raise _in_grid(error, values) from error
    if len({repr(sorted(each.items())) for each in found}) < len(found):
        raise ValidationError({"grid": [_("Two of these trainings would be the same.")]})
    return found


def _in_grid(error: ValidationError, values: Mapping[str, Any]) -> ValidationError:
    """What is wrong with a value of the grid is said there, with the combination it happens in."""
    shown = enumerated(f"{name} = {value}" for name, value in values.items())
    errors: dict[str, list[str]] = {}
    for name, texts in error.message_dict.items():
        if name in values:
            label = BY_NAME[name].label if name in BY_NAME else name
            errors.setdefault("grid", []).append(f"{label} ({shown}): {' '.join(texts)}")
        else:
            errors.setdefault(name, []).extend(texts)
    return ValidationError(errors)


def plan(
    *,
    parameters: Mapping[str, Any],
    grid: Grid,
    sharing: Sharing | None = None,
    **chosen: Unpack[Chosen],
) -> Plan:
    """ValidationError keyed by field. `chosen`: as checks.Chosen."""
    share = sharing or Sharing()
    estimates = [
        estimate(
            **chosen,
            parameters=llamafactory.DEFAULTS | cleaned,
            devices=share.processes * share.nodes,
            strategy=share.memory_strategy,
        )
        for cleaned in _settled(chosen, parameters, grid)
    ]
    times = [each.seconds for each in estimates]
    costs = [each.cost_usd for each in estimates]
    return Plan(
        count=len(estimates),
        seconds=None if None in times else sum(time or 0 for time in times),
        cost_usd=None if None in costs else sum((cost or Decimal(0) for cost in costs), Decimal(0)),
        worst=max(estimates, key=lambda each: each.memory.total if each.memory else 0),
    )


def create_sweep(
    *,
    owner: User,
    name: str,
    parameters: Mapping[str, Any],
    grid: Grid,
    sharing: Sharing | None = None,
    start: bool = True,
    allow_too_large: bool = False,
    request: HttpRequest | None = None,
    **chosen: Unpack[Chosen],
) -> Sweep:
    """A job for each combination, all or none of them. ValidationError keyed by field."""
    if len(name.strip()) > NAME_MAX:
        raise ValidationError({"name": [_("The name is longer than 90 characters.")]})
    settled = _settled(chosen, parameters, grid)
    fixed = {name: value for name, value in parameters.items() if name not in grid}
    kept = {name: value for name, value in chosen.items() if name != "eval_dataset"}
    with transaction.atomic():
        sweep = Sweep.objects.create(
            owner=owner, name=name.strip(), parameters=fixed, grid=_kept(grid, settled), **kept
        )
        after = {"name": sweep.name, "jobs": len(settled)}
        audit(actor=owner, action="sweep.create", target=sweep, after=after, request=request)
        for number, cleaned in enumerate(settled, 1):
            services.create_job(
                owner=owner,
                name=f"{sweep.name}-{number}",
                parameters=cleaned,
                sharing=sharing,
                start=start,
                allow_too_large=allow_too_large,
                sweep=sweep,
                request=request,
                **chosen,
            )
    return sweep


def _kept(grid: Grid, settled: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The values as they were understood, each once."""
    return {name: list(dict.fromkeys(each[name] for each in settled)) for name in grid}


def results(sweep: Sweep) -> Results:
    jobs = list(sweep.jobs.select_related("node", "version").order_by("created_at", "name"))
    measure = next((name for name in MEASURES if any(name in job.summary for job in jobs)), "")
    told = {job.pk: _number(job.summary.get(measure)) for job in jobs if job.is_final}
    known = [value for value in told.values() if value is not None]
    best = min(known) if len(known) > 1 else None
    rows = [
        Row(
            job=job,
            values=tuple(_shown(job.parameters.get(name)) for name in sweep.grid),
            measure=told.get(job.pk),
            is_best=best is not None and told.get(job.pk) == best,
        )
        for job in jobs
    ]
    names = tuple(BY_NAME[name].label if name in BY_NAME else name for name in sweep.grid)
    return Results(names=names, measure=measure, rows=rows)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def stop_sweep(*, sweep: Sweep, actor: User, request: HttpRequest | None = None) -> int:
    """Ends all that have not ended; how many those were."""
    stopped = 0
    for job in sweep.jobs.exclude(status__in=(Status.SUCCESS, Status.FAILED, Status.STOPPED)):
        try:
            services.stop(workload=job, actor=actor, request=request)
            stopped += 1
        except StateConflict:
            continue  # it has just ended by itself, or is being stopped already
    if stopped:
        after = {"jobs": stopped}
        audit(actor=actor, action="sweep.stop", target=sweep, after=after, request=request)
    return stopped
