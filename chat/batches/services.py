"""Verbs about batch comparisons: make, start, pause, resume, cancel, retry, delete."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from chat.batches import estimates
from chat.batches.checks import checked_checks
from chat.batches.questions import PROBLEMS_KEPT, PROMPTS_MAX, Question, Reading
from chat.errors import WrongState
from chat.models import (
    Batch,
    BatchCell,
    BatchColumn,
    BatchPrompt,
    BatchStatus,
    CellStatus,
)
from llmplatform import errands
from llmplatform.text import UNSTORABLE, validate_name
from providers.models import ProviderModel

MODELS_MAX, CALLS_MAX, USUAL_CALLS = 6, 16, 4
NAME_CHARS, RUBRIC_CHARS = 100, 8000
ROWS_AT_ONCE = 500
EXPIRES_S = 30


def _record(
    action: str, batch: Batch, actor: User, request: HttpRequest | None, **after: Any
) -> None:
    audit(
        actor=actor,
        action=f"batch.{action}",
        target=batch,
        is_private=True,
        after=after or None,
        request=request,
    )


def create(
    *,
    owner: User,
    name: str,
    models: Sequence[ProviderModel],
    reading: Reading,
    source: str,
    source_label: str = "",
    system_prompt: str = "",
    parameters: Mapping[str, Any] | None = None,
    checks: Sequence[Mapping[str, Any]] = (),
    judge: ProviderModel | None = None,
    rubric: str = "",
    calls_at_once: int = USUAL_CALLS,
    repeat_of: Batch | None = None,
    request: HttpRequest | None = None,
) -> Batch:
    """A comparison that waits to be started. ValidationError keyed by field."""
    kept_checks = _checked(name, models, reading, checks, rubric, calls_at_once)
    batch = Batch(
        owner=owner,
        name=name.strip(),
        source=source,
        source_label=source_label[:200],
        repeat_of=repeat_of,
        system_prompt=system_prompt,
        parameters=dict(parameters or {}),
        checks=kept_checks,
        judge=judge,
        rubric=rubric.strip(),
        calls_at_once=calls_at_once,
        problems=[list(each) for each in reading.problems[:PROBLEMS_KEPT]],
        problem_count=len(reading.problems),
    )
    with transaction.atomic():
        batch.save(force_insert=True)
        prompts = _fill(batch, models, reading.questions)
        batch.estimate = estimates.estimate(batch, models, prompts)
        batch.save(update_fields=["estimate"])
        after = {"prompts": len(reading.questions), "models": [str(model) for model in models]}
        _record("create", batch, owner, request, **after)
    return batch


def _checked(
    name: str,
    models: Sequence[ProviderModel],
    reading: Reading,
    checks: Sequence[Mapping[str, Any]],
    rubric: str,
    calls_at_once: int,
) -> list[dict[str, Any]]:
    """The checks as they are kept. ValidationError with all that is wrong."""
    problems: dict[str, list[str]] = {}
    try:
        validate_name(name)
    except ValidationError as error:
        problems["name"] = list(error.messages)
    if not name.strip() or len(name) > NAME_CHARS:
        text = _("Give it a name of %(count)d characters at most.")
        problems["name"] = [text % {"count": NAME_CHARS}]
    if not 1 <= len({model.pk for model in models}) == len(models) <= MODELS_MAX:
        text = _("Choose one to %(count)d different models.")
        problems["models"] = [text % {"count": MODELS_MAX}]
    if not 1 <= calls_at_once <= CALLS_MAX:
        text = _("Between 1 and %(most)d.")
        problems["calls_at_once"] = [text % {"most": CALLS_MAX}]
    if len(rubric) > RUBRIC_CHARS or UNSTORABLE.search(rubric):
        problems["rubric"] = [_("The rubric is too long or cannot be stored.")]
    if found := _problems_with(reading):
        problems["source"] = found
    kept: list[dict[str, Any]] = []
    try:
        kept = checked_checks(checks)
    except ValidationError as error:
        problems["checks"] = list(error.messages)
    if problems:
        raise ValidationError(problems)
    return kept


def _problems_with(reading: Reading) -> list[str]:
    if len(reading.questions) > PROMPTS_MAX:
        text = _("There are %(found)s prompts, and a comparison takes %(most)s at most.")
        return [text % {"found": len(reading.questions), "most": PROMPTS_MAX}]
    if reading.questions:
        return []
    said = [
        _("Line %(line)d: %(problem)s") % {"line": line, "problem": problem}
        for line, problem in reading.problems[:10]
    ]
    return [_("There is no prompt in it."), *said]


def _fill(
    batch: Batch, models: Sequence[ProviderModel], questions: Sequence[Question]
) -> list[BatchPrompt]:
    columns = [
        BatchColumn(batch=batch, position=n, model=model, label=label[:200])
        for n, (model, label) in enumerate(zip(models, labels_of(models), strict=True))
    ]
    BatchColumn.objects.bulk_create(columns)
    prompts = [
        BatchPrompt(
            batch=batch,
            position=n,
            text=each.text,
            before=list(each.before),
            reference=each.reference,
            digest=digest_of(each),
        )
        for n, each in enumerate(questions, 1)
    ]
    BatchPrompt.objects.bulk_create(prompts, ROWS_AT_ONCE)
    # MariaDB and others do not always say which keys they gave.
    kept_columns = list(batch.columns.values_list("pk", flat=True))
    cells = [
        BatchCell(batch=batch, prompt_id=prompt, column_id=column)
        for prompt in batch.prompts.values_list("pk", flat=True)
        for column in kept_columns
    ]
    BatchCell.objects.bulk_create(cells, ROWS_AT_ONCE)
    return prompts


def labels_of(models: Sequence[ProviderModel]) -> list[str]:
    """Their names; those that are called alike have their provider's in it."""
    count = Counter(model.name or model.model_id for model in models)
    names = [(model, model.name or model.model_id) for model in models]
    return [f"{name} · {model.provider.name}" if count[name] > 1 else name for model, name in names]


def digest_of(question: Question) -> str:
    """The same for what is asked the same way."""
    said = json.dumps([list(question.before), question.text], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()


def reading_of(batch: Batch) -> Reading:
    """Its prompts, for another comparison."""
    rows = batch.prompts.values_list("text", "reference", "before")
    return Reading([Question(text, reference, tuple(before)) for text, reference, before in rows])


def start(*, batch: Batch, actor: User, request: HttpRequest | None = None) -> None:
    """Raises WrongState."""
    changes = {"started_at": timezone.now()}
    _move("start", batch, actor, request, BatchStatus.DRAFT, BatchStatus.RUNNING, **changes)


def pause(*, batch: Batch, actor: User, request: HttpRequest | None = None) -> None:
    """Answers that are being written come to their end. Raises WrongState."""
    _move("pause", batch, actor, request, BatchStatus.RUNNING, BatchStatus.PAUSED)


def resume(*, batch: Batch, actor: User, request: HttpRequest | None = None) -> None:
    """Raises WrongState."""
    changes = {"resting_until": None}
    _move("resume", batch, actor, request, BatchStatus.PAUSED, BatchStatus.RUNNING, **changes)


def _move(
    action: str,
    batch: Batch,
    actor: User,
    request: HttpRequest | None,
    before: str,
    after: str,
    **changes: Any,
) -> None:
    with transaction.atomic():
        rows = Batch.objects.filter(pk=batch.pk, status=before)
        if not rows.update(status=after, reason="", **changes):
            batch.refresh_from_db()
            raise WrongState(action, batch.status)
        _record(action, batch, actor, request)
        look()
    batch.refresh_from_db()


def cancel(*, batch: Batch, actor: User, request: HttpRequest | None = None) -> None:
    """For good; what is answered stays, what is being answered is broken off. Raises WrongState."""
    with transaction.atomic():
        rows = Batch.objects.filter(
            pk=batch.pk, status__in=(BatchStatus.RUNNING, BatchStatus.PAUSED)
        )
        now = timezone.now()
        if not rows.update(status=BatchStatus.CANCELLED, reason="", ended_at=now):
            batch.refresh_from_db()
            raise WrongState("cancel", batch.status)
        batch.cells.filter(status=CellStatus.ANSWERED).update(status=CellStatus.DONE)
        _record("cancel", batch, actor, request)
    batch.refresh_from_db()


def retry(*, batch: Batch, actor: User, request: HttpRequest | None = None) -> int:
    """Ask again what has no answer, judge again what has no score; how many there are.

    Raises WrongState where there is nothing to retry, and while it waits to be started.
    """
    with transaction.atomic():
        failed = batch.cells.filter(status=CellStatus.FAILED)
        again = {"attempts": 0, "due_at": None, "error_code": ""}
        count = failed.update(status=CellStatus.WAITING, **again)
        if batch.judge_id is not None:
            unjudged = batch.cells.filter(status=CellStatus.DONE, score=None)
            count += unjudged.update(status=CellStatus.ANSWERED, attempts=0, judgement={})
        open_states = (BatchStatus.DONE, BatchStatus.PAUSED, BatchStatus.RUNNING)
        rows = Batch.objects.filter(pk=batch.pk, status__in=open_states)
        changes = {"ended_at": None, "reason": "", "resting_until": None}
        if not count or not rows.update(status=BatchStatus.RUNNING, **changes):
            raise WrongState("retry", batch.status)
        _record("retry", batch, actor, request, calls=count)
        look()
    batch.refresh_from_db()
    return count


def delete(*, batch: Batch, actor: User, request: HttpRequest | None = None) -> None:
    """Raises WrongState while it runs or may go on."""
    if not batch.may_be_deleted:
        raise WrongState("delete", batch.status)
    with transaction.atomic():
        _record("delete", batch, actor, request)
        batch.delete()


def record_export(
    *, batch: Batch, actor: User, format: str, request: HttpRequest | None = None
) -> None:
    _record("export", batch, actor, request, format=format)


def look() -> None:
    """Wakes a worker after the commit. It may be lost: beat looks every few seconds."""
    transaction.on_commit(lambda: errands.send("chat.tasks.run_batches", expires_s=EXPIRES_S))
