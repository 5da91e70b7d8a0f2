"""`{% icon "trash" %}`: a picture of the sprite img/icons.svg, without a name of its own for screen
readers. A tag and not an included template, since a page may hold hundreds of them."""

from functools import cache

from django import template
from django.templatetags.static import static
from django.utils.html import format_html

register = template.Library()


@cache
def _sprite() -> str:
    return static("img/icons.svg")


@register.simple_tag
def icon(name: str) -> str:
    markup = '<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>'
    return format_html(markup, _sprite(), name)
