"""Versions of a prompt: compare, restore, label; and how often each is used."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.access import current_user, owned_or_404
from llmplatform.text import number_of
from prompts import comparison, usage, versions
from prompts.forms import LabelForm
from prompts.models import PRODUCTION, Prompt, PromptVersion
from prompts.views.access import editable, readable, rights

LABELS_OFFERED = (PRODUCTION, "draft")


def _asked(request: HttpRequest, prompt: Prompt, name: str) -> PromptVersion | None:
    """The version that the address names; 404 for one that there is not."""
    if not request.GET.get(name):
        return None
    return owned_or_404(prompt.versions.all(), number=number_of(request.GET[name], 9))


def _comparison(request: HttpRequest, prompt: Prompt) -> dict[str, Any]:
    old, new = _asked(request, prompt, "old"), _asked(request, prompt, "new")
    if old is None or new is None:
        return {}
    lines = comparison.lines_of(old.text, new.text)
    return {
        "old": old,
        "new": new,
        "lines": lines,
        "counts": {kind: sum(line.kind == kind for line in lines) for kind in ("added", "removed")},
        "variables": comparison.variables_between(old.variables, new.variables),
    }


@require_safe
def history(request: HttpRequest, prompt_id: int) -> HttpResponse:
    prompt = readable(request, prompt_id)
    context = {
        "prompt": prompt,
        "versions": prompt.versions.select_related("author").prefetch_related("labels"),
        "labels": prompt.labels.select_related("version", "moved_by"),
        "labels_offered": LABELS_OFFERED,
        "production": PRODUCTION,
        **_comparison(request, prompt),
        **rights(request, prompt),
    }
    return render(request, "prompts/versions.html", context)


@require_safe
def statistics(request: HttpRequest, prompt_id: int) -> HttpResponse:
    prompt = readable(request, prompt_id)
    context = {"prompt": prompt, "usage": usage.usage_of(prompt), **rights(request, prompt)}
    return render(request, "prompts/statistics.html", context)


@require_POST
def restore(request: HttpRequest, prompt_id: int, number: int) -> HttpResponse:
    prompt = editable(request, prompt_id)
    version = owned_or_404(prompt.versions.all(), number=number)
    try:
        made = versions.restore(version=version, actor=current_user(request), request=request)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        text = _("Version %(made)d says what version %(number)d said.")
        messages.success(request, text % {"made": made.number, "number": number})
    return redirect("prompts:history", prompt.pk)


@require_POST
def label(request: HttpRequest, prompt_id: int) -> HttpResponse:
    """Put a label on a version, wherever it was before."""
    prompt = editable(request, prompt_id)
    form = LabelForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Write a label and choose a version."))
        return redirect("prompts:history", prompt.pk)
    version = owned_or_404(prompt.versions.all(), number=form.cleaned_data["number"])
    try:
        row = versions.move_label(
            version=version,
            name=form.cleaned_data["name"],
            actor=current_user(request),
            request=request,
        )
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        text = _("“%(label)s” is version %(number)d now.")
        messages.success(request, text % {"label": row.name, "number": version.number})
    return redirect("prompts:history", prompt.pk)


@require_POST
def unlabel(request: HttpRequest, prompt_id: int) -> HttpResponse:
    prompt = editable(request, prompt_id)
    row = prompt.labels.filter(name=request.POST.get("name", "")).first()
    if row is None:  # somebody else was faster
        messages.error(request, _("The prompt has no such label."))
    else:
        versions.remove_label(label=row, actor=current_user(request), request=request)
        messages.success(request, _("“%(label)s” is taken away.") % {"label": row.name})
    return redirect("prompts:history", prompt.pk)
