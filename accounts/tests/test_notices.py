"""Notices against a server of our own: the wire formats, signatures, retries, and who sees what."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from smtplib import SMTPServerDisconnected
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts import notices
from accounts.models import AuditEvent, Delivery, NoticeChannel, User, UserNotice
from accounts.services import NOTICES_KEPT, notify
from accounts.types import Notice
from conftest import ApiClient

pytestmark = pytest.mark.django_db
NOTICE = Notice("Training “a” is done", "Step 60 of 60.", "/training/1/", "success")


class Receiver:
    """Keeps what it was sent; answers with `status` and `answer`."""

    def __init__(self) -> None:
        self.status, self.answer = 200, {"errcode": 0, "errmsg": "ok", "code": 0}
        self.raw, self.location = b"", ""
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.asked.append((self.path, dict(self.headers), body))
                told = receiver.raw or json.dumps(receiver.answer).encode()
                self.send_response(receiver.status)
                if receiver.location:
                    self.send_header("Location", receiver.location)
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


def test_why_nothing_arrives_is_said_in_words_of_the_person(
    alice: User, receiver: Receiver
) -> None:
    channel = channel_of(alice, "webhook", receiver)
    channel.keep(address="http://127.0.0.1:9/", secret="")
    channel.save()
    assert delivered(alice).error == "Nothing answers at this address."
    alice.language = "zh-hans"
    alice.save()
    Delivery.objects.update(due_at=timezone.now())
    notices.send_due()
    assert Delivery.objects.get().error == "此地址没有响应。"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (SMTPServerDisconnected("bye"), "The mail server says: bye"),
        (ConnectionRefusedError(111, "refused"), "The mail server does not answer."),
        (ZeroDivisionError(), "Something went wrong. It has been logged."),
    ],
)
def test_why_no_mail_goes_out(
    alice: User, settings: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def fail(*_args: Any) -> None:
        raise error

    notices.create_channel(user=alice, kind="email", name="mail")
    settings.EMAIL_HOST = "mail.example.com"
    monkeypatch.setattr("accounts.senders.send_mail", fail)
    assert delivered(alice).error == said


def test_slow_addresses_do_not_use_up_the_task(
    alice: User, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel_of(alice, "webhook", receiver)
    for _number in range(3):
        notify(alice, lambda: NOTICE)
    monkeypatch.setattr(notices, "SEND_WITHIN_S", 0.0)
    assert [notices.send_due() for _time in range(2)] == [0, 0] and receiver.asked == []
    monkeypatch.undo()
    assert notices.send_due() == 3


def test_private_addresses_are_not_asked(alice: User, receiver: Receiver, settings: Any) -> None:
    settings.ALLOW_PRIVATE_PROVIDER_URLS = False
    channel_of(alice, "webhook", receiver)
    assert "does not connect" in delivered(alice).error
    assert receiver.asked == []


@pytest.mark.parametrize("status", [302, 307])
def test_a_notice_follows_no_redirect(alice: User, receiver: Receiver, status: int) -> None:
    channel_of(alice, "webhook", receiver)
    receiver.status, receiver.location = status, receiver.url
    assert delivered(alice).error == f"HTTP {status}"
    assert len(receiver.asked) == 1


def test_the_page(alice: User, receiver: Receiver, client_for: Callable[[User], Client]) -> None:
    client = client_for(alice)
    body = {"kind": "wecom", "name": "Team", "address": receiver.url, "secret": ""}
    assert (
        client.post("/accounts/notices/channels/", body | {"address": "nonsense"}).status_code
        == 422
    )
    assert client.post("/accounts/notices/channels/", body).status_code == 302
    channel = NoticeChannel.objects.get()
    assert receiver.url not in channel.credential and channel.address == receiver.url
    answer = client.post(f"/accounts/notices/channels/{channel.pk}/test/", follow=True)
    page = answer.content.decode()
    assert "Look whether it has arrived" in page and "key=abc" not in page
    client.post(f"/accounts/notices/channels/{channel.pk}/delete/")
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


def test_the_bell_counts_what_is_unread(alice: User, client_for: Callable[[User], Client]) -> None:
    client = client_for(alice)
    assert "No notice is unread" in client.get("/").content.decode()
    notify(alice, lambda: NOTICE)
    notify(alice, lambda: Notice("<b>b</b> has failed", "", "//evil.example/", "error"))
    assert "2 notices are unread" in client.get("/").content.decode()
    listed = client.get("/accounts/notices/bell/?list=1").content.decode()
    assert "Training “a” is done" in listed and "&lt;b&gt;b&lt;/b&gt; has failed" in listed
    other, done = UserNotice.objects.for_user(alice)
    answer = client.get(f"/accounts/notices/{done.pk}/")
    assert (answer.status_code, answer.headers["Location"]) == (302, NOTICE.path)
    assert "1 notice is unread" in client.get("/accounts/notices/bell/").content.decode()
    # Only pages of our own are gone to.
    assert client.get(f"/accounts/notices/{other.pk}/").headers["Location"] == "/accounts/notices/"
    assert "Mark all as read" not in client.get("/accounts/notices/").content.decode()


def test_the_bell_brings_what_has_just_come(
    alice: User, client_for: Callable[[User], Client]
) -> None:
    client = client_for(alice)
    notify(alice, lambda: Notice("An older one", ""))
    page = client.get("/").content.decode()
    since = page.split("bell/?since=")[1].split('"')[0]
    assert "data-toast" not in client.get(f"/accounts/notices/bell/?since={since}").content.decode()
    notify(alice, lambda: NOTICE)
    came = client.get(f"/accounts/notices/bell/?since={since}").content.decode()
    newest = UserNotice.objects.for_user(alice)[0]
    assert came.count("data-toast ") + came.count("data-toast>") == 1 and NOTICE.title in came
    assert f'href="/accounts/notices/{newest.pk}/"' in came and "An older one" not in came
    for wrong in ("", "x", "nan", "1e400", "-1e30"):
        answer = client.get(f"/accounts/notices/bell/?since={wrong}")
        assert answer.status_code == 200 and "An older one" not in answer.content.decode()


def test_all_can_be_marked_as_read(
    alice: User,
    bob: User,
    client_for: Callable[[User], Client],
    api: Callable[[User], ApiClient],
) -> None:
    for user in (alice, alice, alice, bob):
        notify(user, lambda: NOTICE)
    rows = api(alice).get("notices?unread=true").json()
    assert rows["count"] == 3 and rows["items"][0]["path"] == NOTICE.path
    first = rows["items"][0]["id"]
    assert api(alice).post("notices/read", ids=[first]).status_code == 204
    assert api(alice).get("notices?unread=true").json()["count"] == 2
    assert "Mark all as read" in client_for(alice).get("/accounts/notices/").content.decode()
    client_for(alice).post("/accounts/notices/read/")
    assert api(alice).get("notices?unread=true").json()["count"] == 0
    assert api(alice).get("notices").json()["count"] == 3
    assert api(bob).get("notices?unread=true").json()["count"] == 1


def test_of_many_the_oldest_go(alice: User, bob: User) -> None:
    notify(bob, lambda: NOTICE)
    for number in range(NOTICES_KEPT + 3):
        notify(alice, partial(Notice, str(number), ""))
    titles = list(UserNotice.objects.for_user(alice).values_list("title", flat=True))
    assert len(titles) == NOTICES_KEPT
    assert titles[0] == str(NOTICES_KEPT + 2) and titles[-1] == "3"
    assert UserNotice.objects.for_user(bob).count() == 1


def test_a_channel_is_changed_and_shows_no_secret(
    alice: User, receiver: Receiver, client_for: Callable[[User], Client]
) -> None:
    channel = channel_of(alice, "webhook", receiver, "s3cret")
    client, path = client_for(alice), f"/accounts/notices/channels/{channel.pk}/"
    page = client.get(path).content.decode()
    assert receiver.url not in page and "s3cret" not in page
    assert client.post(path, {"name": "renamed"}).status_code == 302
    channel.refresh_from_db()
    assert (channel.name, channel.is_enabled) == ("renamed", False)
    assert (channel.address, channel.secret) == (receiver.url, "s3cret")
    assert notify(alice, lambda: NOTICE) == 0
    wrong = client.post(path, {"name": "renamed", "address": "nonsense", "is_enabled": "on"})
    assert wrong.status_code == 422 and "Give the whole address" in wrong.content.decode()
    # The old secret must not sign what goes elsewhere.
    client.post(path, {"name": "renamed", "address": receiver.url + "2", "is_enabled": "on"})
    channel.refresh_from_db()
    assert (channel.address, channel.secret) == (receiver.url + "2", "")
    told = AuditEvent.objects.filter(action="channel.update").first()
    assert told is not None and receiver.url not in str(told.after)


def test_channels_by_program(
    alice: User, bob: User, receiver: Receiver, api: Callable[[User], ApiClient]
) -> None:
    made = api(alice).post(
        "notice-channels", kind="webhook", name="hook", address=receiver.url, secret="s"
    )
    assert made.status_code == 201 and "address" not in made.json()
    path = f"notice-channels/{made.json()['id']}"
    assert api(bob).post(f"{path}/test").status_code == 404
    assert api(alice).post(f"{path}/test").json() == {"is_sent": True, "error": ""}
    receiver.status = 500
    assert api(alice).post(f"{path}/test").json() == {"is_sent": False, "error": "HTTP 500"}
    changed = api(alice).patch(path, is_enabled=False).json()
    assert (changed["name"], changed["is_enabled"]) == ("hook", False)
    wrong = api(alice).post("notice-channels", kind="pigeon", name="p")
    assert wrong.status_code == 422 and "kind" in wrong.json()["error"]["fields"]
    assert api(alice).delete(path).status_code == 204
    assert api(alice).get("notice-channels").json()["count"] == 0
