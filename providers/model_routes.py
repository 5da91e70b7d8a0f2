"""A model that stands for another one, and can be pointed at a third without anybody noticing.

Chats and programs keep the model they chose; which deployment answers them is changed behind it.
"""

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.models import User
from llmplatform.text import validate_name
from providers.models import Alias, AliasMember, ModelHealth, Provider, ProviderModel


def point_route(
    *, route: ProviderModel | None, owner: User, name: str, model_id: str, to: ProviderModel
) -> ProviderModel:
    """`route`, or a new one of this name, answers as `to` from the next request on."""
    behind = to.provider
    with transaction.atomic():
        provider = route.provider if route is not None else Provider(owner=owner)
        provider.name, provider.kind, provider.preset = name[:100], behind.kind, behind.preset
        provider.base_url, provider.credential = behind.base_url, behind.credential
        provider.profile, provider.drop_params = behind.profile, behind.drop_params
        # The server behind it knows the model by that one's own name.
        provider.extra_body = {**behind.extra_body, "model": to.model_id}
        provider.is_managed = provider.is_enabled = True
        provider.save()
        if route is None:
            route = ProviderModel(provider=provider)
        route.model_id, route.name = model_id[:200], name[:200]
        route.main_type, route.types, route.context_tokens = (
            *(to.main_type, to.types),
            to.context_tokens,
        )
        route.answers_as = to
        route.save()
        # What was found out about the former one says nothing about this one.
        ModelHealth.objects.filter(model=route).delete()
    return route


def rest_route(route: ProviderModel) -> None:
    """Nothing stands behind it for now; whoever calls it is told that it is not there."""
    provider = route.provider
    if provider.is_enabled:
        provider.is_enabled = False
        provider.save()


def name_route(
    *, alias: Alias | None, owner: User, name: str, route: ProviderModel
) -> Alias | None:
    """The short name of `route` at the gateway. None where it cannot be one, or the person has an
    alias of this name that stands for something else."""
    if alias is not None:
        return alias
    try:
        validate_name(name)
    except ValidationError:
        return None
    if Alias.objects.filter(owner=owner, name=name).exists():
        return None
    with transaction.atomic():
        made = Alias.objects.create(owner=owner, name=name[:100])
        AliasMember.objects.create(alias=made, model=route)
    return made
