"""Celery tasks of chat."""

from celery import shared_task

from chat import forgetting, reaping


@shared_task(name="chat.tasks.reap")
def reap() -> None:
    reaping.reap_lost()


@shared_task(name="chat.tasks.forget", expires=600)
def forget() -> None:
    """What nobody sends, and what was deleted long ago."""
    reaping.forget_unsent()
    forgetting.forget_deleted()
