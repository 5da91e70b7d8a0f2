"""For the keys page: the models a key can be limited to, and what keys have spent."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from django import template
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import ApiKey, User
from llmplatform.text import money
from providers.charging import unknown_by
from providers.gateway.limits.holders import Period
from providers.gateway.limits.spending import spent_by_key
from providers.models import Alias, ProviderModel
from providers.scopes import names_of

register = template.Library()


@dataclass(frozen=True)
class Choice:
    value: str
    label: str
    is_chosen: bool


@dataclass
class Group:
    """The models of one provider, or other names that belong together."""

    name: str
    choices: list[Choice] = field(default_factory=list)


@register.simple_tag
def scope_groups(user: User, chosen: Collection[str] | None) -> list[Group]:
    """The aliases, then every usable model of `user` by provider. A name that was chosen stays as
    it is; where it means several models, it is a choice of its own."""
    wanted = set(chosen or ())
    aliases = _aliases(user, wanted)
    wanted -= {choice.value for choice in aliases}
    rows = list(
        ProviderModel.objects.for_user(user)
        .usable()
        .select_related("provider")
        .order_by("provider__name", "provider_id", "model_id")
    )
    meanings = Counter(name for row in rows for name in set(names_of(row)))
    groups: dict[int, Group] = {}
    for row in rows:
        names = names_of(row)
        chosen_as = [name for name in names if name in wanted and meanings[name] == 1]
        usual = next((name for name in names[1:] if meanings[name] == 1), names[-1])
        value = chosen_as[0] if chosen_as else usual
        wanted -= set(chosen_as)
        group = groups.setdefault(row.provider_id, Group(row.provider.name))
        group.choices.append(Choice(value, row.model_id, bool(chosen_as)))
    shared = {name for name in wanted if meanings[name] > 1}
    found = [
        Group(_("Aliases"), aliases),
        *groups.values(),
        Group(_("Of several providers"), _chosen(shared)),
        Group(_("No longer available"), _chosen(wanted - shared)),
    ]
    return [group for group in found if group.choices]


def _chosen(names: Iterable[str]) -> list[Choice]:
    return [Choice(name, name, True) for name in sorted(names)]


def _aliases(user: User, wanted: Collection[str]) -> list[Choice]:
    rows = Alias.objects.for_user(user).filter(is_enabled=True)
    names = sorted(set(rows.values_list("name", flat=True)))
    return [Choice(name, name, name in wanted) for name in names]


@register.simple_tag
def example_model(user: User) -> str:
    """The name of something that `user` can chat with, or of nothing."""
    aliases = Alias.objects.for_user(user).filter(is_enabled=True)
    alias = aliases.filter(members__model__in=ProviderModel.objects.usable().chat()).first()
    if alias is not None:
        return alias.name
    rows = ProviderModel.objects.for_user(user).usable().chat().select_related("provider")
    model = rows.first()
    return "your-model" if model is None else names_of(model)[1]


@dataclass(frozen=True)
class Spent:
    """What is known, and how many calls are not in it because nobody knows what they cost."""

    usd: Decimal = Decimal(0)
    unknown: int = 0

    @property
    def text(self) -> str:
        """Empty where nothing at all is known: that is not zero."""
        return "" if self.unknown and not self.usd else money(self.usd, "USD")


@dataclass(frozen=True)
class Spending:
    by_key: dict[int, Spent]

    @property
    def unknown(self) -> int:
        return sum(spent.unknown for spent in self.by_key.values())


@register.simple_tag
def spent_this_month(keys: Iterable[ApiKey]) -> Spending:
    began, key_ids = Period.MONTH.began(timezone.now()), [key.pk for key in keys]
    usd = spent_by_key(key_ids, began)
    unknown = unknown_by("api_key_id", key_ids, began)
    return Spending(
        {pk: Spent(usd.get(pk, Decimal(0)), unknown.get(pk, 0)) for pk in usd.keys() | unknown}
    )


@register.filter
def of_key(spending: Spending, key: ApiKey) -> Spent:
    return spending.by_key.get(key.pk, Spent())
