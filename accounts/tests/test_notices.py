"""Notices against a server of our own: the wire formats, signatures, retries, and who sees what."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts import notices
from accounts.models import Delivery, NoticeChannel, User
from accounts.services import notify
from accounts.types import Notice

pytestmark = pytest.mark.django_db
NOTICE = Notice("Training “a” is done", "Step 60 of 60.", "/training/1/", "success")


class Receiver:
    """Keeps what it was sent; answers with `status` and `answer`."""

    def __init__(self) -> None:
        self.status, self.answer = 200, {"errcode": 0, "errmsg": "ok", "code": 0}
        self.raw = b""
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.asked.append((self.path, dict(self.headers), body))
                told = receiver.raw or json.dumps(receiver.answer).encode()
                self.send_response(receiver.status)
                self.send_header("Content-Length", str(len(told)))
                self.end_headers()
                self.wfile.write(told)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/robot?key=abc"


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    settings.ALLOW_PRIVATE_PROVIDER_URLS = True
    made = Receiver()
    yield made
    made.server.shutdown()


def channel_of(user: User, kind: str, receiver: Receiver, secret: str = "") -> NoticeChannel:
    return notices.create_channel(
        user=user, kind=kind, name=kind, address=receiver.url, secret=secret
    )


def delivered(user: User) -> Delivery:
    assert notify(user, lambda: NOTICE) == 1
    assert notices.send_due() == 1
    return Delivery.objects.get()


def test_dingtalk(alice: User, receiver: Receiver) -> None:
    channel_of(alice, "dingtalk", receiver, "SEC1")
    assert delivered(alice).status == "sent"
    path, _headers, body = receiver.asked[0]
    query = parse_qs(urlsplit(path).query)
    signed = f"{query['timestamp'][0]}\nSEC1".encode()
    wanted = base64.b64encode(hmac.new(b"SEC1", signed, hashlib.sha256).digest()).decode()
    assert query["sign"] == [wanted] and query["key"] == ["abc"]
    told = json.loads(body)
    assert told["msgtype"] == "markdown" and told["markdown"]["title"] == NOTICE.title


def test_lark(alice: User, receiver: Receiver) -> None:
    channel_of(alice, "lark", receiver, "SEC1")
    assert delivered(alice).status == "sent"
    told = json.loads(receiver.asked[0][2])
    key = f"{told['timestamp']}\nSEC1".encode()
    assert told["sign"] == base64.b64encode(hmac.new(key, b"", hashlib.sha256).digest()).decode()
    assert told["msg_type"] == "text" and NOTICE.title in told["content"]["text"]


def test_wecom(alice: User, receiver: Receiver) -> None:
    channel_of(alice, "wecom", receiver)
    assert delivered(alice).status == "sent"
    told = json.loads(receiver.asked[0][2])
    assert told["msgtype"] == "markdown" and NOTICE.text in told["markdown"]["content"]


def test_a_webhook_is_signed(alice: User, receiver: Receiver) -> None:
    channel_of(alice, "webhook", receiver, "SEC1")
    assert delivered(alice).status == "sent"
    _path, headers, body = receiver.asked[0]
    signed = f"{headers['X-Platform-Timestamp']}.".encode() + body
    digest = hmac.new(b"SEC1", signed, hashlib.sha256).hexdigest()
    assert headers["X-Platform-Signature"] == f"sha256={digest}"
    assert json.loads(body)["path"] == "/training/1/"


def test_mail_goes_to_the_account(alice: User, settings: Any) -> None:
    notices.create_channel(user=alice, kind="email", name="mail")
    settings.EMAIL_HOST = ""
    assert "EMAIL_HOST" in delivered(alice).error
    settings.EMAIL_HOST = "mail.example.com"
    Delivery.objects.update(due_at=timezone.now())
    notices.send_due()
    assert mail.outbox[0].to == [alice.email] and mail.outbox[0].subject == NOTICE.title


def test_what_fails_is_tried_again_and_given_up(alice: User, receiver: Receiver) -> None:
    channel_of(alice, "wecom", receiver)
    receiver.answer = {"errcode": 93000, "errmsg": "invalid webhook url"}
    delivery = delivered(alice)
    assert (delivery.status, delivery.error) == ("waiting", "invalid webhook url")
    assert delivery.due_at > timezone.now() + timedelta(seconds=20)
    assert notices.send_due() == 0
    receiver.status = 500
    for _attempt in notices.PAUSES:
        Delivery.objects.update(due_at=timezone.now())
        notices.send_due()
    delivery.refresh_from_db()
    assert (delivery.status, delivery.attempts) == ("failed", len(notices.PAUSES) + 1)
    assert delivery.error == "HTTP 500"


def test_private_addresses_are_not_asked(alice: User, receiver: Receiver, settings: Any) -> None:
    settings.ALLOW_PRIVATE_PROVIDER_URLS = False
    channel_of(alice, "webhook", receiver)
    assert "does not connect" in delivered(alice).error
    assert receiver.asked == []


def test_the_page(alice: User, receiver: Receiver, client_for: Callable[[User], Client]) -> None:
    client = client_for(alice)
    body = {"kind": "wecom", "name": "Team", "address": receiver.url, "secret": ""}
    assert client.post("/accounts/notices/", body | {"address": "nonsense"}).status_code == 422
    assert client.post("/accounts/notices/", body).status_code == 302
    channel = NoticeChannel.objects.get()
    assert receiver.url not in channel.credential and channel.address == receiver.url
    answer = client.post(f"/accounts/notices/{channel.pk}/test/", follow=True)
    page = answer.content.decode()
    assert "Look whether it has arrived" in page and "key=abc" not in page
    client.post(f"/accounts/notices/{channel.pk}/delete/")
    assert not NoticeChannel.objects.exists()


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 60_000,
        b'{"errcode": 1, "errmsg": "\\u0000"}',
        b'{"errcode": 1, "errmsg": "\\ud800"}',
        b'{"errcode": 0, "errmsg": "' + b"x" * 100_000 + b'"}',
        b"\xff",
    ],
    ids=["deep", "nul", "surrogate", "long", "no text"],
)
def test_a_hostile_robot_stops_nobody(alice: User, receiver: Receiver, raw: bytes) -> None:
    receiver.raw = raw
    bad = channel_of(alice, "dingtalk", receiver)
    found = notices.test_channel(channel=bad)
    assert (found.status, bool(found.error)) == ("failed", True)
    found.refresh_from_db()
    assert found.error.isprintable()
