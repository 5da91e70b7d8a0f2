"""API: versions of a prompt, labels, and how often each is used."""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router

from accounts.access import current_user, owned_or_404
from llmplatform.schemas import Page, Paging, paginate
from prompts import comparison, services, versions
from prompts.api.access import editable, readable
from prompts.models import Prompt, PromptLabel, PromptUseDay, PromptVersion
from prompts.schemas import (
    ComparisonOut,
    LabelOut,
    PromptLabelIn,
    RestoreIn,
    UsesOut,
    VersionIn,
    VersionOut,
)

router = Router(tags=["Prompts"])


def _version(prompt: Prompt, number: int) -> PromptVersion:
    rows = prompt.versions.select_related("author").prefetch_related("labels")
    return owned_or_404(rows, number=number)


@router.get("{int:prompt_id}/versions", response=Page[VersionOut])
def list_versions(request: HttpRequest, prompt_id: int, paging: Query[Paging]) -> Any:
    """The latest first."""
    rows = readable(request, prompt_id).versions.select_related("author")
    return paginate(rows.prefetch_related("labels"), paging)


@router.post("{int:prompt_id}/versions", response={201: VersionOut})
def create_version(request: HttpRequest, prompt_id: int, body: VersionIn) -> Any:
    """Answers with the latest version, also where it says the same already."""
    prompt, user = editable(request, prompt_id), current_user(request)
    with transaction.atomic():
        changed = services.change_prompt(
            prompt=prompt, actor=user, request=request, **body.model_dump(exclude={"labels"})
        )
        for name in body.labels:
            versions.move_label(
                version=_version(changed, changed.number), name=name, actor=user, request=request
            )
    return 201, _version(changed, changed.number)


@router.get("{int:prompt_id}/versions/{int:number}", response=VersionOut)
def get_version(request: HttpRequest, prompt_id: int, number: int) -> PromptVersion:
    return _version(readable(request, prompt_id), number)


@router.post("{int:prompt_id}/versions/{int:number}/restore", response={201: VersionOut})
def restore_version(request: HttpRequest, prompt_id: int, number: int, body: RestoreIn) -> Any:
    """A new version that says what this one said; nothing is overwritten."""
    version = _version(editable(request, prompt_id), number)
    made = versions.restore(
        version=version, actor=current_user(request), note=body.note, request=request
    )
    return 201, made


@router.get("{int:prompt_id}/comparison", response=ComparisonOut)
def compare_versions(
    request: HttpRequest, prompt_id: int, old: int | None = None, new: int | None = None
) -> Any:
    """What differs between two versions, line by line, and in their variables: of the latest, or
    `new`, to the one before it, or to `old`."""
    prompt = readable(request, prompt_id)
    after = _version(prompt, prompt.number if new is None else new)
    before = _version(prompt, max(1, after.number - 1) if old is None else old)
    return {
        "lines": comparison.lines_of(before.text, after.text),
        "variables": comparison.variables_between(before.variables, after.variables),
    }


@router.get("{int:prompt_id}/labels", response=list[LabelOut])
def list_labels(request: HttpRequest, prompt_id: int) -> Any:
    return readable(request, prompt_id).labels.all()


@router.post("{int:prompt_id}/labels", response=LabelOut)
def move_label(request: HttpRequest, prompt_id: int, body: PromptLabelIn) -> PromptLabel:
    """Let the label point at a version, wherever it was; `production` is its owner's (of the
    company's an administrator's)."""
    return versions.move_label(
        version=_version(editable(request, prompt_id), body.version),
        name=body.name,
        actor=current_user(request),
        request=request,
    )


@router.delete("{int:prompt_id}/labels/{name}", response={204: None})
def remove_label(request: HttpRequest, prompt_id: int, name: str) -> Any:
    label = owned_or_404(editable(request, prompt_id).labels.all(), name=name)
    versions.remove_label(label=label, actor=current_user(request), request=request)
    return 204, None


@router.get("{int:prompt_id}/uses", response=Page[UsesOut])
def list_uses(request: HttpRequest, prompt_id: int, paging: Query[Paging], days: int = 30) -> Any:
    """How often it was filled in, by day, version and label, of up to 366 days."""
    since = timezone.localdate() - timedelta(days=max(1, min(days, 366)) - 1)
    prompt = readable(request, prompt_id)
    rows = PromptUseDay.objects.filter(prompt=prompt, day__gte=since).select_related("version")
    ordered = rows.order_by("-day", "-version__number", "label")
    return paginate(ordered, paging, _use)


def _use(row: PromptUseDay) -> dict[str, Any]:
    return {
        "date": row.day,
        "version": row.version.number,
        "label": row.label,
        "uses": row.uses,
    }
