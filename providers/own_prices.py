"""Prices that a person enters at one model: dated, kept as history, before the price table."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest as PageRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from providers.models import ModelPrice, OwnPrice, ProviderModel, Rated
from providers.presets import catalog_slug
from providers.prices import day_of, own_row, price_book
from providers.rates import NAMES

RATES = tuple(f"{name}_per_mtok" for name in NAMES)
SHOWN = ("currency", *RATES)


def set_price(
    *,
    model: ProviderModel,
    actor: User,
    valid_from: date | None = None,
    currency: str = "USD",
    request: PageRequest | None = None,
    **rates: Decimal | None,
) -> OwnPrice:
    """What the model costs from a day on (today); a price of the same day is replaced, older ones
    stay as they were. `rates`: RATES. ValidationError keyed by field."""
    day = valid_from or day_of(timezone.now())
    row = model.own_prices.filter(valid_from=day).first() or OwnPrice(model=model, valid_from=day)
    before = _shown(row) if row.pk else None
    row.currency = currency
    for name in RATES:
        setattr(row, name, rates.get(name))
    if all(getattr(row, name) is None for name in RATES):
        text = _("Enter at least one rate; 0 is a price.")
        raise ValidationError({"input_per_mtok": [text]})
    row.full_clean()
    with transaction.atomic():
        row.save()
        after = _shown(row)
        audit(
            actor=actor, action="model.price", target=model, before=before, after=after,
            request=request,
        )  # fmt: skip
    return row


def set_usd(
    *,
    model: ProviderModel,
    actor: User,
    request: PageRequest | None = None,
    **rates: Decimal | None,
) -> None:
    """Some rates in USD from today on; the others stay. None takes a rate away."""
    row = own_row(model, timezone.now())
    is_usd = row is not None and row.currency == "USD"
    known = {name: getattr(row, name) for name in RATES} if is_usd else {}
    wanted = known | rates
    if any(rate is not None for rate in wanted.values()):
        set_price(model=model, actor=actor, request=request, **wanted)
    elif row is not None and is_usd:
        remove_price(row=row, actor=actor, request=request)


def remove_price(*, row: OwnPrice, actor: User, request: PageRequest | None = None) -> None:
    """What came before it applies again. Calls keep the cost that they had."""
    with transaction.atomic():
        audit(
            actor=actor, action="model.price", target=row.model, before=_shown(row), request=request
        )
        row.delete()


def _shown(row: Rated) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in SHOWN}
    told = {name: str(value) for name, value in values.items() if value is not None}
    return told | {"valid_from": str(row.valid_from)}


def rate_text(rate: Decimal | None) -> str:
    """Without zeros that say nothing; a dash for what is unknown."""
    if rate is None:
        return "–"
    text = f"{rate:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def priced(rate: Decimal | None, currency: str) -> str:
    """With its currency; a dash for what is unknown."""
    return "–" if rate is None else f"{currency} {rate_text(rate)}"


@dataclass(frozen=True)
class PriceRow:
    """One line of a model's history. `own_id` None: from the price table, whose `source` says
    where it comes from."""

    row: Rated
    own_id: int | None
    source: str
    is_current: bool
    is_future: bool

    @property
    def shown(self) -> dict[str, str]:
        """The rates in words, with the currency."""
        return {name: priced(rate, self.row.currency) for name, rate in self.rates.items()}

    @property
    def rates(self) -> Mapping[str, Decimal | None]:
        return {name: getattr(self.row, f"{name}_per_mtok") for name in NAMES}


def history(model: ProviderModel, at: datetime) -> list[PriceRow]:
    """A model's own prices and those of the table that apply to it, latest first, own before the
    table's; `is_current` is the one that a call at `at` would cost."""
    own = list(model.own_prices.all())
    table = list(_of_table(model, at))
    current: Rated | None = own_row(model, at)
    if current is None:
        current = next((row for row in table if row.valid_from <= day_of(at)), None)
    return [
        PriceRow(
            row=row,
            own_id=row.pk if isinstance(row, OwnPrice) else None,
            source=row.source if isinstance(row, ModelPrice) else "",
            is_current=row is current or (isinstance(row, OwnPrice) and row == current),
            is_future=row.valid_from > day_of(at),
        )
        for row in (*own, *table)
    ]


def _of_table(model: ProviderModel, at: datetime) -> Iterable[ModelPrice]:
    """The row that applies, with what was and will be in its place."""
    slug = catalog_slug(model.provider.preset, model.provider.base_url)
    row = price_book(slug).row_of(slug, model.model_id, at)
    if row is None:
        return []
    same = {"provider_slug": row.provider_slug, "model_pattern": row.model_pattern}
    return ModelPrice.objects.filter(**same).order_by("-valid_from")
