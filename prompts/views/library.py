"""The list, and making, changing, copying, starring and deleting a prompt."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import current_user
from llmplatform.audited_admin import put_on
from prompts import services
from prompts.forms import PromptForm
from prompts.models import Prompt, PromptTag
from prompts.selection import ORDERS, SCOPES, Selection
from prompts.variable_forms import VariableForm, specs_of, variable_forms
from prompts.views.access import UNPROCESSABLE, editable, manageable, readable, rights

PROMPTS_PER_PAGE = 30
TAGS_SHOWN = 40
TEXT_MAX_CHARS = 60_000


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    user = current_user(request)
    seen = Prompt.objects.for_user(user).in_language(get_language() or "")
    selection = Selection.of(request.GET)
    rows = selection.apply(seen, user)
    rows = rows.select_related("owner").prefetch_related("tag_rows", "labels__version")
    tags = PromptTag.objects.filter(prompt__in=seen).values("name")
    counted = tags.annotate(count=Count("pk")).order_by("-count", "name")[:TAGS_SHOWN]
    context = {
        "page": Paginator(rows, PROMPTS_PER_PAGE).get_page(request.GET.get("page")),
        "tags": [row["name"] for row in counted],
        "selection": selection,
        "scopes": SCOPES.items(),
        "orders": ORDERS,
    }
    return render(request, "prompts/list.html", context)


def _text_of(request: HttpRequest) -> str:
    return str(request.POST.get("text", ""))[:TEXT_MAX_CHARS].replace("\r\n", "\n")


def _rows(request: HttpRequest, prompt: Prompt | None = None) -> list[VariableForm]:
    """Of the text that is sent, else of the prompt's."""
    specs = prompt.variable_specs if prompt is not None else ()
    if request.method == "POST":
        return variable_forms(_text_of(request), specs, request.POST)
    return variable_forms(prompt.text, specs) if prompt is not None else []


def _values(form: PromptForm, rows: list[VariableForm]) -> dict[str, Any]:
    """What a service takes of a valid form."""
    values = {name: value for name, value in form.cleaned_data.items() if value is not None}
    return {**values, "variables": specs_of(rows)}


def _show_form(
    request: HttpRequest, form: PromptForm, rows: list[VariableForm], prompt: Prompt | None = None
) -> HttpResponse:
    is_wrong = bool(form.errors) or any(row.errors for row in rows)
    if form.is_bound and prompt is not None and "based_on" in form.errors:
        # Their next try knows of what was saved meanwhile.
        latest = Prompt.objects.get(pk=prompt.pk).number
        form.data = {**form.data.dict(), "based_on": str(latest)}  # type: ignore[attr-defined]
    context = {"form": form, "rows": rows, "prompt": prompt}
    status = UNPROCESSABLE if is_wrong else 200
    return render(request, "prompts/form.html", context, status=status)


def _is_valid(form: PromptForm, rows: list[VariableForm]) -> bool:
    return all([form.is_valid(), *(row.is_valid() for row in rows if row.is_bound)])


@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    user = current_user(request)
    form = PromptForm(request.POST or None, may_be_company=user.is_admin)
    rows = _rows(request)
    if form.is_bound and _is_valid(form, rows):
        try:
            prompt = services.create_prompt(actor=user, request=request, **_values(form, rows))
        except ValidationError as error:
            put_on(form, error)
        else:
            messages.success(request, _("“%(title)s” is saved.") % {"title": prompt.title})
            return redirect("prompts:detail", prompt.pk)
    return _show_form(request, form, rows)


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, prompt_id: int) -> HttpResponse:
    prompt = editable(request, prompt_id)
    may_share = rights(request, prompt)["may_manage"]
    form = PromptForm(
        request.POST or None, may_be_company=False, may_share=may_share, prompt=prompt
    )
    rows = _rows(request, prompt)
    if form.is_bound and _is_valid(form, rows):
        try:
            services.change_prompt(
                prompt=prompt, actor=current_user(request), request=request, **_values(form, rows)
            )
        except ValidationError as error:
            put_on(form, error)
        else:
            messages.success(request, _("The changes are saved."))
            return redirect("prompts:detail", prompt.pk)
    return _show_form(request, form, rows, prompt)


@require_POST
def places(request: HttpRequest) -> HttpResponse:
    """The variables of a text that is being written, as far as they are declared."""
    rows = variable_forms(_text_of(request), (), request.POST, is_sent=False)
    return render(request, "prompts/variables.html", {"rows": rows})


@require_POST
def copy(request: HttpRequest, prompt_id: int) -> HttpResponse:
    made = services.copy_prompt(
        prompt=readable(request, prompt_id), actor=current_user(request), request=request
    )
    messages.success(request, _("This is your own copy; change it as you like."))
    return redirect("prompts:edit", made.pk)


@require_POST
def favourite(request: HttpRequest, prompt_id: int) -> HttpResponse:
    """With htmx the star as it is now; otherwise back to where it was clicked."""
    prompt = readable(request, prompt_id)
    is_favourite = not prompt.is_favourite  # type: ignore[attr-defined]
    services.set_favourite(prompt=prompt, user=current_user(request), is_favourite=is_favourite)
    if "HX-Request" in request.headers:
        context = {"prompt": prompt, "is_favourite": is_favourite}
        return render(request, "prompts/star.html", context)
    target = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(target, {request.get_host()}, request.is_secure()):
        return redirect(target)
    return redirect("prompts:detail", prompt.pk)


@require_POST
def delete(request: HttpRequest, prompt_id: int) -> HttpResponse:
    prompt = manageable(request, prompt_id)
    services.delete_prompt(prompt=prompt, actor=current_user(request), request=request)
    messages.success(request, _("“%(title)s” is deleted.") % {"title": prompt.title})
    return redirect("prompts:list")
