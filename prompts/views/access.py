"""What the person of a request may see and change."""

from django.http import HttpRequest

from accounts.access import current_user, owned_or_404
from prompts.models import Prompt, PromptQuerySet

UNPROCESSABLE = 422


def _of(rows: PromptQuerySet, request: HttpRequest, prompt_id: int) -> Prompt:
    return owned_or_404(rows.marked_for(current_user(request)), pk=prompt_id)


def readable(request: HttpRequest, prompt_id: int) -> Prompt:
    rows = Prompt.objects.for_user(current_user(request)).select_related("owner")
    return _of(rows, request, prompt_id)


def editable(request: HttpRequest, prompt_id: int) -> Prompt:
    return _of(Prompt.objects.editable_by(current_user(request)), request, prompt_id)


def manageable(request: HttpRequest, prompt_id: int) -> Prompt:
    return _of(Prompt.objects.manageable_by(current_user(request)), request, prompt_id)


def rights(request: HttpRequest, prompt: Prompt) -> dict[str, bool]:
    """For templates."""
    user, mine = current_user(request), Prompt.objects.filter(pk=prompt.pk)
    return {
        "may_edit": mine.editable_by(user).exists(),
        "may_manage": mine.manageable_by(user).exists(),
    }
