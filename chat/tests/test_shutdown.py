"""A web process that ends saves what its answers have; one that is killed is cleaned up after."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
from django.conf import settings
from django.utils import timezone

from accounts.models import User
from accounts.tokens import open_session
from chat import services
from chat.generation import generator
from chat.models import LOST_AFTER, ChatSession, Message
from chat.reaping import reap_lost
from conftest import free_port
from llmplatform.supervisor import UVICORN_OPTIONS


class Web:
    """The production server in a process of its own, on the test database."""

    def __init__(self, user: User, session: ChatSession) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        token = open_session(user=user, request=None).access
        self.headers = {"Authorization": f"Bearer {token}"}
        self.messages = f"{self.url}/api/v1/chat/sessions/{session.pk}/messages"
        environment = {
            **os.environ,
            "PLATFORM_DATA": str(settings.PLATFORM_DATA),
            "DJANGO_SETTINGS_MODULE": "llmplatform.settings",
            "SECRET_KEY": settings.SECRET_KEY,
            "FIELD_ENCRYPTION_KEYS": ",".join(settings.FIELD_ENCRYPTION_KEYS),
        }
        command = [sys.executable, "-m", "uvicorn", "llmplatform.asgi:application"]
        self.process = subprocess.Popen(
            [*command, "--port", str(port), *UVICORN_OPTIONS],
            env=environment,
            cwd=settings.BASE_DIR,
        )
        self._wait()

    def _wait(self) -> None:
        for _attempt in range(300):
            try:
                httpx.get(f"{self.url}/healthz")
                return
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError("the server did not start")

    def end(self, signum: int) -> None:
        self.process.send_signal(signum)
        self.process.wait(timeout=30)


@pytest.fixture
def web(session: ChatSession, alice: User) -> Iterator[Web]:
    web = Web(alice, session)
    yield web
    web.process.kill()
    web.process.wait()


def begin(web: Web) -> str:
    """Start a long answer, see some of it, and leave; what was seen."""
    seen = ""
    body = {"content": "/long 9000", "stream": True}
    with httpx.stream("POST", web.messages, json=body, headers=web.headers) as answer:
        lines = (line for line in answer.iter_lines() if line)
        for _line in range(20):
            seen += json.loads(next(lines).removeprefix("data: "))["delta"]
    return seen


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_ending_saves_as_interrupted(web: Web, signum: int) -> None:
    begin(web)
    web.end(signum)
    answer = Message.objects.get(role="assistant")
    assert answer.status == "interrupted"
    assert answer.content.startswith("Sentence 1 of 9000.")
    assert answer.duration_ms is not None


def test_a_killed_process_leaves_what_was_written(web: Web, alice: User) -> None:
    seen = begin(web)
    web.end(signal.SIGKILL)
    answer = Message.objects.get(role="assistant")
    assert answer.status == "streaming"
    # Of what was written in the last second: a word each hundredth of it.
    assert len(seen.split()) - len(answer.content.split()) <= 100
    Message.objects.update(heartbeat_at=timezone.now() - LOST_AFTER - timedelta(seconds=1))
    assert reap_lost() == 1
    answer.refresh_from_db()
    assert answer.status == "interrupted" and answer.is_unfinished
    kept = answer.content
    services.go_on(answer=answer, actor=alice)
    assert generator.wait(10)
    answer.refresh_from_db()
    assert answer.status == "done" and answer.content.startswith(kept)
    assert len(answer.content) > len(kept)
