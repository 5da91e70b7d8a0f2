"""API: `chat/batches`, comparisons of models on many prompts."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import Query, Router

from accounts.access import current_user, owned_or_404
from accounts.models import User
from chat.api.sessions import model_of
from chat.batches import exports, regressions, results
from chat.batches import services as batches
from chat.batches.reading import reading_of
from chat.batches.schemas import (
    BatchDetailOut,
    BatchIn,
    BatchOut,
    RegressionsOut,
    RetriedOut,
    RowOut,
)
from chat.errors import WrongState
from chat.models import Batch, BatchColumn, BatchPrompt
from llmplatform.errors import ApiError
from llmplatform.schemas import Page, Paging, paginate
from llmplatform.spreadsheets import csv_response, download
from providers.models import ProviderModel

batches_router = Router(tags=["Batch comparisons"])


def _batch(request: HttpRequest, batch_id: UUID) -> Batch:
    rows = Batch.objects.for_user(current_user(request)).select_related("judge__provider")
    return owned_or_404(rows.prefetch_related("columns"), pk=batch_id)


def _named(user: User, field: str, name: int | str) -> ProviderModel:
    try:
        return model_of(user, name)
    except ValidationError as error:
        raise ValidationError({field: error.messages}) from error


@batches_router.get("", response=Page[BatchOut])
def list_batches(request: HttpRequest, paging: Query[Paging], q: str = "") -> Any:
    rows = Batch.objects.for_user(current_user(request)).select_related("judge__provider")
    rows = rows.filter(name__icontains=q[:200]) if q else rows
    return paginate(rows.prefetch_related("columns"), paging)


@batches_router.post("", response={201: BatchOut})
def create_batch(request: HttpRequest, body: BatchIn) -> Any:
    """With its estimate. It waits to be started, unless `start` says otherwise."""
    user = current_user(request)
    models = [_named(user, "models", name) for name in body.models]
    judge = None if body.judge is None else _named(user, "judge", body.judge)
    found = reading_of(user, body)
    batch = batches.create(
        owner=user,
        name=body.name,
        models=models,
        reading=found.reading,
        source=found.source,
        source_label=found.label,
        repeat_of=found.origin,
        system_prompt=body.system_prompt,
        parameters=body.parameters.given() if body.parameters else {},
        checks=[check.model_dump(exclude_none=True) for check in body.checks],
        judge=judge,
        rubric=body.rubric,
        calls_at_once=body.calls_at_once,
        request=request,
    )
    if body.start:
        batches.start(batch=batch, actor=user, request=request)
    return 201, batch


@batches_router.get("{uuid:batch_id}", response=BatchDetailOut)
def get_batch(request: HttpRequest, batch_id: UUID) -> Batch:
    batch = _batch(request, batch_id)
    batch.summary = results.tallies(batch)  # type: ignore[attr-defined]
    return batch


@batches_router.delete("{uuid:batch_id}", response={204: None})
def delete_batch(request: HttpRequest, batch_id: UUID) -> Any:
    _act(request, batch_id, batches.delete)
    return 204, None


def _act(request: HttpRequest, batch_id: UUID, verb: Callable[..., Any]) -> Any:
    batch = _batch(request, batch_id)
    try:
        done = verb(batch=batch, actor=current_user(request), request=request)
    except WrongState as error:
        raise ApiError(409, "wrong_state", error.message) from error
    return batch if done is None else {"calls": done}


@batches_router.post("{uuid:batch_id}/start", response=BatchOut)
def start_batch(request: HttpRequest, batch_id: UUID) -> Any:
    return _act(request, batch_id, batches.start)


@batches_router.post("{uuid:batch_id}/pause", response=BatchOut)
def pause_batch(request: HttpRequest, batch_id: UUID) -> Any:
    return _act(request, batch_id, batches.pause)


@batches_router.post("{uuid:batch_id}/resume", response=BatchOut)
def resume_batch(request: HttpRequest, batch_id: UUID) -> Any:
    return _act(request, batch_id, batches.resume)


@batches_router.post("{uuid:batch_id}/cancel", response=BatchOut)
def cancel_batch(request: HttpRequest, batch_id: UUID) -> Any:
    return _act(request, batch_id, batches.cancel)


@batches_router.post("{uuid:batch_id}/retry", response=RetriedOut)
def retry_batch(request: HttpRequest, batch_id: UUID) -> Any:
    """Asks again what has no answer, and judges again what has no score."""
    return _act(request, batch_id, batches.retry)


def _row(prompt: BatchPrompt) -> dict[str, Any]:
    return {
        "id": prompt.pk,
        "position": prompt.position,
        "prompt": prompt.text,
        "before": prompt.before,
        "reference": prompt.reference,
        "answers": list(prompt.cells.all()),
    }


@batches_router.get("{uuid:batch_id}/prompts", response=Page[RowOut])
def list_answers(
    request: HttpRequest,
    batch_id: UUID,
    paging: Query[Paging],
    q: str = "",
    show: str = "",
    sort: str = "",
    model: int | None = None,
) -> Any:
    """`show`: failed, not_passed, differ, low, open. `sort`: slowest, longest, dearest, worst,
    best. `model`: the position of the one that both are about."""
    batch = _batch(request, batch_id)
    query = {"q": q, "show": show, "sort": sort, "model": "" if model is None else str(model)}
    where = results.where_from(query, len(batch.columns.all()))
    rows = results.prompts_where(batch, where)
    return paginate(rows.prefetch_related("cells__column"), paging, _row)


@batches_router.get("{uuid:batch_id}/prompts/{int:prompt_id}", response=RowOut)
def get_answers(request: HttpRequest, batch_id: UUID, prompt_id: int) -> Any:
    rows = _batch(request, batch_id).prompts.prefetch_related("cells__column")
    return _row(owned_or_404(rows, pk=prompt_id))


@batches_router.get("{uuid:batch_id}/regressions", response=RegressionsOut)
def get_regressions(
    request: HttpRequest,
    batch_id: UUID,
    other: UUID | None = None,
    model: int | None = None,
    other_model: int | None = None,
) -> Any:
    """Against the earlier comparison `other`, or the one that it repeats; models by their
    positions, alike ones if left out."""
    batch = _batch(request, batch_id)
    wanted = other or batch.repeat_of_id
    if wanted is None:
        raise ValidationError({"other": [_("Say which comparison came before.")]})
    earlier = _batch(request, wanted)
    after = _column(batch, "model", model)
    before = None if other_model is None else _column(earlier, "other_model", other_model)
    before = before or regressions.other_column(list(earlier.columns.all()), after)
    assert before is not None  # a comparison has one model at least
    found = regressions.regressions(before, after)
    pairs = [
        {
            "position": pair.position,
            "kind": pair.kind,
            "prompt_id": pair.after.prompt_id,
            "other_prompt_id": pair.before.prompt_id,
            "same_text": pair.is_same_text,
            "passed": pair.after.passed,
            "other_passed": pair.before.passed,
            "score": pair.after.score,
            "other_score": pair.before.score,
        }
        for pair in found.pairs
    ]
    labels = {"model": after.label, "other_model": before.label}
    counts = {"counts": found.counts, "changed": found.changed, "missing": found.missing}
    return {**labels, **counts, "pairs": pairs}


def _column(batch: Batch, field: str, position: int | None) -> BatchColumn:
    columns = list(batch.columns.all())
    if not 0 <= (position or 0) < len(columns):
        raise ValidationError({field: [_("There is no such model.")]})
    return columns[position or 0]


@batches_router.get("{uuid:batch_id}/export", response={200: None})
def export_batch(request: HttpRequest, batch_id: UUID, format: str = "json") -> HttpResponse:
    if format not in ("csv", "json"):
        raise ValidationError({"format": [_("Choose csv or json.")]})
    batch, user = _batch(request, batch_id), current_user(request)
    batches.record_export(batch=batch, actor=user, format=format, request=request)
    if format == "csv":
        rows = exports.csv_rows(batch)
        return csv_response("comparison", exports.COLUMNS, rows)  # type: ignore[return-value]
    pieces = exports.json_pieces(batch)
    return download("comparison", "json", "application/json", pieces)  # type: ignore[return-value]
