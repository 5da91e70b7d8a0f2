"""Words for what the database keeps as codes."""

from django import template

from providers.type_names import type_name

register = template.Library()
register.filter("type_name", type_name)
