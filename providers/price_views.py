"""The price table: everybody looks things up, administrators enter prices and bring the table up to
date."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import admin_required, current_user, owned_or_404
from llmplatform.audited_admin import put_on
from providers import table_prices
from providers.models import ModelPrice
from providers.own_prices import priced
from providers.presets import BY_SLUG
from providers.price_forms import FilterForm, TablePriceForm, TierFormSet
from providers.price_import import ImportPlan
from providers.price_package import PackageMissing
from providers.price_refresh import PlanChanged, plan_refresh, refresh_prices

ROWS_SHOWN = 100
RATES_SHOWN = ("input", "output", "cached_input")
PARTS = ("changed", "kept", "added")


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    form = FilterForm(request.GET)
    rows = table_prices.found(form.filters)
    page = Paginator(rows, ROWS_SHOWN).get_page(request.GET.get("page"))
    context = {
        "form": form,
        "page": page,
        "rows": [(row, _rates(row), _provider(row)) for row in page],
        "is_filtered": any(request.GET.get(name) for name in form.fields),
        "today": table_prices.today(),
        "edited_count": ModelPrice.objects.filter(is_edited=True).count(),
    }
    return render(request, "providers/prices.html", context)


def _provider(row: ModelPrice) -> str:
    preset = BY_SLUG.get(row.provider_slug)
    return str(preset.name) if preset else row.provider_slug


@admin_required
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    initial = {"valid_from": table_prices.today(), "provider_slug": request.GET.get("provider")}
    return _price_page(request, None, initial | {"model_pattern": request.GET.get("model")}, [])


@admin_required
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, price_id: int) -> HttpResponse:
    row = owned_or_404(ModelPrice.objects.all(), pk=price_id)
    return _price_page(request, row, TablePriceForm.initial_of(row), row.tiers)


def _price_page(
    request: HttpRequest, row: ModelPrice | None, initial: dict[str, Any], tiers: list[Any]
) -> HttpResponse:
    data = request.POST if request.method == "POST" else None
    form = TablePriceForm(data, initial=initial)
    formset: Any = TierFormSet(data, initial=tiers, prefix="tiers")
    if row is not None:
        for name in ("provider_slug", "model_pattern"):
            form.fields[name].disabled = True
    if data is not None and form.is_valid() & formset.is_valid():
        try:
            saved = table_prices.set_price(
                actor=current_user(request),
                request=request,
                tiers=formset.tiers,
                **form.cleaned_data,
            )
        except ValidationError as error:
            put_on(form, error)
        else:
            messages.success(request, _("The price is saved."))
            return redirect("providers:price", saved.pk)
    context = {
        "form": form,
        "tiers": formset,
        "row": row,
        "history": _history(row) if row else [],
    }
    is_wrong = bool(data is not None and (form.errors or not formset.is_valid()))
    return render(request, "providers/price.html", context, status=422 if is_wrong else 200)


def _history(row: ModelPrice) -> list[dict[str, Any]]:
    rows, today = list(table_prices.history_of(row)), table_prices.today()
    current = next((each for each in rows if each.valid_from <= today), None)
    return [
        {
            "row": each,
            "rates": _rates(each),
            "is_current": each is current,
            "is_future": each.valid_from > today,
            "is_removable": table_prices.is_removable(each),
        }
        for each in rows
    ]


@admin_required
@require_POST
def remove(request: HttpRequest, price_id: int) -> HttpResponse:
    row = owned_or_404(ModelPrice.objects.all(), pk=price_id)
    rest = table_prices.history_of(row).exclude(pk=row.pk).first()
    try:
        table_prices.remove_price(row=row, actor=current_user(request), request=request)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return redirect("providers:price", price_id)
    messages.success(request, _("The price is removed."))
    return redirect("providers:price", rest.pk) if rest else redirect("providers:prices")


@admin_required
@require_http_methods(["GET", "HEAD", "POST"])
def refresh(request: HttpRequest) -> HttpResponse:
    """What the installed package would change; nothing does before it is applied."""
    if request.method == "POST":
        return _apply(request)
    try:
        plan = plan_refresh()
    except PackageMissing:
        return render(request, "providers/price_refresh.html", {"is_missing": True})
    part = _part(plan, request.GET.get("show", ""))
    page = Paginator(getattr(plan, part), ROWS_SHOWN).get_page(request.GET.get("page"))
    context = {
        "plan": plan,
        "part": part,
        "parts": [(name, len(getattr(plan, name))) for name in PARTS if getattr(plan, name)],
        "page": page,
        "rows": [
            (row[1], row[0], _moves(*row)) if isinstance(row, tuple) else (row, None, _rates(row))
            for row in page
        ],
    }
    return render(request, "providers/price_refresh.html", context)


def _part(plan: ImportPlan, wanted: str) -> str:
    """The one that is asked for, else the first that holds something."""
    full = [name for name in PARTS if getattr(plan, name)]
    return wanted if wanted in full else next(iter(full), "added")


def _rates(row: ModelPrice) -> list[str]:
    rates = (getattr(row, f"{name}_per_mtok") for name in RATES_SHOWN)
    return [priced(rate, row.currency) for rate in rates]


def _moves(old: ModelPrice, new: ModelPrice) -> list[tuple[str, str]]:
    """What each rate was, empty where it stays, and what it is."""
    pairs = zip(_rates(old), _rates(new), strict=True)
    return [("" if before == after else before, after) for before, after in pairs]


def _apply(request: HttpRequest) -> HttpResponse:
    digest = request.POST.get("digest", "")
    try:
        # Without a digest nobody has seen what would happen.
        plan = refresh_prices(actor=current_user(request), digest=digest or "-", request=request)
    except (PlanChanged, PackageMissing):
        messages.error(request, _("Meanwhile something else would change. Look at it again."))
        return redirect("providers:refresh-prices")
    count = len(plan.fresh)
    text = ngettext("%(count)d price is new.", "%(count)d prices are new.", count)
    messages.success(request, text % {"count": count})
    return redirect("providers:prices")
