"""Celery tasks of chat."""

from celery import shared_task

from chat import services


@shared_task(name="chat.tasks.reap")
def reap() -> None:
    services.reap_lost()
