"""Filters of the console's pages."""

from django import template
from django.urls import reverse

from llmplatform.dashboard.attention import workload_url
from training.models import Workload

register = template.Library()


@register.filter
def console_url(workload: Workload) -> str:
    return workload_url(workload)


@register.filter
def percent(value: float | None) -> str:
    """A dash for what is unknown."""
    return "–" if value is None else f"{value:.0f} %"


@register.filter
def exact_percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} %"


@register.filter
def milliseconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value / 1000:.1f} s" if value >= 10_000 else f"{value:,.0f} ms"


@register.simple_tag
def audit_url(event_id: int) -> str:
    return reverse("admin:accounts_auditevent_change", args=[event_id])
