"""Prompt pages."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import current_user, owned_or_404
from prompts import services
from prompts.forms import PromptForm, VariablesForm
from prompts.models import Prompt, PromptTag

PROMPTS_PER_PAGE = 30
TAGS_SHOWN = 40
UNPROCESSABLE = 422
# Servers and proxies refuse longer request lines.
ADDRESS_MAX_CHARS = 7000


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    readable = Prompt.objects.for_user(current_user(request))
    wanted, tag = request.GET.get("q", "").strip(), request.GET.get("tag", "").strip()
    rows = readable.matching(wanted)
    rows = rows.tagged(tag) if tag else rows
    rows = rows.select_related("owner").prefetch_related("tag_rows")
    tags = PromptTag.objects.filter(prompt__in=readable).values("name")
    counted = tags.annotate(count=Count("pk")).order_by("-count", "name")[:TAGS_SHOWN]
    context = {
        "page": Paginator(rows, PROMPTS_PER_PAGE).get_page(request.GET.get("page")),
        "tags": [row["name"] for row in counted],
        "q": wanted,
        "tag": tag,
        "is_filtered": bool(wanted or tag),
    }
    return render(request, "prompts/list.html", context)


def _readable(request: HttpRequest, prompt_id: int) -> Prompt:
    return owned_or_404(Prompt.objects.for_user(current_user(request)), pk=prompt_id)


def _editable(request: HttpRequest, prompt_id: int) -> Prompt:
    return owned_or_404(Prompt.objects.editable_by(current_user(request)), pk=prompt_id)


@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    user = current_user(request)
    form = PromptForm(request.POST or None, may_be_company=user.is_admin)
    if form.is_valid():
        try:
            prompt = services.create_prompt(actor=user, request=request, **form.cleaned_data)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, _("“%(title)s” is saved.") % {"title": prompt.title})
            return redirect("prompts:detail", prompt.pk)
    return _show_form(request, form)


def _show_form(request: HttpRequest, form: PromptForm, **context: Any) -> HttpResponse:
    status = UNPROCESSABLE if form.errors else 200
    return render(request, "prompts/form.html", {"form": form, **context}, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, prompt_id: int) -> HttpResponse:
    prompt = _editable(request, prompt_id)
    form = PromptForm(request.POST or None, may_be_company=False, prompt=prompt)
    if form.is_valid():
        try:
            services.change_prompt(
                prompt=prompt, actor=current_user(request), request=request, **form.cleaned_data
            )
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, _("The changes are saved."))
            return redirect("prompts:detail", prompt.pk)
    return _show_form(request, form, prompt=Prompt.objects.get(pk=prompt.pk))


def _show(
    request: HttpRequest, prompt: Prompt, form: VariablesForm, text: str = ""
) -> HttpResponse:
    may_edit = Prompt.objects.editable_by(current_user(request)).filter(pk=prompt.pk).exists()
    context = {"prompt": prompt, "form": form, "may_edit": may_edit, "filled": text}
    status = UNPROCESSABLE if form.errors else 200
    return render(request, "prompts/detail.html", context, status=status)


@require_safe
def detail(request: HttpRequest, prompt_id: int) -> HttpResponse:
    prompt = _readable(request, prompt_id)
    return _show(request, prompt, VariablesForm(prompt=prompt))


@require_POST
def use(request: HttpRequest, prompt_id: int) -> HttpResponse:
    """Fill the places in and go to a new chat, or comparison, that starts with the text."""
    prompt = _readable(request, prompt_id)
    form = VariablesForm(request.POST, prompt=prompt)
    if not form.is_valid():
        return _show(request, prompt, form)
    text = services.fill_in(prompt=prompt, values=form.cleaned_data)
    page = "compare:index" if request.POST.get("to") == "compare" else "chat:index"
    address = f"{reverse(page)}?{urlencode({'prompt': text})}"
    if len(address) > ADDRESS_MAX_CHARS:
        return _show(request, prompt, form, text)
    return redirect(address)


@require_POST
def copy(request: HttpRequest, prompt_id: int) -> HttpResponse:
    made = services.copy_prompt(
        prompt=_readable(request, prompt_id), actor=current_user(request), request=request
    )
    messages.success(request, _("This is your own copy; change it as you like."))
    return redirect("prompts:edit", made.pk)


@require_POST
def delete(request: HttpRequest, prompt_id: int) -> HttpResponse:
    prompt = _editable(request, prompt_id)
    services.delete_prompt(prompt=prompt, actor=current_user(request), request=request)
    messages.success(request, _("“%(title)s” is deleted.") % {"title": prompt.title})
    return redirect("prompts:list")
