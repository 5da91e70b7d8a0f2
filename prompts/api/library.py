"""API: the prompts themselves, and moving them in and out."""

from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Query, Router

from accounts.access import current_user
from llmplatform.errors import ApiError
from llmplatform.schemas import Page, Paging, paginate
from prompts import services, transfer, versions
from prompts.api.access import editable, manageable, readable, shown
from prompts.models import Prompt
from prompts.schemas import (
    ImportOut,
    PromptImportIn,
    PromptIn,
    PromptOut,
    PromptPatch,
    RenderIn,
    RenderOut,
)
from prompts.selection import Selection

router = Router(tags=["Prompts"])
SHARING = {"is_shared", "everyone_edits"}


def _selected(request: HttpRequest, language: str) -> Any:
    user = current_user(request)
    rows = Prompt.objects.for_user(user)
    rows = rows.in_language(language) if language else rows
    return Selection.of(request.GET).apply(rows, user)


@router.get("", response=Page[PromptOut])
def list_prompts(
    request: HttpRequest,
    paging: Query[Paging],
    q: str = "",
    tag: str = "",
    scope: str = "",
    order: str = "",
    language: str = "",
) -> Any:
    """One's own, the company's and what others share; every word of `q`, and the whole `tag`.

    `scope`: favourites, mine, shared or company. `order`: used, new or title. `language`: of the
    platform's presets only those in `en` or `zh-hans`.
    """
    return paginate(shown(_selected(request, language), request), paging)


@router.get("export")
def export_prompts(
    request: HttpRequest,
    q: str = "",
    tag: str = "",
    scope: str = "",
    language: str = "",
) -> dict[str, Any]:
    """What the list shows with the same query, with every version; at most 2,000."""
    rows = _selected(request, language)
    whole = rows.prefetch_related("tag_rows", "versions__author", "labels__version")
    return transfer.exported(whole[: transfer.ENTRIES_MAX])


@router.post("import", response=ImportOut)
def import_prompts(request: HttpRequest, body: PromptImportIn) -> Any:
    """Good entries become private prompts of one's own; the others are named with their reasons."""
    report = transfer.import_prompts(
        actor=current_user(request), entries=body.prompts, request=request
    )
    return {
        "made": [prompt.pk for prompt in report.made],
        "known": [{"entry": entry, "title": title} for entry, title in report.known],
        "refused": [
            {"entry": entry, "title": title, "reasons": reasons}
            for entry, title, reasons in report.refused
        ],
    }


@router.post("", response={201: PromptOut})
def create_prompt(request: HttpRequest, body: PromptIn) -> Any:
    user = current_user(request)
    made = services.create_prompt(actor=user, request=request, **body.model_dump())
    return 201, readable(request, made.pk)


@router.get("{int:prompt_id}", response=PromptOut)
def get_prompt(request: HttpRequest, prompt_id: int) -> Prompt:
    return readable(request, prompt_id)


@router.patch("{int:prompt_id}", response=PromptOut)
def change_prompt(request: HttpRequest, prompt_id: int, body: PromptPatch) -> Prompt:
    """Another text or other variables make a new version. Owners change theirs, administrators the
    company's, everybody what is open to all; who reads it is its owner's decision."""
    changes = body.model_dump(exclude_unset=True, exclude_none=True)
    find = manageable if SHARING & changes.keys() else editable
    prompt = find(request, prompt_id)
    services.change_prompt(prompt=prompt, actor=current_user(request), request=request, **changes)
    return readable(request, prompt_id)


@router.delete("{int:prompt_id}", response={204: None})
def delete_prompt(request: HttpRequest, prompt_id: int) -> Any:
    prompt = manageable(request, prompt_id)
    services.delete_prompt(prompt=prompt, actor=current_user(request), request=request)
    return 204, None


@router.post("{int:prompt_id}/copy", response={201: PromptOut})
def copy_prompt(request: HttpRequest, prompt_id: int) -> Any:
    """A private copy of one's own."""
    made = services.copy_prompt(
        prompt=readable(request, prompt_id), actor=current_user(request), request=request
    )
    return 201, readable(request, made.pk)


@router.post("{int:prompt_id}/favourite", response={204: None})
def add_favourite(request: HttpRequest, prompt_id: int) -> Any:
    prompt = readable(request, prompt_id)
    services.set_favourite(prompt=prompt, user=current_user(request), is_favourite=True)
    return 204, None


@router.delete("{int:prompt_id}/favourite", response={204: None})
def remove_favourite(request: HttpRequest, prompt_id: int) -> Any:
    prompt = readable(request, prompt_id)
    services.set_favourite(prompt=prompt, user=current_user(request), is_favourite=False)
    return 204, None


@router.get("{int:prompt_id}/export")
def export_prompt(request: HttpRequest, prompt_id: int) -> dict[str, Any]:
    """One prompt with every version, as a file that `import` reads."""
    return transfer.exported([readable(request, prompt_id)])


@router.post("{int:prompt_id}/render", response=RenderOut)
def render_prompt(request: HttpRequest, prompt_id: int, body: RenderIn) -> Any:
    """The text with every place filled, of the version or label asked for; `fields` of the error
    name what is missing, unknown or does not fit."""
    prompt = readable(request, prompt_id)
    version, label = versions.chosen(prompt, number=body.version, label=body.label)
    try:
        text = services.fill_in(prompt=prompt, values=body.variables, version=version, label=label)
    except ValidationError as error:
        fields = {f"variables.{name}": texts for name, texts in error.message_dict.items()}
        message = _("The variables don't fit the prompt.")
        raise ApiError(422, "invalid", message, fields) from error
    return {"text": text, "version": version.number, "label": label}
