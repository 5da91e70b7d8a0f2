"""Background work for people's accounts; the database holds what is to be sent."""

from celery import shared_task
from django.contrib.sessions.backends.db import SessionStore

from accounts import forgetting, notices


@shared_task(expires=20)
def send_notices() -> None:
    notices.send_due()


@shared_task(expires=600)
def forget() -> None:
    forgetting.forget_old()
    SessionStore.clear_expired()
