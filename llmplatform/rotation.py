"""Encrypting stored secrets anew, row by row, while the platform runs.

A model names its encrypted fields in `encrypted`. What is under the first key already is passed by,
so that an interrupted rotation goes on where it ended.
"""

from collections import Counter
from collections.abc import Iterator
from enum import StrEnum

from django.apps import apps
from django.db.models import Model

from llmplatform.encryption import KeyUnreadable, is_current, rotate

AT_ONCE = 500
TRIES = 3


class Outcome(StrEnum):
    ROTATED = "encrypted anew"
    CURRENT = "under the first key before"
    UNREADABLE = "unreadable"


def encrypted_fields() -> Iterator[tuple[type[Model], str]]:
    for model in apps.get_models():
        for name in getattr(model, "encrypted", ()):
            yield model, name


def rotated(model: type[Model], name: str, *, is_rehearsal: bool = False) -> Counter[Outcome]:
    """What was done, or in a rehearsal what would be."""
    found: Counter[Outcome] = Counter()
    rows = model._base_manager.exclude(**{name: ""}).order_by("pk")
    after = rows
    while pairs := list(after.values_list("pk", name)[:AT_ONCE]):
        for pk, token in pairs:
            found[_one(model, name, pk, token, is_rehearsal)] += 1
        after = rows.filter(pk__gt=pairs[-1][0])
    return found


def _one(model: type[Model], name: str, pk: object, token: str, is_rehearsal: bool) -> Outcome:
    rows = model._base_manager.filter(pk=pk)
    for _attempt in range(TRIES):
        if is_current(token):
            return Outcome.CURRENT
        try:
            fresh = rotate(token)
        except KeyUnreadable:
            return Outcome.UNREADABLE
        # Not over a secret that somebody enters at this moment.
        if is_rehearsal or rows.filter(**{name: token}).update(**{name: fresh}):
            return Outcome.ROTATED
        token = rows.values_list(name, flat=True).first() or ""
        if not token:
            break
    return Outcome.CURRENT
