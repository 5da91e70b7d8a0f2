"""Base models: register one, look at it, download, cancel, delete; tokens for hubs."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import current_user, owned_or_404
from training import base_models, plain_serving
from training.errors import StateConflict
from training.forms import BaseModelForm, ChangeBaseModelForm, HubTokenForm
from training.models import BaseModel, Hub, HubToken, ModelFetch
from training.refusals import explained
from training.views.saying import refusals_said


@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    user = current_user(request)
    form = BaseModelForm(request.POST or None, may_share=user.is_admin)
    if form.is_valid():
        try:
            made = base_models.register_base_model(actor=user, request=request, **form.cleaned_data)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, _("“%(name)s” is registered.") % {"name": made.name})
            if made.is_ready:
                return redirect("models:list")
            return redirect("models:base", made.pk)
    status = 422 if form.errors else 200
    return render(request, "training/base_model_form.html", {"form": form}, status=status)


def _base_model(request: HttpRequest, base_id: int) -> BaseModel:
    return owned_or_404(BaseModel.objects.for_user(current_user(request)), pk=base_id)


def _editable(request: HttpRequest, base_id: int) -> BaseModel:
    return owned_or_404(BaseModel.objects.editable_by(current_user(request)), pk=base_id)


def fetch_part(fetch: ModelFetch | None) -> dict[str, Any]:
    """What the page says of a download."""
    if fetch is None:
        return {"fetch": None}
    return {
        "fetch": fetch,
        "is_moving": not fetch.is_final,
        "problem": explained(fetch.detail) if fetch.reason else "",
    }


@require_safe
def detail(request: HttpRequest, base_id: int) -> HttpResponse:
    """Asked by htmx, the part alone that says how far its download or its making is."""
    user, base_model = current_user(request), _base_model(request, base_id)
    may_change = BaseModel.objects.editable_by(user).filter(pk=base_model.pk).exists()
    context = fetch_part(base_model.fetch) | {
        "base_model": base_model,
        "build": None if base_model.is_ready else base_model.build,
        "may_change": may_change,
        "versions": base_model.versions.filter(owner=user).order_by("-created_at")[:20],
        "has_token": HubToken.objects.for_user(user).filter(hub=base_model.hub).exists(),
    }
    is_part = request.htmx  # type: ignore[attr-defined]
    part = "#download" if base_model.hub_id else "#making"
    name = f"training/base_model.html{part if is_part else ''}"
    return render(request, name, context)


@require_http_methods(["GET", "HEAD", "POST"])
def change(request: HttpRequest, base_id: int) -> HttpResponse:
    base_model = _editable(request, base_id)
    initial = {"name": base_model.name, "template": base_model.template}
    form = ChangeBaseModelForm(request.POST or None, initial=initial)
    if form.is_valid():
        try:
            base_models.change_base_model(
                base_model=base_model,
                actor=current_user(request),
                request=request,
                **form.cleaned_data,
            )
        except ValidationError as error:
            form.add_error(None, error)
        else:
            return redirect("models:base", base_model.pk)
    context = {"form": form, "base_model": base_model}
    status = 422 if form.errors else 200
    return render(request, "training/base_model_change.html", context, status=status)


@require_POST
def download(request: HttpRequest, base_id: int) -> HttpResponse:
    base_model = _editable(request, base_id)
    with refusals_said(request):
        base_models.start_fetch(base_model=base_model, actor=current_user(request), request=request)
    return redirect("models:base", base_id)


@require_POST
def cancel(request: HttpRequest, base_id: int) -> HttpResponse:
    base_model = _editable(request, base_id)
    with refusals_said(request):
        base_models.cancel(base_model=base_model, actor=current_user(request), request=request)
    return redirect("models:base", base_id)


@require_POST
def delete(request: HttpRequest, base_id: int) -> HttpResponse:
    base_model = _editable(request, base_id)
    name = base_model.name
    try:
        base_models.delete_base_model(
            base_model=base_model, actor=current_user(request), request=request
        )
    except StateConflict:
        text = _("“%(name)s” stays: a download or a training needs it.")
        messages.error(request, text % {"name": name})
        return redirect("models:base", base_id)
    messages.success(request, _("“%(name)s” is deleted.") % {"name": name})
    return redirect("models:list")


@require_http_methods(["GET", "HEAD", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """One token a hub; what is kept is shown by its end only."""
    user = current_user(request)
    form = HubTokenForm(request.POST or None)
    if request.method == "POST" and "forget" in request.POST:
        base_models.forget_hub_token(owner=user, hub=request.POST["forget"], request=request)
        return redirect("models:tokens")
    if form.is_valid():
        try:
            base_models.set_hub_token(owner=user, request=request, **form.cleaned_data)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, _("The token is kept."))
            return redirect("models:tokens")
    kept = {row.hub: row for row in HubToken.objects.for_user(user)}
    rows = [{"hub": hub, "label": label, "token": kept.get(hub)} for hub, label in Hub.choices]
    status = 422 if form.errors else 200
    context = {"form": form, "rows": rows}
    return render(request, "training/hub_tokens.html", context, status=status)


@require_POST
def serve(request: HttpRequest, base_id: int) -> HttpResponse:
    """As it is; the page of its version goes on from there."""
    base_model, user = _base_model(request, base_id), current_user(request)
    try:
        row = plain_serving.deploy(base_model=base_model, actor=user, request=request)
    except StateConflict:
        version = plain_serving.as_version(base_model, user)
        return redirect("models:detail", version.pk)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return redirect("models:base", base_model.pk)
    return redirect("models:detail", row.version_id)
