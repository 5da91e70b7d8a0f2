"""The database goes away during a run: the training does not notice, and nothing is lost.

PostgreSQL, reached by the shim through a proxy that falls silent and is then cut off. AWAY_S makes
that longer than the suite has time for.
"""

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings

from training.tests.proxy import Proxy

pytestmark = [pytest.mark.training, pytest.mark.xdist_group("training")]
SERVER = ("127.0.0.1", 5432)
AWAY_S = float(os.environ.get("AWAY_S", "6"))


@pytest.fixture
def database() -> Iterator[str]:
    name = f"away_{uuid.uuid4().hex[:12]}"
    host, port = SERVER
    with psycopg.connect(
        host=host, port=port, user="postgres", dbname="postgres", autocommit=True
    ) as server:
        server.execute(f"CREATE DATABASE {name}")
        yield name
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def url(name: str, port: int) -> str:
    return f"postgres://postgres@{SERVER[0]}:{port}/{name}"


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n")


def begin(folder: Path, model: Path, database: str, shim_port: int) -> subprocess.Popen[str]:
    epochs = str(round(8 + 1.5 * AWAY_S))
    return subprocess.Popen(
        [sys.executable, "-m", "training.tests.run_apart", str(model), epochs],
        cwd=settings.BASE_DIR,
        env=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "llmplatform.settings",
            "PLATFORM_DATA": str(folder),
            "BASE_MODEL_ROOTS": str(model.parent),
            "DATABASE_URL": url(database, SERVER[1]),
            "SHIM_DATABASE_URL": url(database, shim_port),
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
    tiny_model: Path, tmp_path: Path, database: str
) -> None:
    proxy = Proxy(SERVER)
    process = begin(tmp_path, tiny_model, database, proxy.port)
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
