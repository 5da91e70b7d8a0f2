"""Words and numbers of the pages of knowledge bases."""

from collections.abc import Mapping

from django import template
from django.utils.translation import gettext as _

from knowledge import showing
from knowledge.models import SearchMode

register = template.Library()
register.filter("problem", showing.problem)
register.filter("notes", showing.notes)


@register.filter
def score(scores: Mapping[str, float], name: str) -> str:
    """0.9312 as 93.1 %."""
    value = scores.get(name)
    return "–" if value is None else f"{value * 100:.1f} %"


@register.filter
def search_mode(mode: str) -> str:
    """In words; what is not known any more as it is."""
    return str(dict(SearchMode.choices).get(mode, mode))


@register.filter
def stage(name: str) -> str:
    """Of the timings of a search."""
    texts = {
        "embed": _("question embedded"),
        "search": _("searched"),
        "load": _("loaded"),
        "rerank": _("reranked"),
    }
    return texts.get(name, name)
