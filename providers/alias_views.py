"""Pages of aliases: list, form, and one with the live state of what stands behind it."""

from itertools import islice
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import current_user, owned_or_404
from llmplatform.text import number_of
from providers import aliases
from providers.alias_state import members_shown
from providers.models import Alias, ProviderModel, Strategy
from providers.services import Trial, try_model

MODELS_OFFERED = 2000


class AliasForm(forms.Form):
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=100,
        help_text=gettext_lazy("What programs write as the model, for example “default”."),
    )
    strategy = forms.ChoiceField(
        label=gettext_lazy("Strategy"), choices=Strategy.choices, initial=Strategy.ORDER
    )
    retries = forms.IntegerField(
        label=gettext_lazy("Further rounds"),
        min_value=0,
        max_value=5,
        initial=1,
        help_text=gettext_lazy(
            "How often all models are tried again, after a pause, where none answered."
        ),
    )
    is_shared = forms.BooleanField(
        label=gettext_lazy("Share with everyone"),
        required=False,
        help_text=gettext_lazy("Only shared models can stand behind a shared alias."),
    )

    def __init__(self, *args: Any, may_share: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not may_share:
            del self.fields["is_shared"]


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    rows = Alias.objects.for_user(current_user(request)).annotate(size=Count("members"))
    return render(request, "providers/alias_list.html", {"aliases": rows})


@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    user = current_user(request)
    data = request.POST if request.method == "POST" else None
    form = AliasForm(data, may_share=user.is_admin, initial={"is_shared": user.is_admin})
    if data is not None and form.is_valid():
        try:
            alias = aliases.create_alias(actor=user, request=request, **form.cleaned_data)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            return redirect("providers:alias", alias.pk)
    status = 422 if form.errors else 200
    return render(request, "providers/alias_form.html", {"form": form}, status=status)


def _editable(request: HttpRequest, alias_id: int) -> Alias:
    return owned_or_404(Alias.objects.editable_by(current_user(request)), pk=alias_id)


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, alias_id: int) -> HttpResponse:
    alias, user = _editable(request, alias_id), current_user(request)
    data = request.POST if request.method == "POST" else None
    initial = {name: getattr(alias, name) for name in ("name", "strategy", "retries")}
    form = AliasForm(data, may_share=False, initial=initial)
    if data is not None and form.is_valid():
        try:
            aliases.change_alias(alias=alias, actor=user, request=request, **form.cleaned_data)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            return redirect("providers:alias", alias.pk)
    status = 422 if form.errors else 200
    shadowed = aliases.shadowed_by(str(form["name"].value()), alias.owner, user)
    context = {"form": form, "alias": alias, "shadowed": shadowed}
    return render(request, "providers/alias_form.html", context, status=status)


@require_safe
def detail(request: HttpRequest, alias_id: int) -> HttpResponse:
    """The page; asked by htmx, the table of its models alone."""
    user = current_user(request)
    alias = owned_or_404(Alias.objects.for_user(user), pk=alias_id)
    may_edit = Alias.objects.editable_by(user).filter(pk=alias.pk).exists()
    context = {"alias": alias, "members": members_shown(alias), "may_edit": may_edit}
    context["shadowed"] = aliases.shadowed_by(alias.name, alias.owner, user)
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "providers/alias.html#members", context)
    context["offered"] = _offered(alias)
    return render(request, "providers/alias.html", context)


def _offered(alias: Alias) -> list[ProviderModel]:
    """What does the same as the models that are behind it already."""
    taken = [member.model for member in alias.members.select_related("model__provider")]
    uses = aliases.common_uses(taken)
    rows = aliases.usable_models(alias.owner).exclude(pk__in=[model.pk for model in taken])
    fit = (
        row for row in rows.order_by("provider__name", "model_id") if aliases.uses_of(row) & uses
    )
    return list(islice(fit, MODELS_OFFERED))


@require_safe
def hint(request: HttpRequest) -> HttpResponse:
    """What an alias of this name would hide, while somebody writes it."""
    user = current_user(request)
    owner = None if user.is_admin and request.GET.get("is_shared") else user
    alias_id = number_of(request.GET.get("alias", ""))
    if alias_id is not None:
        owner = owned_or_404(Alias.objects.for_user(user), pk=alias_id).owner
    name = request.GET.get("name", "").strip()
    context = {"shadowed": aliases.shadowed_by(name, owner, user)}
    return render(request, "providers/alias_hint.html", context)


@require_POST
def change_models(request: HttpRequest, alias_id: int) -> HttpResponse:
    """`add`, `remove`, `up` or `down` with a model's key, or `weight-<key>` for some of them."""
    alias = _editable(request, alias_id)
    order = list(alias.members.values_list("model_id", flat=True))
    try:
        weights = {
            int(name.removeprefix("weight-")): int(str(value))
            for name, value in request.POST.items()
            if name.startswith("weight-")
        }
        for verb in ("add", "remove", "up", "down"):
            if raw := request.POST.get(verb, ""):
                order = _moved(order, verb, int(raw))
        aliases.change_alias(
            alias=alias,
            actor=current_user(request),
            models=order,
            weights=weights,
            request=request,
        )
    except ValueError:
        messages.error(request, _("That was no number."))
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    return redirect("providers:alias", alias.pk)


def _moved(order: list[int], verb: str, model_pk: int) -> list[int]:
    if verb == "add":
        return [*order, model_pk]
    if model_pk not in order:
        return order
    place = order.index(model_pk)
    rest = order[:place] + order[place + 1 :]
    if verb == "remove":
        return rest
    to = max(0, place - 1) if verb == "up" else place + 1
    return [*rest[:to], model_pk, *rest[to:]]


@require_POST
def toggle(request: HttpRequest, alias_id: int) -> HttpResponse:
    alias = _editable(request, alias_id)
    aliases.change_alias(
        alias=alias,
        actor=current_user(request),
        is_enabled=not alias.is_enabled,
        request=request,
    )
    return redirect("providers:alias", alias.pk)


@require_POST
def delete(request: HttpRequest, alias_id: int) -> HttpResponse:
    alias = _editable(request, alias_id)
    aliases.delete_alias(alias=alias, actor=current_user(request), request=request)
    messages.success(request, _("The alias is deleted."))
    return redirect("providers:alias-list")


@require_POST
def try_all(request: HttpRequest, alias_id: int) -> HttpResponse:
    """Asks every model behind the alias once, and shows what each did."""
    alias = _editable(request, alias_id)
    members = alias.members.select_related("model__provider")
    trials: list[Trial] = [
        try_model(member.model, actor=current_user(request)) for member in members
    ]
    return render(request, "providers/alias_trials.html", {"trials": trials})
