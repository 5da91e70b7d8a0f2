"""The page that brings the price table up to date, for administrators."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from accounts.access import admin_required, current_user
from providers.models import ModelPrice
from providers.price_package import PackageMissing
from providers.price_refresh import PlanChanged, plan_refresh, refresh_prices

ROWS_SHOWN = 100


@admin_required
@require_http_methods(["GET", "POST"])
def refresh(request: HttpRequest) -> HttpResponse:
    """What the installed package would change; nothing does before it is applied."""
    if request.method == "POST":
        return _apply(request)
    context = {
        "rows_shown": ROWS_SHOWN,
        "price_count": ModelPrice.objects.count(),
        "edited_count": ModelPrice.objects.filter(is_edited=True).count(),
    }
    try:
        plan = plan_refresh()
    except PackageMissing:
        return render(request, "providers/prices.html", context | {"is_missing": True})
    return render(request, "providers/prices.html", context | {"plan": plan})


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
