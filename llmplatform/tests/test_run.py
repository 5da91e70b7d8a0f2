"""`manage.py run` for real: it starts, stops without a trace, and survives its own death."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from django.conf import settings
from django.core.management import CommandError

from accounts.models import User
from conftest import free_port
from llmplatform.management.commands.run import Command, _fingerprint

PATIENCE_S = 180
SERVICES = ("DATABASE_URL", "REDIS_URL", "QDRANT_URL")


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.1)
    raise AssertionError(f"waited for {what}")


class Installation:
    """A data folder of its own, and `manage.py run` on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        kept = {name: value for name, value in os.environ.items() if name not in SERVICES}
        self.environment = kept | {
            "PLATFORM_DATA": str(folder),
            "DJANGO_SETTINGS_MODULE": "llmplatform.settings",
            "NODE_NAME": f"test-{os.getpid()}",
        }

    @property
    def output(self) -> str:
        return (self.folder / "output").read_text(encoding="utf-8")

    def start(self) -> None:
        command = [sys.executable, "manage.py", "run", "--port", str(self.port)]
        with (self.folder / "output").open("wb") as file:
            self.process = subprocess.Popen(
                command,
                cwd=settings.BASE_DIR,
                env=self.environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_for(lambda: "Ready:" in self.output or not self.is_running, "a start")
        assert self.is_running, self.output

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def send(self, signum: int) -> int:
        assert self.process is not None
        self.process.send_signal(signum)
        return self.process.wait(timeout=PATIENCE_S)

    def get(self, path: str) -> httpx.Response:
        url = f"http://127.0.0.1:{self.port}{path}"
        return httpx.get(url, trust_env=False, timeout=PATIENCE_S)

    def family(self) -> list[psutil.Process]:
        """Every living process that works on this data folder, whoever started it."""
        return [process for process in psutil.process_iter() if self._is_mine(process)]

    def _is_mine(self, process: psutil.Process) -> bool:
        try:
            is_mine = process.environ().get("PLATFORM_DATA") == str(self.folder)
            return is_mine and process.status() != psutil.STATUS_ZOMBIE
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = Installation(tmp_path_factory.mktemp("installation"))
    yield made
    for process in made.family():
        process.kill()


def test_it_starts_from_nothing_and_leaves_nothing(installation: Installation) -> None:
    installation.start()
    assert installation.get("/healthz").text == "ok"
    assert installation.get("/readyz").status_code == 200
    assert installation.get("/accounts/login/").status_code == 200
    assert re.search(r"password  \S{12,}", installation.output)
    assert len(installation.family()) >= 4
    again = subprocess.run(
        [sys.executable, "manage.py", "run", "--port", str(free_port())],
        cwd=settings.BASE_DIR,
        env=installation.environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert again.returncode != 0 and "already runs" in again.stderr
    assert installation.send(signal.SIGINT) == 0
    assert installation.family() == []
    assert "Traceback" not in installation.output


def test_a_killed_supervisor_is_cleaned_up_after(installation: Installation) -> None:
    installation.start()
    installation.send(signal.SIGKILL)
    left = {process.pid for process in installation.family()}
    assert len(left) >= 3
    installation.start()
    assert "First administrator" not in installation.output
    assert re.search(r"Ended \d+ processes of an earlier run", installation.output)
    assert installation.get("/healthz").status_code == 200
    assert left & {process.pid for process in installation.family()} == set()
    assert installation.send(signal.SIGTERM) == 0
    assert installation.family() == []


def test_a_taken_port_is_named_with_a_remedy() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=f"make run PORT={port + 1}"):
            Command()._check_port("127.0.0.1", port)


def test_the_first_administrator_is_made_once(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORM_ADMIN_EMAIL", "boss@example.com")
    monkeypatch.setenv("PLATFORM_ADMIN_PASSWORD", "a password of my own")
    shown = "\n".join(Command()._first_admin())
    assert "boss@example.com" in shown and "a password of my own" not in shown
    assert User.objects.get().check_password("a password of my own")
    assert Command()._first_admin() == []


@pytest.mark.parametrize("password", ["short", "password1234", "boss@example.com"])
def test_a_weak_administrators_password_refuses_the_start(
    db: None, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    monkeypatch.setenv("PLATFORM_ADMIN_EMAIL", "boss@example.com")
    monkeypatch.setenv("PLATFORM_ADMIN_PASSWORD", password)
    with pytest.raises(CommandError, match=r"PLATFORM_ADMIN_PASSWORD is refused: .*password"):
        Command()._first_admin()
    assert not User.objects.exists()


def test_a_drawn_password_is_shown(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLATFORM_ADMIN_EMAIL", raising=False)
    monkeypatch.delenv("PLATFORM_ADMIN_PASSWORD", raising=False)
    lines = Command()._first_admin()
    user = User.objects.get()
    assert user.email in lines[1] and user.is_admin
    assert user.check_password(lines[2].split()[-1])


def test_static_files_are_collected_when_a_source_changed(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def collect(name: str, **options: Any) -> None:
        calls.append(name)
        Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)

    monkeypatch.setattr("llmplatform.management.commands.run.call_command", collect)
    settings.STATIC_ROOT = tmp_path / "static"
    command = Command()
    command._collect_static()
    command._collect_static()
    assert calls == ["collectstatic"]
    (tmp_path / "static" / ".sources").write_text("older")
    command._collect_static()
    assert len(calls) == 2


def test_a_fingerprint_sees_every_change(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    before = _fingerprint([tmp_path])
    assert _fingerprint([tmp_path]) == before
    (tmp_path / "b").write_text("2")
    added = _fingerprint([tmp_path])
    (tmp_path / "a").write_text("longer")
    assert len({before, added, _fingerprint([tmp_path])}) == 3
