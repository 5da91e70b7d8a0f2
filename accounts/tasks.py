"""Background work for people's accounts; the database holds what is to be sent."""

from celery import shared_task

from accounts import notices


@shared_task(expires=20)
def send_notices() -> None:
    notices.send_due()
