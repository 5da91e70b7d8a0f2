"""How each kind of channel wants a notice."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from smtplib import SMTPException
from typing import Any
from urllib.parse import quote_plus

import httpx
from django.conf import settings
from django.core.mail import send_mail
from django.utils.translation import gettext as _

from accounts.models import ChannelKind, NoticeChannel
from accounts.types import Notice
from llmplatform.outbound import AddressRefused, make_client

ANSWER_BYTES, ANSWER_WITHIN_S = 64 * 1024, 20.0


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
    except httpx.TimeoutException as error:
        raise Undelivered(_("It does not answer in time.")) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Undelivered(_("Nothing answers at this address.")) from error
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
    except SMTPException as error:
        raise Undelivered(
            _("The mail server says: %(said)s") % {"said": str(error)[:200]}
        ) from error
    except OSError as error:
        raise Undelivered(_("The mail server does not answer.")) from error


# The number is the same at each attempt.
SENDERS: dict[str, Callable[[NoticeChannel, Notice, int], None]] = {
    ChannelKind.EMAIL: _email,
    ChannelKind.WEBHOOK: _webhook,
    ChannelKind.DINGTALK: _dingtalk,
    ChannelKind.LARK: _lark,
    ChannelKind.WECOM: _wecom,
}
