"""Celery tasks of chat."""

from celery import shared_task

from chat import reaping


@shared_task(name="chat.tasks.reap")
def reap() -> None:
    reaping.reap_lost()


@shared_task(name="chat.tasks.forget")
def forget() -> None:
    """What nobody sends."""
    reaping.forget_unsent()
