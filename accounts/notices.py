"""Notices to people, and that they arrive. What each kind of channel wants: senders.py.

The database holds every delivery; the worker sends what is due, again with growing pauses.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from accounts.models import ChannelKind, Delivery, NoticeChannel, User, UserNotice
from accounts.services import audit
from accounts.types import Notice
from llmplatform.addresses import problem_with_url
from llmplatform.encryption import KeyUnreadable
from llmplatform.text import validate_name

logger = logging.getLogger(__name__)

# Pauses before the second, third, … attempt.
PAUSES = tuple(timedelta(seconds=s) for s in (30, 120, 600, 3600))
CHANNELS_MAX = 10
BATCH = 50
# Whoever sends holds the delivery so long; should it die, another one sends it then.
CLAIM = timedelta(minutes=2)
# Less than a task may take: slow addresses are not to get it killed.
SEND_WITHIN_S = 30.0


def send(delivery: Delivery) -> None:
    """One attempt; what came of it is written down."""
    channel = delivery.channel
    delivery.attempts += 1
    # In their language: what is told, and why it cannot be.
    with override(channel.user.language or settings.LANGUAGE_CODE):
        _attempt(delivery, channel)
    if delivery.status == Delivery.Status.WAITING:
        if delivery.attempts > len(PAUSES):
            delivery.status = Delivery.Status.FAILED
        else:
            delivery.due_at = timezone.now() + PAUSES[delivery.attempts - 1]
    delivery.save()


def _attempt(delivery: Delivery, channel: NoticeChannel) -> None:
    # Only here: a worker looks for notices all the time, and seldom has one to send.
    from accounts.senders import SENDERS, Undelivered

    try:
        SENDERS[channel.kind](channel, Notice(**delivery.notice), delivery.pk or 0)
        delivery.status, delivery.error = Delivery.Status.SENT, ""
        delivery.sent_at = timezone.now()
    except (Undelivered, KeyUnreadable) as error:
        delivery.error = str(error)[:300]
    except Exception:  # one channel must not stop the others
        logger.exception("a notice by %s cannot be sent", channel.kind)
        delivery.error = _("Something went wrong. It has been logged.")


def send_due() -> int:
    """What is due and nobody else sends now; how many."""
    due = Delivery.objects.filter(status=Delivery.Status.WAITING, due_at__lte=timezone.now())
    sent, until = 0, time.monotonic() + SEND_WITHIN_S
    for delivery in due.select_related("channel__user")[:BATCH]:
        if time.monotonic() > until:
            break
        claimed = Delivery.objects.filter(
            pk=delivery.pk, status=Delivery.Status.WAITING, due_at=delivery.due_at
        ).update(due_at=timezone.now() + CLAIM)
        if claimed:
            send(delivery)
            sent += 1
    return sent


def create_channel(
    *,
    user: User,
    kind: str,
    name: str,
    address: str = "",
    secret: str = "",
    request: HttpRequest | None = None,
) -> NoticeChannel:
    """ValidationError keyed by field."""
    _check(user, kind, name, address)
    channel = NoticeChannel(user=user, kind=kind, name=name)
    channel.keep(address=address, secret=secret)
    with transaction.atomic():
        channel.save()
        after = {"kind": kind}
        audit(actor=user, action="channel.create", target=channel, after=after, request=request)
    return channel


def change_channel(
    *,
    channel: NoticeChannel,
    actor: User,
    name: str | None = None,
    address: str = "",
    secret: str = "",
    is_enabled: bool | None = None,
    request: HttpRequest | None = None,
) -> NoticeChannel:
    """What is None or empty stays. A new address needs the secret anew, or it would sign what goes
    to somebody else. ValidationError keyed by field."""
    before = {"name": channel.name, "is_enabled": channel.is_enabled}
    _raise_all(
        {
            "name": _problems_with_name(channel.name if name is None else name),
            "address": _problems_with_address(channel.kind, address) if address else [],
        }
    )
    channel.name = channel.name if name is None else name
    channel.is_enabled = channel.is_enabled if is_enabled is None else is_enabled
    if address and address != channel.address:
        channel.keep(address=address, secret=secret)
    elif secret:
        channel.keep(address=channel.address, secret=secret)
    after = {"name": channel.name, "is_enabled": channel.is_enabled}
    after |= {"address": "changed"} if address else {}
    after |= {"secret": "changed"} if secret else {}
    with transaction.atomic():
        channel.save()
        audit(
            actor=actor,
            action="channel.update",
            target=channel,
            before=before,
            after=after,
            request=request,
        )
    return channel


def _check(user: User, kind: str, name: str, address: str) -> None:
    kinds = [] if kind in ChannelKind.values else [_("There is no such kind.")]
    if NoticeChannel.objects.for_user(user).count() >= CHANNELS_MAX:
        kinds = [_("You have as many channels as there can be.")]
    _raise_all(
        {
            "name": _problems_with_name(name),
            "kind": kinds,
            "address": [] if kinds else _problems_with_address(kind, address),
        }
    )


def _raise_all(problems: dict[str, list[str]]) -> None:
    found = {name: texts for name, texts in problems.items() if texts}
    if found:
        raise ValidationError(found)


def _problems_with_name(name: str) -> list[str]:
    try:
        validate_name(name)
    except ValidationError as error:
        return list(error.messages)
    return []


def _problems_with_address(kind: str, address: str) -> list[str]:
    if kind == ChannelKind.EMAIL or not problem_with_url(_without_query(address)):
        return []
    return [_("Give the whole address, beginning with https://.")]


def _without_query(address: str) -> str:
    """A robot's address has its key in the query."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    return parts._replace(query="").geturl()


def delete_channel(
    *, channel: NoticeChannel, actor: User, request: HttpRequest | None = None
) -> None:
    with transaction.atomic():
        audit(actor=actor, action="channel.delete", target=channel, request=request)
        channel.delete()


def test_channel(*, channel: NoticeChannel) -> Delivery:
    """One notice, sent at once and not again."""
    title = _("A test of your notices")
    notice = Notice(title, _("If you read this, “%(name)s” works.") % {"name": channel.name})
    delivery = Delivery(channel=channel, notice=asdict(notice), attempts=len(PAUSES))
    send(delivery)
    return delivery


def mark_read(user: User, notice_ids: Sequence[int] | None = None) -> int:
    """All of `user`, or those named; how many were unread."""
    unread = UserNotice.objects.for_user(user).unread()
    if notice_ids is not None:
        unread = unread.filter(pk__in=notice_ids)
    return unread.update(read_at=timezone.now())
