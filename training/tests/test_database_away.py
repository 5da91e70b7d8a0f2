"""The database goes away during a run: the training does not notice, and nothing is lost.

PostgreSQL and MariaDB, reached by the shim through a proxy that falls silent and is then cut off.
AWAY_S makes that longer than the suite has time for.
"""

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings

from training.tests.proxy import Proxy

pytestmark = [pytest.mark.training, pytest.mark.xdist_group("training")]
AWAY_S = float(os.environ.get("AWAY_S", "6"))


class Server:
    """A database server on this machine; `run` executes one statement."""

    def __init__(self, scheme: str, user: str, port: int, run: Callable[[str], None]) -> None:
        self.run, self.address = run, ("127.0.0.1", port)
        self._url = f"{scheme}://{user}@127.0.0.1:{{}}/{{}}"

    def url(self, name: str, port: int | None = None) -> str:
        return self._url.format(port or self.address[1], name)


def postgresql() -> Server:
    def run(statement: str) -> None:
        known: Any = {"host": "127.0.0.1", "port": 5432, "user": "postgres", "dbname": "postgres"}
        with psycopg.connect(**known, autocommit=True) as connection:
            connection.execute(statement.encode())

    return Server("postgres", "postgres", 5432, run)


def mariadb() -> Server:
    driver = pytest.importorskip("MySQLdb", reason="see requirements-mysql.txt")

    def run(statement: str) -> None:
        connection = driver.connect(host="127.0.0.1", port=3306, user="root")
        connection.cursor().execute(statement)
        connection.close()

    return Server("mysql", "root", 3306, run)


@pytest.fixture(params=[postgresql, mariadb], ids=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.param()
    return found


@pytest.fixture
def database(server: Server) -> Iterator[str]:
    name = f"away_{uuid.uuid4().hex[:12]}"
    server.run(f"CREATE DATABASE {name}")
    yield name
    server.run(f"DROP DATABASE {name}" + (" WITH (FORCE)" if server.address[1] == 5432 else ""))


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n")


def begin(folder: Path, model: Path, direct: str, proxied: str) -> subprocess.Popen[str]:
    epochs = str(round(8 + 1.5 * AWAY_S))
    return subprocess.Popen(
        [sys.executable, "-m", "training.tests.run_apart", str(model), epochs],
        cwd=settings.BASE_DIR,
        env=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "llmplatform.settings",
            "PLATFORM_DATA": str(folder),
            "BASE_MODEL_ROOTS": str(model.parent),
            "DATABASE_URL": direct,
            "SHIM_DATABASE_URL": proxied,
        },
        stdout=subprocess.PIPE,
        text=True,
    )


def told(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("{"):
            yield json.loads(line)


def test_the_run_goes_on_and_is_told_in_full_afterwards(
    tiny_model: Path, tmp_path: Path, server: Server, database: str
) -> None:
    proxy = Proxy(server.address)
    proxied = server.url(database, proxy.port)
    process = begin(tmp_path, tiny_model, server.url(database), proxied)
    try:
        story = told(process)
        now = next(row for row in story if row["step"] >= 3)
        events = Path(now["folder"]) / "attempt-1" / "events.jsonl"
        proxy.fall_silent()
        time.sleep(AWAY_S / 3)
        proxy.cut()
        before = lines(events)
        time.sleep(AWAY_S * 2 / 3)
        assert lines(events) > before, "the training itself goes on"
        proxy.come_back()
        *_rows, last = story
    finally:
        proxy.cut()
        process.kill()
    assert last["state"] == "success", last
    assert last["steps"] == list(range(1, last["step"] + 1)), "nothing lost, nothing told twice"
    assert (last["attempt"], last["fence"]) == (1, 1), "one and the same shim waited"
