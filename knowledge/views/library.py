"""The list of knowledge bases, and making, changing and deleting one."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import current_user, owned_or_404
from knowledge import bases, previewing
from knowledge.access import manageable
from knowledge.forms import BaseForm, PreviewForm
from knowledge.models import Base, SpaceStatus
from knowledge.views.documents import say_read_again
from llmplatform.audited_admin import put_on
from llmplatform.text import searched

PER_PAGE = 30
UNPROCESSABLE = 422


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    words = searched(request.GET.get("q", ""))
    rows = Base.objects.for_user(current_user(request)).matching(words).counted()
    rows = rows.select_related("owner", "live_space")
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "knowledge/list.html", {"page": page, "q": words})


@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    user = current_user(request)
    form = BaseForm(request.POST or None, user=user)
    if form.is_bound and form.is_valid():
        try:
            made = bases.create_base(
                owner=user,
                embedding_model=form.cleaned_data["embedding_model"],
                request=request,
                **form.settings,
            )
        except ValidationError as error:
            put_on(form, error)
        else:
            messages.success(request, _("“%(name)s” is made. Add documents now.") % {"name": made})
            return redirect("knowledge:detail", made.pk)
    status = UNPROCESSABLE if form.errors else 200
    return render(request, "knowledge/form.html", {"form": form}, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def settings(request: HttpRequest, base_id: int) -> HttpResponse:
    base, user = manageable(request, base_id), current_user(request)
    form = BaseForm(request.POST or None, user=user, instance=Base.objects.get(pk=base.pk))
    if form.is_bound and form.is_valid():
        try:
            bases.change_base(base=base, actor=user, request=request, **form.settings)
            _change_model(request, base, form)
        except ValidationError as error:
            put_on(form, error)
        else:
            messages.success(request, _("The changes are saved."))
            return redirect("knowledge:settings", base.pk)
    context = {
        "base": base,
        "form": form,
        "tab": "settings",
        "may_manage": True,
        "preview_form": PreviewForm(instance=base) if base.is_own else None,
        "spaces": base.spaces.exclude(status__in=(SpaceStatus.RETIRED, SpaceStatus.LIVE)),
    }
    status = UNPROCESSABLE if form.errors else 200
    return render(request, "knowledge/settings.html", context, status=status)


@require_POST
def preview(request: HttpRequest, base_id: int) -> HttpResponse:
    """How one of its documents would be cut with the settings of the form; nothing is saved."""
    base, found = manageable(request, base_id), None
    form = PreviewForm(request.POST, instance=Base.objects.get(pk=base.pk))
    if form.is_valid():
        try:
            found = previewing.preview(**form.cleaned_data)
        except ValidationError as error:
            put_on(form, error)
    context = {"base": base, "form": form, "preview": found, "tab": "settings", "may_manage": True}
    is_part = bool(request.headers.get("HX-Request"))
    template = "knowledge/preview.html#preview" if is_part else "knowledge/preview.html"
    return render(request, template, context, status=UNPROCESSABLE if form.errors else 200)


def _change_model(request: HttpRequest, base: Base, form: BaseForm) -> None:
    """A new index, where another model was chosen than the one that answers or is being built."""
    if "embedding_model" not in form.fields:
        return
    wanted: Any = form.cleaned_data["embedding_model"]
    building = base.spaces.filter(status=SpaceStatus.BUILDING).first()
    now = building or base.live_space
    if now is None or now.embedding_model_id != (wanted.pk if wanted else None):
        bases.change_embedding_model(
            base=base, model=wanted, actor=current_user(request), request=request
        )


@require_POST
def rebuild(request: HttpRequest, base_id: int) -> HttpResponse:
    """Embed everything again with the model that it has, and read every document again."""
    base = manageable(request, base_id)
    say_read_again(request, bases.reread(base=base))
    return redirect("knowledge:detail", base.pk)


@require_POST
def use_index(request: HttpRequest, base_id: int, space_id: str) -> HttpResponse:
    base = manageable(request, base_id)
    space = owned_or_404(base.spaces.all(), pk=space_id)
    try:
        bases.use_space(space=space, actor=current_user(request), request=request)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        messages.success(request, _("The new index answers now."))
    return redirect("knowledge:settings", base.pk)


@require_POST
def delete(request: HttpRequest, base_id: int) -> HttpResponse:
    base = manageable(request, base_id)
    bases.delete_base(base=base, actor=current_user(request), request=request)
    messages.success(request, _("“%(name)s” is deleted.") % {"name": base.name})
    return redirect("knowledge:list")
