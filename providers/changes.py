"""Tells this process that providers, models, aliases or prices have changed, so that what it keeps
of them in memory is read again at once. Other processes find out by themselves, seconds later."""

from typing import Any

from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import Signal

from providers.models import Alias, AliasMember, ModelPrice, Provider, ProviderModel

# Sent after the commit, from the thread that has changed something.
models_changed = Signal()


def announce_models(**_signal: Any) -> None:
    """Whoever writes many rows at once says so; single rows that are saved or deleted do it by
    themselves."""
    transaction.on_commit(lambda: models_changed.send(sender=ProviderModel))


for each in (Provider, ProviderModel, Alias, AliasMember, ModelPrice):
    post_save.connect(announce_models, sender=each)
    post_delete.connect(announce_models, sender=each)
