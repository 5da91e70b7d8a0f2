"""Celery tasks of chat."""

from celery import shared_task

from chat import collecting, reaping, withdrawing


@shared_task(name="chat.tasks.reap")
def reap() -> None:
    reaping.reap_lost()


@shared_task(name="chat.tasks.tend_examples")
def tend_examples() -> None:
    """What is asked for and takes longer than a request may."""
    withdrawing.leave_all()
    collecting.collect_waiting()
