"""API: `prompts`."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Query, Router

from accounts.access import current_user, owned_or_404
from llmplatform.errors import ApiError
from llmplatform.schemas import Page, Paging, paginate
from prompts import services
from prompts.models import Prompt
from prompts.schemas import PromptIn, PromptOut, PromptPatch, RenderIn, RenderOut

router = Router(tags=["Prompts"])


def _readable(request: HttpRequest) -> QuerySet[Prompt]:
    rows = Prompt.objects.for_user(current_user(request))
    return rows.select_related("owner").prefetch_related("tag_rows")


def _editable(request: HttpRequest, prompt_id: int) -> Prompt:
    return owned_or_404(Prompt.objects.editable_by(current_user(request)), pk=prompt_id)


@router.get("", response=Page[PromptOut])
def list_prompts(request: HttpRequest, paging: Query[Paging], q: str = "", tag: str = "") -> Any:
    """One's own, the company's and what others share; every word of `q`, and the whole `tag`."""
    rows = Prompt.objects.for_user(current_user(request)).matching(q)
    rows = rows.tagged(tag) if tag else rows
    return paginate(rows.select_related("owner").prefetch_related("tag_rows"), paging)


@router.post("", response={201: PromptOut})
def create_prompt(request: HttpRequest, body: PromptIn) -> Any:
    user = current_user(request)
    return 201, services.create_prompt(actor=user, request=request, **body.model_dump())


@router.get("{int:prompt_id}", response=PromptOut)
def get_prompt(request: HttpRequest, prompt_id: int) -> Prompt:
    return owned_or_404(_readable(request), pk=prompt_id)


@router.patch("{int:prompt_id}", response=PromptOut)
def change_prompt(request: HttpRequest, prompt_id: int, body: PromptPatch) -> Prompt:
    """Owners change theirs, administrators the company's."""
    return services.change_prompt(
        prompt=_editable(request, prompt_id),
        actor=current_user(request),
        request=request,
        **body.model_dump(exclude_unset=True, exclude_none=True),
    )


@router.delete("{int:prompt_id}", response={204: None})
def delete_prompt(request: HttpRequest, prompt_id: int) -> Any:
    prompt = _editable(request, prompt_id)
    services.delete_prompt(prompt=prompt, actor=current_user(request), request=request)
    return 204, None


@router.post("{int:prompt_id}/render", response=RenderOut)
def render_prompt(request: HttpRequest, prompt_id: int, body: RenderIn) -> Any:
    """The text with every place filled; `fields` of the error name what is missing or unknown."""
    prompt = owned_or_404(_readable(request), pk=prompt_id)
    try:
        return {"text": services.fill_in(prompt=prompt, values=body.variables)}
    except ValidationError as error:
        fields = {f"variables.{name}": texts for name, texts in error.message_dict.items()}
        message = _("The variables don't fit the prompt.")
        raise ApiError(422, "invalid", message, fields) from error
