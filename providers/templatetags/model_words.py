"""Words for what the database keeps as codes."""

from django import template

from providers.dify.words import mode_name
from providers.errors import error_advice, error_name
from providers.type_names import type_name

register = template.Library()
register.filter("type_name", type_name)
register.filter("error_name", error_name)
register.filter("mode_name", mode_name)
register.filter("error_advice", error_advice)
