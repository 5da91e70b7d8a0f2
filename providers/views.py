"""Provider pages."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Count, Q, prefetch_related_objects
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import current_user, owned_or_404
from llmplatform.audited_admin import done_in_dialog, put_on
from providers import own_prices, services
from providers.errors import ProviderError
from providers.forms import ModelForm, ModelIdForm, PriceForm, ProviderForm, preset_of
from providers.model_list import evidence_of, opened, plan_refresh, sealed
from providers.models import Provider, ProviderModel
from providers.own_prices import rate_text
from providers.presets import BY_SLUG, PRESETS, Section, catalog_slug
from providers.prices import price_book, price_of_model
from providers.rates import Price
from providers.types import ListedModel
from providers.undoing import undo_refresh, undoable_at

MODELS_PER_PAGE = 50
# The button of the form that asks the provider and saves nothing.
TRY = "try"


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    user = current_user(request)
    live = Count("models", filter=Q(models__missing_since=None))
    rows = Provider.objects.for_user(user).annotate(model_count=live)
    return render(request, "providers/list.html", {"providers": rows})


@require_safe
def choose(request: HttpRequest) -> HttpResponse:
    sections = [
        (section.label, [preset for preset in PRESETS if preset.section == section])
        for section in (*(s for s in Section if s != Section.OTHER), Section.OTHER)
    ]
    return render(request, "providers/choose.html", {"sections": [s for s in sections if s[1]]})


@sensitive_post_parameters("api_key")
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest, slug: str) -> HttpResponse:
    if slug not in BY_SLUG:
        raise Http404
    user, preset = current_user(request), preset_of(slug)
    initial = {"name": preset.suggested_name, "base_url": next(iter(preset.base_urls), "")}
    data = request.POST if request.method == "POST" else None
    form = ProviderForm(data, preset=preset, may_share=user.is_admin)
    if data is None:
        form.initial = {**initial, "is_shared": user.is_admin}
    elif form.is_valid():
        try:
            if TRY in request.POST:
                draft = services.unsaved_provider(actor=user, preset=slug, **form.values)
                return _form_page(request, {"form": form, "preset": preset}, draft)
            provider = services.create_provider(
                actor=user, preset=preset.slug, request=request, **form.values
            )
        except ValidationError as error:
            put_on(form, error)
        else:
            _refresh(request, provider)
            _tell_of_names(request, provider)
            return done_in_dialog(request, reverse("providers:detail", args=[provider.pk]))
    return _form_page(request, {"form": form, "preset": preset})


def _form_page(
    request: HttpRequest, context: dict[str, Any], draft: Provider | None = None
) -> HttpResponse:
    """With JavaScript only the form comes back, and a key that was typed stays in the browser.
    `draft`: what the form says is asked, and nothing is saved."""
    if draft is not None:
        found = services.rehearse_connection(draft)
        shown = [(row, evidence_of(row)) for row in found.models[:MODELS_PER_PAGE]]
        context |= {"rehearsal": found, "found": shown}
    is_wrong = bool(context["form"].errors)
    is_part = (is_wrong or draft is not None) and request.headers.get("HX-Request")
    part = "#form" if is_part else ""
    template = f"providers/form.html{part}"
    return render(request, template, context, status=422 if is_wrong else 200)


def _refresh(request: HttpRequest, provider: Provider) -> None:
    """The model list, with a toast about how it went."""
    if provider.kind == "echo":
        messages.success(request, _("Ready. Try it in a chat."))
        return
    try:
        found = services.refresh_models(
            provider=provider, actor=current_user(request), request=request
        )
    except ProviderError as error:
        messages.error(request, str(error.advice))
        return
    text = ngettext("%(count)d model added.", "%(count)d models added.", len(found.added))
    messages.success(request, text % {"count": len(found.added)})


def _tell_of_names(request: HttpRequest, provider: Provider, old_name: str = "") -> None:
    """What programs have to write where a name is taken twice, or is another one now."""
    name = provider.name
    if old_name and old_name != name:
        text = _(
            "Names of models begin with it: programs that write “%(old)s/…” need “%(new)s/…” now."
        )
        messages.warning(request, text % {"old": old_name, "new": name})
    twins = Provider.objects.for_user(current_user(request)).filter(name=name)
    if name != old_name and twins.exclude(pk=provider.pk).exists():
        text = _("Another connection has this name: programs must write “%(name)s#%(id)d/…”.")
        messages.warning(request, text % {"name": name, "id": provider.pk})


def _editable(request: HttpRequest, provider_id: int) -> Provider:
    return owned_or_404(Provider.objects.editable_by(current_user(request)), pk=provider_id)


def _price_text(price: Price | None) -> str:
    """In and out for a short prompt, with a dash for what is unknown."""
    if price is None:
        return "–"
    rates = price.rates_for(1)
    if rates.input is None and rates.output is None:
        return "–"
    return f"{price.currency} {rate_text(rates.input)} / {rate_text(rates.output)}"


@require_safe
def detail(request: HttpRequest, provider_id: int) -> HttpResponse:
    provider = owned_or_404(Provider.objects.for_user(current_user(request)), pk=provider_id)
    return _provider_page(request, provider, ModelIdForm())


def _provider_page(request: HttpRequest, provider: Provider, add_form: ModelIdForm) -> HttpResponse:
    user = current_user(request)
    wanted = request.GET.get("q", "").strip()
    rows = provider.models.order_by("missing_since", "model_id")
    if wanted:
        rows = rows.filter(model_id__icontains=wanted)
    page = Paginator(rows, MODELS_PER_PAGE).get_page(request.GET.get("page"))
    book, now = price_book(catalog_slug(provider.preset, provider.base_url)), timezone.now()
    prefetch_related_objects(list(page), "own_prices")
    context = {
        "provider": provider,
        "page": page,
        "rows": [(model, _price_text(price_of_model(model, now, book))) for model in page],
        "q": wanted,
        "may_edit": Provider.objects.editable_by(user).filter(pk=provider.pk).exists(),
        "add_form": add_form,
        "undoable_at": undoable_at(provider),
    }
    status = 422 if add_form.errors else 200
    return render(request, "providers/detail.html", context, status=status)


@sensitive_post_parameters("api_key")
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, provider_id: int) -> HttpResponse:
    user, provider = current_user(request), _editable(request, provider_id)
    old_name = provider.name
    preset = preset_of(provider.preset if provider.kind != "echo" else "echo")
    initial = ProviderForm.initial_of(provider)
    form = ProviderForm(request.POST or None, preset=preset, may_share=False, initial=initial)
    if form.is_valid():
        try:
            if TRY in request.POST:
                draft = Provider.objects.get(pk=provider.pk)
                services.change_unsaved(draft, **form.values)
                context = {"form": form, "preset": preset, "provider": provider}
                return _form_page(request, context, draft)
            services.change_provider(provider=provider, actor=user, request=request, **form.values)
        except ValidationError as error:
            put_on(form, error)
        else:
            messages.success(request, _("The changes are saved."))
            _tell_of_names(request, provider, old_name)
            return done_in_dialog(request, reverse("providers:detail", args=[provider.pk]))
    return _form_page(request, {"form": form, "preset": preset, "provider": provider})


@require_POST
def test(request: HttpRequest, provider_id: int) -> HttpResponse:
    result = services.check_connection(_editable(request, provider_id))
    if result.error is not None:
        messages.error(request, str(result.error.advice))
    else:
        answered = _("The provider answers (%(ms)d ms).") % {"ms": result.latency_ms}
        messages.success(request, answered)
    return redirect("providers:detail", provider_id)


def _table_prices(provider: Provider) -> Callable[[str], str]:
    """What calls of an id cost by the price table, in and out."""
    slug = catalog_slug(provider.preset, provider.base_url)
    book, now = price_book(slug), timezone.now()
    return lambda model_id: _price_text(book.price_of(slug, model_id, now))


@require_POST
def refresh(request: HttpRequest, provider_id: int) -> HttpResponse:
    """What a refresh would change; where that is nothing, or it fails, back to the provider."""
    provider = _editable(request, provider_id)
    try:
        listed = services.list_models(provider)
    except ProviderError as error:
        messages.error(request, str(error.advice))
        return redirect("providers:detail", provider_id)
    plan = plan_refresh(provider, listed)
    if plan.is_empty:
        _apply(request, provider, listed)
        messages.success(request, _("The model list is up to date."))
        return redirect("providers:detail", provider_id)
    price = _table_prices(provider)
    context = {
        "provider": provider,
        "plan": plan,
        "added": [(row, evidence_of(row), price(row.model_id)) for row in plan.added],
        "renamed": [
            (change, price(change.before["model_id"]), price(change.after["model_id"]))
            for change in plan.renamed
        ],
        "sealed": sealed(provider, listed),
    }
    return render(request, "providers/refresh.html", context)


def _apply(request: HttpRequest, provider: Provider, listed: list[ListedModel]) -> None:
    services.apply_models(
        provider=provider, listed=listed, actor=current_user(request), request=request
    )


@require_POST
def apply_refresh(request: HttpRequest, provider_id: int) -> HttpResponse:
    """The list of the preview, as it was shown."""
    provider = _editable(request, provider_id)
    listed = opened(provider, request.POST.get("list", ""))
    if listed is None:
        messages.error(request, _("This preview is too old. Refresh the models again."))
    else:
        _apply(request, provider, listed)
        messages.success(request, _("The changes are saved."))
    return redirect("providers:detail", provider_id)


@require_POST
def undo(request: HttpRequest, provider_id: int) -> HttpResponse:
    provider = _editable(request, provider_id)
    try:
        undo_refresh(provider=provider, actor=current_user(request), request=request)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        messages.success(request, _("The model list is as it was before the refresh."))
    return redirect("providers:detail", provider_id)


@require_POST
def toggle(request: HttpRequest, provider_id: int) -> HttpResponse:
    provider = _editable(request, provider_id)
    services.change_provider(
        provider=provider,
        actor=current_user(request),
        request=request,
        is_enabled=not provider.is_enabled,
    )
    return redirect("providers:detail", provider_id)


@require_POST
def delete(request: HttpRequest, provider_id: int) -> HttpResponse:
    provider = _editable(request, provider_id)
    services.delete_provider(provider=provider, actor=current_user(request), request=request)
    messages.success(request, _("“%(name)s” is deleted.") % {"name": provider.name})
    return redirect("providers:list")


@require_POST
def add_model(request: HttpRequest, provider_id: int) -> HttpResponse:
    provider, form = _editable(request, provider_id), ModelIdForm(request.POST)
    if form.is_valid():
        try:
            model = services.add_model(
                provider=provider,
                model_id=form.cleaned_data["model_id"],
                actor=current_user(request),
                request=request,
            )
        except ValidationError as error:
            put_on(form, error)
        else:
            return redirect("providers:model", provider.pk, model.pk)
    return _provider_page(request, provider, form)


@require_http_methods(["GET", "HEAD", "POST"])
def edit_model(request: HttpRequest, provider_id: int, model_id: int) -> HttpResponse:
    model = _model_of(request, provider_id, model_id)
    form = ModelForm(request.POST or None, instance=model)
    if form.is_valid():
        changes = {name: form.cleaned_data[name] for name in form.changed_data}
        fresh, actor = ProviderModel.objects.get(pk=model.pk), current_user(request)
        try:
            services.change_model(model=fresh, actor=actor, request=request, **changes)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, _("The changes are saved."))
            return redirect("providers:detail", provider_id)
    return _model_page(request, model, form, PriceForm(initial=_price_offered(model)))


def _model_page(
    request: HttpRequest, model: ProviderModel, form: ModelForm, price_form: PriceForm
) -> HttpResponse:
    context = {
        "form": form,
        "price_form": price_form,
        "provider": model.provider,
        "model": model,
        "prices": own_prices.history(model, timezone.now()),
    }
    is_wrong = bool(form.errors or price_form.errors)
    return render(request, "providers/model.html", context, status=422 if is_wrong else 200)


def _price_offered(model: ProviderModel) -> dict[str, Any]:
    """A new price starts from the one that applies."""
    rows = own_prices.history(model, timezone.now())
    current = next((row.row for row in rows if row.is_current), None)
    if current is None:
        return {}
    rates = {name: getattr(current, name) for name in own_prices.RATES}
    return {"currency": current.currency} | {
        name: rate_text(rate) for name, rate in rates.items() if rate is not None
    }


def _model_of(request: HttpRequest, provider_id: int, model_id: int) -> ProviderModel:
    return owned_or_404(_editable(request, provider_id).models.all(), pk=model_id)


@require_POST
def set_price(request: HttpRequest, provider_id: int, model_id: int) -> HttpResponse:
    model, form = _model_of(request, provider_id, model_id), PriceForm(request.POST)
    if form.is_valid():
        actor = current_user(request)
        try:
            own_prices.set_price(model=model, actor=actor, request=request, **form.cleaned_data)
        except ValidationError as error:
            put_on(form, error)
        else:
            messages.success(request, _("The price is saved."))
            return redirect("providers:model", provider_id, model_id)
    return _model_page(request, model, ModelForm(instance=model), form)


@require_POST
def remove_price(
    request: HttpRequest, provider_id: int, model_id: int, price_id: int
) -> HttpResponse:
    model = _model_of(request, provider_id, model_id)
    row = owned_or_404(model.own_prices.all(), pk=price_id)
    own_prices.remove_price(row=row, actor=current_user(request), request=request)
    messages.success(request, _("The price is removed."))
    return redirect("providers:model", provider_id, model_id)
