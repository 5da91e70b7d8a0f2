"""The page that brings the price table up to date, for administrators."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from accounts.access import admin_required, current_user
from providers.models import ModelPrice
from providers.own_prices import priced
from providers.price_package import PackageMissing
from providers.price_refresh import PlanChanged, plan_refresh, refresh_prices

ROWS_SHOWN = 100


@admin_required
@require_http_methods(["GET", "POST"])
def refresh(request: HttpRequest) -> HttpResponse:
    """What the installed package would change; nothing does before it is applied."""
    if request.method == "POST":
        return _apply(request)
    context: dict[str, Any] = {
        "rows_shown": ROWS_SHOWN,
        "price_count": ModelPrice.objects.count(),
        "edited_count": ModelPrice.objects.filter(is_edited=True).count(),
    }
    try:
        plan = plan_refresh()
    except PackageMissing:
        return render(request, "providers/prices.html", context | {"is_missing": True})
    page = Paginator(plan.added, ROWS_SHOWN).get_page(request.GET.get("page"))
    context |= {
        "plan": plan,
        "changed": [(new, old, _moves(old, new)) for old, new in plan.changed[:ROWS_SHOWN]],
        "page": page,
        "added": [(row, _rates(row)) for row in page],
        "kept": [(row, _rates(row)) for row in plan.kept[:ROWS_SHOWN]],
    }
    return render(request, "providers/prices.html", context)


def _rates(row: ModelPrice) -> list[str]:
    rates = (row.input_per_mtok, row.output_per_mtok, row.cached_input_per_mtok)
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
    else:
        count = len(plan.fresh)
        text = ngettext("%(count)d price is new.", "%(count)d prices are new.", count)
        messages.success(request, text % {"count": count})
    return redirect("providers:prices")
