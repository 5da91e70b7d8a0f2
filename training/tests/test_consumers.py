import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.db import OperationalError
from django.test import Client

from accounts.models import User
from accounts.tokens import open_session
from llmplatform.asgi import application
from llmplatform.nudges import nudges
from training.consumers import TrainingConsumer
from training.events import topic_of
from training.models import Status, TrainingJob
from training.tests.rows import add_hardware, add_log, add_metrics, make_job, make_version
from training.watching import Watch

pytestmark = pytest.mark.django_db(transaction=True)
WITHIN_S = 10


@asynccontextmanager
async def socket(url: str, cookie: str = "") -> AsyncIterator[WebsocketCommunicator]:
    headers = [(b"origin", b"http://testserver"), (b"host", b"testserver")]
    if cookie:
        headers.append((b"cookie", f"{settings.SESSION_COOKIE_NAME}={cookie}".encode()))
    opened = WebsocketCommunicator(application, url, headers=headers)
    connected, _protocol = await opened.connect(timeout=WITHIN_S)
    assert connected
    try:
        yield opened
    finally:
        await opened.disconnect()


def token_of(user: User) -> str:
    return open_session(user=user, request=None).access


def session_of(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


async def receive(opened: WebsocketCommunicator, kind: str) -> dict[str, Any]:
    """The next event of this kind."""
    while True:
        event: dict[str, Any] = await opened.receive_json_from(timeout=WITHIN_S)
        if event["type"] == kind:
            return event


async def closing(opened: WebsocketCommunicator) -> int:
    while True:
        output = await opened.receive_output(timeout=WITHIN_S)
        if output["type"] == "websocket.close":
            return int(output["code"])


@pytest.fixture
def job(alice: User) -> TrainingJob:
    made = make_job(alice, Status.RUNNING)
    add_metrics(made, 20)
    add_hardware(made, 3)
    add_log(made, ["first", "second"])
    return made


async def test_a_program_gets_everything_at_first(alice: User, job: TrainingJob) -> None:
    token = await sync_to_async(token_of)(alice)
    async with socket(f"/ws/training/{job.pk}/?token={token}") as opened:
        first = await opened.receive_json_from(timeout=WITHIN_S)
        assert first["type"] == "job"
        assert first["job"]["id"] == str(job.pk)
        assert first["job"]["status"] == "running"
        assert first["actions"] == ["pause", "stop"]
        assert "html" not in first
        metrics = await receive(opened, "metrics")
        assert [row["step"] for row in metrics["items"] if "loss" in row] == [5, 10, 15, 20]
        assert len((await receive(opened, "hardware"))["items"]) == 3
        log = await receive(opened, "log")
        assert (log["first"], log["lines"], log["next"]) == (0, ["first", "second"], 2)


async def test_what_is_new_follows(alice: User, job: TrainingJob) -> None:
    token = await sync_to_async(token_of)(alice)
    async with socket(f"/ws/training/{job.pk}/?token={token}") as opened:
        await receive(opened, "log")
        await sync_to_async(add_log)(job, ["third"], 2)
        log = await receive(opened, "log")
        assert (log["first"], log["lines"]) == (2, ["third"])
        await sync_to_async(add_metrics)(job, 25, first=25)
        assert (await receive(opened, "metrics"))["items"][0]["step"] == 25
        await TrainingJob.objects.filter(pk=job.pk).aupdate(step=30)
        assert (await receive(opened, "job"))["job"]["step"] == 30


async def test_a_nudge_is_faster_than_the_clock(
    alice: User, job: TrainingJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.consumers.LOOK_EVERY_S", 3600)
    token = await sync_to_async(token_of)(alice)
    async with socket(f"/ws/training/{job.pk}/?token={token}") as opened:
        await receive(opened, "log")
        await sync_to_async(add_log)(job, ["third"], 2)
        await nudges.send([(topic_of(job.pk), {"type": "changed"})])
        assert (await receive(opened, "log"))["lines"] == ["third"]


async def test_whoever_comes_back_gets_the_rest(alice: User, job: TrainingJob) -> None:
    token = await sync_to_async(token_of)(alice)
    async with socket(f"/ws/training/{job.pk}/?token={token}") as opened:
        cursors = {
            kind: (await receive(opened, kind))["next"] for kind in ("metrics", "hardware", "log")
        }
    await sync_to_async(add_log)(job, ["third"], 2)
    query = "&".join(f"{name}={value}" for name, value in cursors.items())
    async with socket(f"/ws/training/{job.pk}/?token={token}&{query}") as opened:
        kinds = []
        while "log" not in kinds:
            event = await opened.receive_json_from(timeout=WITHIN_S)
            kinds.append(event["type"])
        assert kinds == ["job", "log"]
        assert event["lines"] == ["third"]


async def test_a_long_log_begins_near_its_end(alice: User, job: TrainingJob) -> None:
    await sync_to_async(add_log)(job, [f"line {i}" for i in range(2, 5000)], 2)
    token = await sync_to_async(token_of)(alice)
    async with socket(f"/ws/training/{job.pk}/?token={token}") as opened:
        log = await receive(opened, "log")
        assert log["first"] == 4000
        assert log["lines"][-1] == "line 4999"


async def test_a_page_gets_markup_in_its_language(alice: User, job: TrainingJob) -> None:
    cookie = await sync_to_async(session_of)(alice)
    url = f"/ws/training/{job.pk}/?format=html&lang=zh-hans"
    async with socket(url, cookie) as opened:
        html = (await receive(opened, "job"))["html"]
        assert set(html) == {"head", "progress", "outcome", "side"}
        assert "运行中" in html["head"]
        await TrainingJob.objects.filter(pk=job.pk).aupdate(step=30)
        assert set((await receive(opened, "job"))["html"]) == {"progress"}


async def test_an_unknown_language_is_no_trouble(alice: User, job: TrainingJob) -> None:
    cookie = await sync_to_async(session_of)(alice)
    async with socket(f"/ws/training/{job.pk}/?format=html&lang=../x&log=x", cookie) as opened:
        assert "Running" in (await receive(opened, "job"))["html"]["head"]


async def test_the_end_brings_version_and_report(alice: User, job: TrainingJob) -> None:
    cookie = await sync_to_async(session_of)(alice)
    async with socket(f"/ws/training/{job.pk}/?format=html&lang=en", cookie) as opened:
        await receive(opened, "job")
        await sync_to_async(make_version)(job)
        await TrainingJob.objects.filter(pk=job.pk).aupdate(status=Status.SUCCESS, desired="stop")
        event = await receive(opened, "job")
        while event["job"]["status"] != "success":
            event = await receive(opened, "job")
        assert event["actions"] == []
        assert "Model version" in event["html"]["outcome"]


@pytest.mark.parametrize("query", ["", "?token=nonsense"])
async def test_anonymous_is_refused(job: TrainingJob, query: str) -> None:
    async with socket(f"/ws/training/{job.pk}/{query}") as opened:
        assert await closing(opened) == 4401


async def test_strangers_find_nothing(bob: User, job: TrainingJob) -> None:
    token = await sync_to_async(token_of)(bob)
    async with socket(f"/ws/training/{job.pk}/?token={token}") as opened:
        assert await closing(opened) == 4404


async def test_a_deleted_job_ends_the_socket(alice: User, job: TrainingJob) -> None:
    token = await sync_to_async(token_of)(alice)
    async with socket(f"/ws/training/{job.pk}/?token={token}") as opened:
        await receive(opened, "log")
        await sync_to_async(job.delete)()
        assert await closing(opened) == 4404


async def test_signing_out_ends_the_socket(
    alice: User, job: TrainingJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.consumers.CHECK_EVERY_S", 0)
    client: Client = await sync_to_async(_signed_in)(alice)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    async with socket(f"/ws/training/{job.pk}/", cookie) as opened:
        await receive(opened, "log")
        await sync_to_async(client.logout)()
        assert await closing(opened) == 4401


def _signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


async def test_what_a_client_says_is_ignored(alice: User, job: TrainingJob) -> None:
    token = await sync_to_async(token_of)(alice)
    async with socket(f"/ws/training/{job.pk}/?token={token}") as opened:
        await opened.send_json_to({"type": "stop"})
        await receive(opened, "log")
        await asyncio.sleep(0)
        await job.arefresh_from_db()
        assert job.state == "running"


@pytest.mark.parametrize("broken", ["training.watching.Watch.news", "training.consumers._refusal"])
async def test_a_database_that_is_away_sends_watchers_to_come_again(
    alice: User, job: TrainingJob, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def is_away(*args: Any) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr("training.consumers.CHECK_EVERY_S", 0)
    token = await sync_to_async(token_of)(alice)
    async with socket(f"/ws/training/{job.pk}/?token={token}") as opened:
        await receive(opened, "log")
        monkeypatch.setattr(broken, is_away)
        assert await closing(opened) == 1013


async def test_who_comes_while_the_database_is_away_comes_again(
    alice: User, job: TrainingJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_away(*args: Any) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    token = await sync_to_async(token_of)(alice)
    monkeypatch.setattr("training.consumers.socket_user", is_away)
    async with socket(f"/ws/training/{job.pk}/?token={token}") as opened:
        assert await closing(opened) == 1013


async def test_a_watcher_that_has_left_is_no_error(
    alice: User, job: TrainingJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[asyncio.Task[None]] = []
    follow = TrainingConsumer._follow

    async def follow_known(self: TrainingConsumer, watch: Watch) -> None:
        ended.append(asyncio.current_task())  # type: ignore[arg-type]
        await follow(self, watch)

    async def has_left(self: TrainingConsumer, *args: Any) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(TrainingConsumer, "_follow", follow_known)
    monkeypatch.setattr(TrainingConsumer, "tell", has_left)
    token = await sync_to_async(token_of)(alice)
    async with socket(f"/ws/training/{job.pk}/?token={token}"):
        while not ended:
            await asyncio.sleep(0.02)
        await asyncio.wait(ended, timeout=WITHIN_S)
        assert ended[0].done() and ended[0].exception() is None
