"""The usage page and its downloads."""

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.access import current_user
from llmplatform.spreadsheets import csv_response
from providers.usage_export import CALL_COLUMNS, call_rows, group_table
from providers.usage_page import UsageForm, shown


def _page(request: HttpRequest, form: UsageForm) -> HttpResponse:
    usage = None
    if form.is_valid():
        data = form.cleaned_data
        usage = shown(data["records"], data["period"], form.by_chosen, request.GET.get("page", ""))
    context = {"form": form, "usage": usage, "query": request.GET.urlencode()}
    return render(request, "usage/index.html", context, status=422 if form.errors else 200)


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    return _page(request, UsageForm(request.GET, viewer=current_user(request)))


@require_safe
def groups_csv(request: HttpRequest) -> HttpResponseBase:
    """The table of the page."""
    form = UsageForm(request.GET, viewer=current_user(request))
    if not form.is_valid():
        return _page(request, form)
    data, by = form.cleaned_data, form.by_chosen
    return csv_response(f"usage-by-{by}", *group_table(data["records"], data["period"], [by]))


@require_safe
def calls_csv(request: HttpRequest) -> HttpResponseBase:
    """The calls that the page sums."""
    form = UsageForm(request.GET, viewer=current_user(request))
    if not form.is_valid():
        return _page(request, form)
    rows = call_rows(form.cleaned_data["records"], form.cleaned_data["period"])
    return csv_response("calls", CALL_COLUMNS, rows)
