"""What the platform depends on, well and unwell."""

import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from django.db import DatabaseError

from llmplatform import probes
from llmplatform.probes import State
from llmplatform.tests.console_cast import GIB, make_node

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def queue(settings: Any, tmp_path: Path) -> Path:
    settings.REDIS_URL = ""
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"data_folder_in": str(tmp_path)}
    return tmp_path


def test_every_dependency_has_a_line(db: None, queue: Path) -> None:
    found = probes.findings()
    assert [str(seen.label) for seen in found] == [
        "Database",
        "Messages",
        "Background work",
        "Training environment",
        "Disk space",
    ]
    for seen in found:
        assert seen.detail
        assert seen.advice or seen.state in (State.OK, State.UNKNOWN)


def test_the_database_answers(db: None) -> None:
    assert probes.database().state == State.OK
    assert probes.database().state == State.OK  # the migrations are not read again


def test_a_dead_database_and_missing_migrations_are_told(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> bool:
        return True

    def dead() -> bool:
        raise DatabaseError

    monkeypatch.setattr(probes, "_migrations_missing", missing)
    assert probes.database().state == State.FAILED
    assert "migrate" in probes.database().advice
    monkeypatch.setattr(probes, "_migrations_missing", dead)
    assert probes.database().state == State.FAILED


def test_messages_in_a_folder(queue: Path) -> None:
    (queue / "1.msg").touch()
    assert probes.messages().state == State.OK and "1" in probes.messages().detail
    for index in range(probes.BACKLOG + 1):
        (queue / f"{index}.msg").touch()
    assert probes.messages().state == State.WARNING


def test_a_missing_folder(settings: Any, queue: Path) -> None:
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"data_folder_in": str(queue / "gone")}
    assert probes.messages().state == State.FAILED


class FakeRedis:
    """Stands in for a server: `waiting` messages, or none at all."""

    def __init__(self, waiting: int | None) -> None:
        self.waiting = waiting

    def ping(self) -> None:
        if self.waiting is None:
            raise redis.ConnectionError

    def llen(self, name: str) -> int:
        return self.waiting or 0


@pytest.mark.parametrize(
    ("waiting", "state"), [(0, State.OK), (9999, State.WARNING), (None, State.FAILED)]
)
def test_redis(
    settings: Any, monkeypatch: pytest.MonkeyPatch, waiting: int | None, state: State
) -> None:
    settings.REDIS_URL = "redis://redis.example:6379/0"
    monkeypatch.setattr(redis.Redis, "from_url", lambda *args, **kwargs: FakeRedis(waiting))
    assert probes.messages().state == state


@pytest.mark.parametrize(
    ("silent_s", "state"),
    [(None, State.UNKNOWN), (3, State.OK), (300, State.FAILED), (90_000, State.FAILED)],
)
def test_background_work(db: None, silent_s: int | None, state: State) -> None:
    if silent_s is not None:
        make_node(silent_s=silent_s)
    seen = probes.background()
    assert seen.state == state and bool(seen.advice) == (state != State.OK)


def test_the_training_environment(db: None, settings: Any, tmp_path: Path) -> None:
    settings.TRAINING_PYTHON = tmp_path / "python"
    assert probes.training().state == State.WARNING
    settings.TRAINING_PYTHON.touch()
    assert probes.training().state == State.UNKNOWN
    make_node("bare", has_training=False)
    assert probes.training().state == State.WARNING
    make_node("able")
    seen = probes.training()
    assert seen.state == State.OK and "1 of 2" in seen.detail


def test_disk_space(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    make: Callable[[int], Any] = lambda free: lambda path: Usage(500 * GIB, 0, free)  # noqa: E731
    monkeypatch.setattr(shutil, "disk_usage", make(400 * GIB))
    assert probes.disk().state == State.OK
    monkeypatch.setattr(shutil, "disk_usage", make(2 * GIB))
    assert probes.disk().state == State.WARNING
    assert probes.is_low(20 * GIB, 500 * GIB) and not probes.is_low(20 * GIB, 100 * GIB)
