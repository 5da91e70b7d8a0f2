"""Which prompts a list shows, as its address says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from django.db.models import BooleanField, Case, Q, Value, When
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from prompts.models import PromptQuerySet

SCOPES: dict[str, str | Promise] = {
    "": _("All"),
    "favourites": _("Favourites"),
    "mine": _("Mine"),
    "shared": _("Shared by others"),
    "company": _("The company's"),
}
ORDERS: tuple[tuple[str, str | Promise], ...] = (
    ("", _("Favourites first")),
    ("used", _("Most used")),
    ("new", _("Last changed")),
    ("title", _("Title")),
)
ORDERED: dict[str, tuple[str, ...]] = {
    "": ("-is_favourite", "title", "pk"),
    "used": ("-uses", "title", "pk"),
    "new": ("-updated_at", "-pk"),
    "title": ("title", "pk"),
}


@dataclass(frozen=True)
class Selection:
    q: str = ""
    tag: str = ""
    scope: str = ""
    order: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Self:
        """Unknown words for scope and order count as none."""
        said = {name: query.get(name, "").strip()[:200] for name in ("q", "tag", "scope", "order")}
        said["scope"] = said["scope"] if said["scope"] in SCOPES else ""
        said["order"] = said["order"] if said["order"] in ORDERED else ""
        return cls(**said)

    @property
    def is_narrow(self) -> bool:
        return bool(self.q or self.tag or self.scope)

    def apply(self, rows: PromptQuerySet, user: User) -> PromptQuerySet:
        """`rows` with `is_favourite`, in order."""
        found = _scoped(rows, self.scope, user).matching(self.q)
        found = found.tagged(self.tag) if self.tag else found
        columns: Any = ORDERED[self.order]
        return found.marked_for(user).order_by(*columns)


def _scoped(rows: PromptQuerySet, scope: str, user: User) -> PromptQuerySet:
    if scope == "favourites":
        return rows.favourites_of(user)
    conditions = {
        "mine": Q(owner=user),
        "company": Q(owner=None),
        "shared": Q(owner__isnull=False, is_shared=True) & ~Q(owner=user),
    }
    return rows.filter(conditions[scope]) if scope else rows


def offered(rows: PromptQuerySet, user: User, words: str) -> PromptQuerySet:
    """For a list to pick from while one types: what is called so before what only mentions it."""
    named = Q(title__icontains=words) if words else Q(pk__isnull=False)
    is_named = Case(When(named, then=Value(True)), default=False, output_field=BooleanField())
    found = rows.matching(words).marked_for(user).annotate(is_named=is_named)
    columns: Any = ("-is_named", "-is_favourite", "-uses", "title", "pk")
    return found.order_by(*columns)
