"""Bringing a provider's model list up to date: what would change, and changing it.

The list is asked for first, outside any transaction; where that fails nothing has changed.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from django.core import signing
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from providers.changes import announce_models
from providers.detection import abilities_by_name, typed
from providers.models import ModelPrice, Provider, ProviderModel
from providers.presets import catalog_slug
from providers.prices import PriceBook, price_book
from providers.types import ListedModel

SALT = "providers.model_list"
PREVIEW_AGE_S = 3600
SHOWN = ("types", "context_tokens")
ABILITY_FIELDS = (("vision", "supports_vision"), ("reasoning", "supports_reasoning"))


@dataclass(frozen=True)
class Change:
    """`before` and `after` by field; `is_back`: the provider lists it again."""

    model: ProviderModel
    before: dict[str, Any]
    after: dict[str, Any]
    is_back: bool

    @property
    def fields(self) -> list[tuple[str, Any, Any]]:
        """What a person is shown: the types and the context window, before and after."""
        return [(n, self.before[n], self.after[n]) for n in SHOWN if n in self.after]


@dataclass(frozen=True)
class Kept:
    """What a person edited and the list says otherwise, as `Change.fields`: theirs, the list's."""

    model: ProviderModel
    fields: list[tuple[str, Any, Any]]


@dataclass
class RefreshPlan:
    """`renamed`: rows that are gone under their id and listed under one that differs only in the
    way it is written; they stay the same models, with edits, prices and aliases."""

    added: list[ListedModel] = field(default_factory=list)
    changed: list[Change] = field(default_factory=list)
    renamed: list[Change] = field(default_factory=list)
    missing: list[ProviderModel] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether applying it would change nothing."""
        return not (self.added or self.changed or self.renamed or self.missing)


def _looked_up(row: ListedModel, price: ModelPrice | None) -> ListedModel:
    """What the price table knows of this id is better than what its name looks like."""
    if price is None or "*" in price.model_pattern:
        return row
    types, evidence = row.types, row.evidence
    if evidence != "metadata" and price.main_type:
        known = {name for name, column in ABILITY_FIELDS if getattr(price, column)}
        types = typed(price.main_type, known | abilities_by_name(row.model_id))
        evidence = "table"
    context = row.context_tokens or price.context_tokens
    return replace(row, types=types, evidence=evidence, context_tokens=context)


def looked_up(provider: Provider, rows: Iterable[ListedModel]) -> list[ListedModel]:
    slug = catalog_slug(provider.preset, provider.base_url)
    book: PriceBook = price_book(slug)
    now = timezone.now()
    return [_looked_up(row, book.row_of(slug, row.model_id, now)) for row in rows]


EVIDENCE = {
    "metadata": _("the provider's list"),
    "table": _("the price table"),
    "name": _("its name"),
}


def evidence_of(row: ListedModel) -> str:
    """What its types were found by, in words."""
    return str(EVIDENCE.get(row.evidence, row.evidence))


def found_in(row: ListedModel) -> dict[str, Any]:
    return {
        "types": list(row.types),
        "main_type": row.types[0],
        "type_evidence": row.evidence,
        "context_tokens": row.context_tokens,
    }


def _change(model: ProviderModel, row: ListedModel) -> Change | None:
    """None where nothing changes; what a person edited stays."""
    kept = set(model.edited)
    if "types" in kept:
        kept |= {"main_type", "type_evidence"}
    after = {
        name: value
        for name, value in found_in(row).items()
        # A list that says nothing of a context window takes none away.
        if name not in kept and value is not None and getattr(model, name) != value
    }
    if not after.keys() - {"type_evidence"} and model.missing_since is None:
        return None
    before = {name: getattr(model, name) for name in after}
    return Change(model, before, after, is_back=model.missing_since is not None)


def _kept(model: ProviderModel, row: ListedModel) -> Kept | None:
    found = found_in(row)
    fields = [
        (name, getattr(model, name), found[name])
        for name in SHOWN
        if name in model.edited and found[name] and found[name] != getattr(model, name)
    ]
    return Kept(model, fields) if fields else None


def plan_refresh(provider: Provider, listed: Iterable[ListedModel]) -> RefreshPlan:
    """What the list would change; changes nothing."""
    plan = RefreshPlan()
    known = {model.model_id: model for model in provider.models.all()}
    for row in looked_up(provider, listed):
        model = known.pop(row.model_id, None)
        if model is None:
            plan.added.append(row)
            continue
        if change := _change(model, row):
            plan.changed.append(change)
        if kept := _kept(model, row):
            plan.kept.append(kept)
    plan.missing = [
        model for model in known.values() if model.missing_since is None and not model.is_manual
    ]
    _find_renamed(plan)
    return plan


def _spelled(model_id: str) -> str:
    """The same for ids that differ in case, signs and who is named before the slash."""
    return "".join(each for each in model_id.rpartition("/")[2].casefold() if each.isalnum())


def _find_renamed(plan: RefreshPlan) -> None:
    """Only where there is one of each: a guess between several helps nobody."""
    gone = Counter(_spelled(model.model_id) for model in plan.missing)
    new = Counter(_spelled(row.model_id) for row in plan.added)
    rows = {_spelled(row.model_id): row for row in plan.added}
    for model in list(plan.missing):
        key = _spelled(model.model_id)
        if key and gone[key] == new[key] == 1:
            plan.missing.remove(model)
            plan.added.remove(rows[key])
            plan.renamed.append(_renamed(model, rows[key]))


def _renamed(model: ProviderModel, row: ListedModel) -> Change:
    found = _change(model, row)
    before = {"model_id": model.model_id} | (found.before if found else {})
    after = {"model_id": row.model_id} | (found.after if found else {})
    if model.name == model.model_id:
        before["name"], after["name"] = model.name, row.model_id
    return Change(model, before, after, is_back=False)


def carry_out(provider: Provider, plan: RefreshPlan) -> None:
    """In the caller's transaction. What undoes it is kept with the provider."""
    ProviderModel.objects.bulk_create(
        ProviderModel(provider=provider, model_id=row.model_id, name=row.model_id, **found_in(row))
        for row in plan.added
    )
    for change in (*plan.changed, *plan.renamed):
        rows = ProviderModel.objects.filter(pk=change.model.pk)
        rows.update(missing_since=None, **change.after)
    now = timezone.now()
    missing = [model.pk for model in plan.missing]
    ProviderModel.objects.filter(pk__in=missing).update(missing_since=now)
    undo = {"undo": _undo(provider, plan)} if not plan.is_empty else {}
    Provider.objects.filter(pk=provider.pk).update(refreshed_at=now, **undo)
    for name, value in undo.items():
        setattr(provider, name, value)
    announce_models()


def _undo(provider: Provider, plan: RefreshPlan) -> dict[str, Any]:
    """See providers.undoing."""
    added = provider.models.filter(model_id__in=[row.model_id for row in plan.added])
    return {
        "at": timezone.now().isoformat(),
        "added": list(added.values_list("pk", flat=True)),
        "missing": [model.pk for model in plan.missing],
        "changed": [
            {"pk": each.model.pk, "before": each.before, "is_back": each.is_back}
            for each in (*plan.changed, *plan.renamed)
        ],
    }


def sealed(provider: Provider, listed: Iterable[ListedModel]) -> str:
    """The list as a form can carry it from the preview to its confirmation."""
    rows = [asdict(row) for row in listed]
    return signing.dumps({"provider": provider.pk, "rows": rows}, salt=SALT, compress=True)


def opened(provider: Provider, text: str) -> list[ListedModel] | None:
    """None where it was made for another provider, by somebody else, or too long ago."""
    try:
        content = signing.loads(text, salt=SALT, max_age=PREVIEW_AGE_S)
    except signing.BadSignature:
        return None
    if content["provider"] != provider.pk:
        return None
    return [ListedModel(**{**row, "types": tuple(row["types"])}) for row in content["rows"]]
