"""Notices to people: how each kind of channel wants them, and that they arrive.

The database holds every delivery; the worker sends what is due, again with growing pauses.
"""

import base64
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any
from urllib.parse import quote_plus, urlsplit

import httpx
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import send_mail
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import ChannelKind, Delivery, NoticeChannel, User, UserNotice
from accounts.services import audit
from accounts.types import Notice
from llmplatform.addresses import problem_with_url
from llmplatform.encryption import KeyUnreadable
from llmplatform.outbound import AddressRefused, make_client
from llmplatform.text import validate_name

logger = logging.getLogger(__name__)

# Pauses before the second, third, … attempt.
PAUSES = tuple(timedelta(seconds=s) for s in (30, 120, 600, 3600))
CHANNELS_MAX = 10
BATCH = 50
ANSWER_BYTES, ANSWER_WITHIN_S = 64 * 1024, 20.0
# Whoever sends holds the delivery so long; should it die, another one sends it then.
CLAIM = timedelta(minutes=2)
# Less than a task may take: slow addresses are not to get it killed.
SEND_WITHIN_S = 30.0


class Undelivered(Exception):
    """What the other side said, or why it could not be asked."""


def _markdown(notice: Notice) -> str:
    link = f"\n\n[{_('Open')}]({notice.url})" if notice.url else ""
    return f"**{notice.title}**\n\n{notice.text}{link}"


def _post(address: str, body: dict[str, Any], headers: dict[str, str] | None = None) -> Any:
    content = json.dumps(body, ensure_ascii=False).encode()
    sent = {"Content-Type": "application/json"} | (headers or {})
    sent["Accept-Encoding"] = "identity"
    try:
        with make_client() as client:
            answer = _asked(client, address, content, sent)
    except AddressRefused as error:
        raise Undelivered(_("The platform does not connect to this address.")) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Undelivered(type(error).__name__) from error
    if not answer.is_success:
        raise Undelivered(f"HTTP {answer.status_code}")
    return answer


def _asked(
    client: httpx.Client, address: str, content: bytes, headers: dict[str, str]
) -> httpx.Response:
    """Its answer, whose length and time are limited: nobody knows who is there."""
    until, body = time.monotonic() + ANSWER_WITHIN_S, b""
    with client.stream("POST", address, content=content, headers=headers) as answer:
        for piece in answer.iter_raw(4096):
            body += piece
            if len(body) > ANSWER_BYTES or time.monotonic() > until:
                raise Undelivered(_("The answer is too long."))
    return httpx.Response(answer.status_code, content=body)


def _check_told(answer: httpx.Response, code: str, words: str) -> None:
    """Robots answer 200 to everything and say in the body what was wrong."""
    try:
        told = answer.json()
    except (ValueError, RecursionError) as error:
        raise Undelivered(_("The answer is no JSON.")) from error
    if not isinstance(told, dict) or told.get(code, told.get("StatusCode")) != 0:
        said = told.get(words, "") if isinstance(told, dict) else ""
        shown = "".join(each for each in str(said)[:200] if each.isprintable())
        raise Undelivered(shown or _("It was refused without a reason."))


def _digest(key: str, message: str) -> str:
    signed = hmac.new(key.encode(), message.encode(), hashlib.sha256)
    return base64.b64encode(signed.digest()).decode()


def _dingtalk(channel: NoticeChannel, notice: Notice, number: int) -> None:
    address, stamp = channel.address, str(round(time.time() * 1000))
    if channel.secret:
        sign = quote_plus(_digest(channel.secret, f"{stamp}\n{channel.secret}"))
        address += f"{'&' if '?' in address else '?'}timestamp={stamp}&sign={sign}"
    text = {"title": notice.title, "text": _markdown(notice)}
    _check_told(_post(address, {"msgtype": "markdown", "markdown": text}), "errcode", "errmsg")


def _lark(channel: NoticeChannel, notice: Notice, number: int) -> None:
    text = "\n".join(part for part in (notice.title, notice.text, notice.url) if part)
    body: dict[str, Any] = {"msg_type": "text", "content": {"text": text}}
    if channel.secret:
        stamp = str(round(time.time()))
        body |= {"timestamp": stamp, "sign": _digest(f"{stamp}\n{channel.secret}", "")}
    _check_told(_post(channel.address, body), "code", "msg")


def _wecom(channel: NoticeChannel, notice: Notice, number: int) -> None:
    body = {"msgtype": "markdown", "markdown": {"content": _markdown(notice)}}
    _check_told(_post(channel.address, body), "errcode", "errmsg")


def _webhook(channel: NoticeChannel, notice: Notice, number: int) -> None:
    """Signed over "<timestamp>.<body>", so that the receiver can refuse what is old; by `id` it
    knows what it has already: whoever sends may die before the answer is written down."""
    body = asdict(notice) | {"url": notice.url, "id": number}
    headers = {}
    if channel.secret:
        stamp = str(round(time.time()))
        told = f"{stamp}.{json.dumps(body, ensure_ascii=False)}".encode()
        signature = hmac.new(channel.secret.encode(), told, hashlib.sha256).hexdigest()
        headers = {"X-Platform-Timestamp": stamp, "X-Platform-Signature": f"sha256={signature}"}
    _post(channel.address, body, headers)


def _email(channel: NoticeChannel, notice: Notice, number: int) -> None:
    if not settings.EMAIL_HOST:
        raise Undelivered(_("No mail server is configured (EMAIL_HOST)."))
    text = "\n\n".join(part for part in (notice.text, notice.url) if part)
    try:
        send_mail(notice.title, text, None, [channel.user.email])
    except OSError as error:  # smtplib's errors, too
        raise Undelivered(f"{type(error).__name__}: {error}"[:200]) from error


# The number is the same at each attempt.
SENDERS: dict[str, Callable[[NoticeChannel, Notice, int], None]] = {
    ChannelKind.EMAIL: _email,
    ChannelKind.WEBHOOK: _webhook,
    ChannelKind.DINGTALK: _dingtalk,
    ChannelKind.LARK: _lark,
    ChannelKind.WECOM: _wecom,
}


def send(delivery: Delivery) -> None:
    """One attempt; what came of it is written down."""
    channel = delivery.channel
    delivery.attempts += 1
    try:
        SENDERS[channel.kind](channel, Notice(**delivery.notice), delivery.pk or 0)
        delivery.status, delivery.error = Delivery.Status.SENT, ""
        delivery.sent_at = timezone.now()
    except Exception as error:  # one channel must not stop the others
        is_expected = isinstance(error, Undelivered | KeyUnreadable)
        if not is_expected:
            logger.exception("a notice by %s cannot be sent", channel.kind)
        delivery.error = str(error)[:300] if is_expected else type(error).__name__
        if delivery.attempts > len(PAUSES):
            delivery.status = Delivery.Status.FAILED
        else:
            delivery.due_at = timezone.now() + PAUSES[delivery.attempts - 1]
    delivery.save()


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
