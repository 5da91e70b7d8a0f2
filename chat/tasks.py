"""Celery tasks of chat."""

from contextlib import suppress

from celery import shared_task
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import override

from accounts.models import User
from chat import collecting, reaping, withdrawing
from chat.models import Collection


@shared_task(name="chat.tasks.reap")
def reap() -> None:
    reaping.reap_lost()


@shared_task(name="chat.tasks.collect")
def collect(collection_id: int) -> None:
    """One that is claimed; why it failed is kept with it."""
    collection = Collection.objects.select_related("owner").get(pk=collection_id)
    with suppress(ValidationError), override(collection.owner.language or settings.LANGUAGE_CODE):
        collecting.perform(collection)


@shared_task(name="chat.tasks.leave_out")
def leave_out_of_datasets(user_id: int) -> None:
    withdrawing.make_next_versions(User.objects.get(pk=user_id))
