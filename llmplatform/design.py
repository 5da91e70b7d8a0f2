"""`/design/`: every component in both themes, for the people who build pages."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_safe

from accounts.access import admin_required


@require_safe
@admin_required
def design(request: HttpRequest) -> HttpResponse:
    return render(request, "design/index.html")


urlpatterns = [path("", design, name="design")]
