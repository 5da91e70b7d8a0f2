"""Deployments of our own among the models of their owner; for them alone loopback is allowed."""

from collections.abc import Sequence

from django.db import transaction

from accounts.models import User
from providers.models import Provider, ProviderModel


def publish_model(
    *,
    name: str,
    base_url: str,
    api_key: str,
    model_id: str,
    owner: User,
    model_type: str = "chat",
    sees: bool = False,
) -> ProviderModel:
    """A deployment of our own as a provider model of its owner; here alone loopback is allowed.
    `sees`: it can be sent pictures."""
    with transaction.atomic():
        provider = Provider(
            owner=owner, name=name[:100], kind="openai", base_url=base_url, is_managed=True
        )
        provider.set_key(api_key)
        provider.save()
        return ProviderModel.objects.create(
            provider=provider,
            model_id=model_id,
            name=name[:200],
            types=[model_type, *(["vision"] if sees else [])],
            main_type=model_type,
        )


def move_model(model: ProviderModel, base_url: str) -> None:
    """A deployment of our own answers elsewhere from now on."""
    provider = Provider.objects.get(pk=model.provider_id, is_managed=True)
    if provider.base_url != base_url:
        provider.base_url = base_url
        provider.save(update_fields=["base_url"])


def stand_together(models: Sequence[ProviderModel]) -> None:
    """They answer for one another, under the name of the first; the others are in no list."""
    for position, model in enumerate(models):
        first = None if position == 0 else models[0]
        if model.replica_of_id != (first.pk if first else None):
            model.replica_of = first
            model.save(update_fields=["replica_of"])


def withdraw_model(model: ProviderModel) -> None:
    Provider.objects.filter(pk=model.provider_id, is_managed=True).delete()
