"""The price table as people use it: look for prices, and say what one is from a day on.

Nothing that was is rewritten: an edit is a row of its own, valid from today or later. Calls keep
what they cost, whatever is entered.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest as PageRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from providers.models import ModelPrice
from providers.own_prices import rate_text
from providers.presets import BY_SLUG
from providers.price_import import RATES
from providers.prices import ANY, day_of

RATE_FIELDS = tuple(f"{name}_per_mtok" for name in RATES)
PRICED = ("currency", *RATE_FIELDS, "per_query", "tiers", "off_peak")
# What a model can do stays as it was known.
CARRIED = (
    *("main_type", "context_tokens", "max_output_tokens", "dimension"),
    *("supports_vision", "supports_reasoning", "supports_tools"),
)


@dataclass(frozen=True)
class Filters:
    """Empty is no filter. `is_edited`: entered by a person."""

    q: str = ""
    provider: str = ""
    currency: str = ""
    is_edited: bool | None = None
    is_current: bool = True


def today() -> date:
    return day_of(timezone.now())


def found(filters: Filters) -> QuerySet[ModelPrice]:
    """Of `is_current` rows only those that apply today or will."""
    rows = ModelPrice.objects.all()
    for word in filters.q.split():
        rows = rows.filter(Q(model_pattern__icontains=word) | Q(provider_slug__icontains=word))
    if filters.provider:
        rows = rows.filter(provider_slug=filters.provider)
    if filters.currency:
        rows = rows.filter(currency=filters.currency)
    if filters.is_edited is not None:
        rows = rows.filter(is_edited=filters.is_edited)
    if filters.is_current:
        newer = ModelPrice.objects.filter(
            provider_slug=OuterRef("provider_slug"),
            model_pattern=OuterRef("model_pattern"),
            valid_from__gt=OuterRef("valid_from"),
            valid_from__lte=today(),
        )
        rows = rows.exclude(Exists(newer))
    return rows.order_by("provider_slug", "model_pattern", "-valid_from")


def history_of(row: ModelPrice) -> QuerySet[ModelPrice]:
    """Every price of the same provider and model id, latest first."""
    same = {"provider_slug": row.provider_slug, "model_pattern__iexact": row.model_pattern}
    return ModelPrice.objects.filter(**same).order_by("-valid_from")


def set_price(
    *,
    actor: User,
    provider_slug: str,
    model_pattern: str,
    valid_from: date | None = None,
    request: PageRequest | None = None,
    **values: Any,
) -> ModelPrice:
    """What a model costs from a day on (today). A price of the same day takes the place of an
    earlier one, past days stay as they were. `values`: PRICED; what is left out is unknown.
    ValidationError keyed by field."""
    day = valid_from or today()
    same = history_of(ModelPrice(provider_slug=provider_slug, model_pattern=model_pattern.strip()))
    latest = same.first()
    row = same.filter(valid_from=day).first() or _copy(latest) or ModelPrice()
    before = _shown(row) if row.pk else None
    # Where the id is known it stays written as it was.
    row.provider_slug = provider_slug
    row.model_pattern = latest.model_pattern if latest else model_pattern.strip()
    row.valid_from, row.is_edited, row.source = day, True, ""
    for name in PRICED:
        setattr(row, name, values.get(name, _nothing(name)))
    _check(row)
    with transaction.atomic():
        row.save()
        audit(
            actor=actor, action="price.set", target=row, before=before, after=_shown(row),
            request=request,
        )  # fmt: skip
    return row


def remove_price(*, row: ModelPrice, actor: User, request: PageRequest | None = None) -> None:
    """What came before it applies again. Raises ValidationError for a price that people did not
    enter, or that applied on earlier days."""
    if not row.is_edited or row.valid_from < today():
        text = _("Only prices that a person entered today or for later can be removed.")
        raise ValidationError(text)
    with transaction.atomic():
        audit(actor=actor, action="price.remove", target=row, before=_shown(row), request=request)
        row.delete()


def is_removable(row: ModelPrice) -> bool:
    return row.is_edited and row.valid_from >= today()


def _copy(row: ModelPrice | None) -> ModelPrice | None:
    return ModelPrice(**{name: getattr(row, name) for name in CARRIED}) if row else None


def _nothing(name: str) -> Any:
    return {"currency": "USD", "tiers": [], "off_peak": {}}.get(name)


def _check(row: ModelPrice) -> None:
    problems: dict[str, Any] = {}
    if row.provider_slug != ANY and row.provider_slug not in BY_SLUG:
        problems["provider_slug"] = [_("There is no such preset.")]
    if not row.model_pattern:
        problems["model_pattern"] = [_("Enter the id as the provider writes it.")]
    if row.valid_from < today():
        problems["valid_from"] = [_("Past days keep their prices. Choose today or later.")]
    priced = (*RATE_FIELDS, "per_query")
    if all(getattr(row, name) is None for name in priced):
        problems["input_per_mtok"] = [_("Enter at least one rate; 0 is a price.")]
    try:
        row.full_clean(exclude=["main_type"])
    except ValidationError as error:
        problems = error.update_error_dict(problems)
    if problems:
        raise ValidationError(problems)


def _shown(row: ModelPrice) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in ("valid_from", *PRICED)}
    plain = {name: value for name, value in values.items() if value not in (None, [], {})}
    return {name: _plain(value) for name, value in plain.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return rate_text(value)
    return str(value) if isinstance(value, date) else value
