"""What a key can be limited to: names of models and aliases, as the gateway knows them."""

from collections.abc import Collection
from typing import Any

from accounts.models import User
from accounts.services import checking_models
from providers.models import Alias, ProviderModel


def names_of(model: ProviderModel) -> tuple[str, str, str]:
    """From the shortest, which several models may share, to the one that is its own."""
    provider, model_id = model.provider, model.model_id
    return model_id, f"{provider.name}/{model_id}", f"{provider.name}#{provider.pk}/{model_id}"


def unknown_names(user: User, names: Collection[str]) -> list[str]:
    """Those of `names` that are no model and no alias that `user` can see, whether it is on or
    off now."""
    aliases = Alias.objects.for_user(user).filter(name__in=names)
    left = set(names) - set(aliases.values_list("name", flat=True))
    if left:
        rows = ProviderModel.objects.for_user(user).select_related("provider")
        wanted = {name for each in left for name in (each, each.partition("/")[2])}
        for model in rows.filter(model_id__in=wanted):
            left.difference_update(names_of(model))
    return [name for name in names if name in left]


def _check(*, user: User, names: Collection[str], **_signal: Any) -> list[str]:
    return unknown_names(user, names)


checking_models.connect(_check)
