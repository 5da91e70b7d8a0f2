"""Celery tasks of chat."""

from celery import shared_task

from chat import forgetting, reaping

FILL_S = 40.0


@shared_task(name="chat.tasks.reap")
def reap() -> None:
    reaping.reap_lost()


@shared_task(name="chat.tasks.fill_search")
def fill_search() -> None:
    """Messages that are older than the index; at once done where there are none."""
    from chat.search import filling

    filling.fill(FILL_S)


@shared_task(name="chat.tasks.forget", expires=600)
def forget() -> None:
    """What nobody sends, and what was deleted long ago."""
    reaping.forget_unsent()
    forgetting.forget_deleted()
