"""Numbers and lists for people; built in, so that no page loads them."""

from django import template

from llmplatform.text import comma, enumerated

register = template.Library()
register.filter(enumerated)
register.simple_tag(comma)


@register.filter
def count(value: int | None) -> str:
    """1,204 and 2.8 M, 7.6 B."""
    if value is None:
        return "–"
    for size, unit in ((1_000_000_000, " B"), (1_000_000, " M")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:,}"


@register.filter
def count_plain(value: int | None) -> str:
    """1,204,880"""
    return "–" if value is None else f"{value:,}"
