"""For the keys page: the models a key can be limited to, and what keys have spent."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from django import template
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import ApiKey, User
from providers.gateway.limits.holders import Period
from providers.gateway.limits.spending import spent_by_key
from providers.models import Alias, ProviderModel

register = template.Library()


@dataclass(frozen=True)
class Choice:
    value: str
    label: str
    is_chosen: bool


@dataclass
class Group:
    """The models of one provider, or the aliases; without a name: chosen ones that are gone."""

    provider: str
    choices: list[Choice] = field(default_factory=list)


@register.simple_tag
def scope_groups(user: User, chosen: Collection[str] | None) -> list[Group]:
    """The aliases, then every usable model of `user` by provider, as the gateway names them."""
    wanted = set(chosen or ())
    known: set[str] = set()
    rows = list(
        ProviderModel.objects.for_user(user)
        .usable()
        .select_related("provider")
        .order_by("provider__name", "provider_id", "model_id")
    )
    ids: dict[str, set[int]] = defaultdict(set)
    for row in rows:
        ids[row.provider.name].add(row.provider_id)
    groups: dict[int, Group] = {}
    for row in rows:
        qualified = f"{row.provider.name}/{row.model_id}"
        unique = f"{row.provider.name}#{row.provider_id}/{row.model_id}"
        names = {qualified, unique, row.model_id} & wanted
        known |= names
        value = unique if len(ids[row.provider.name]) > 1 else qualified
        group = groups.setdefault(row.provider_id, Group(row.provider.name))
        group.choices.append(Choice(value, row.model_id, bool(names)))
    aliases = _aliases(user, wanted)
    known |= {choice.value for choice in aliases}
    others = [Choice(name, name, True) for name in sorted(wanted - known)]
    first = [Group(_("Aliases"), aliases)] if aliases else []
    return [*first, *groups.values(), *([Group("", others)] if others else [])]


def _aliases(user: User, wanted: Collection[str]) -> list[Choice]:
    rows = Alias.objects.for_user(user).filter(is_enabled=True)
    names = sorted(set(rows.values_list("name", flat=True)))
    return [Choice(name, name, name in wanted) for name in names]


@register.simple_tag
def spent_this_month(keys: Iterable[ApiKey]) -> dict[int, Decimal]:
    """USD by key."""
    began = Period.MONTH.began(timezone.now())
    return spent_by_key([key.pk for key in keys], began)


@register.filter
def of_key(spent: dict[int, Decimal], key: ApiKey) -> Decimal:
    return spent.get(key.pk, Decimal(0))
