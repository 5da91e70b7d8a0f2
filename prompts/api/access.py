"""What the person of a request may see and change, with what answers show of it."""

from django.http import HttpRequest

from accounts.access import current_user, owned_or_404
from prompts.models import Prompt, PromptQuerySet


def shown(rows: PromptQuerySet, request: HttpRequest) -> PromptQuerySet:
    marked = rows.marked_for(current_user(request)).select_related("owner")
    return marked.prefetch_related("tag_rows", "labels__version")


def readable(request: HttpRequest, prompt_id: int) -> Prompt:
    rows = Prompt.objects.for_user(current_user(request))
    return owned_or_404(shown(rows, request), pk=prompt_id)


def editable(request: HttpRequest, prompt_id: int) -> Prompt:
    return owned_or_404(Prompt.objects.editable_by(current_user(request)), pk=prompt_id)


def manageable(request: HttpRequest, prompt_id: int) -> Prompt:
    return owned_or_404(Prompt.objects.manageable_by(current_user(request)), pk=prompt_id)
