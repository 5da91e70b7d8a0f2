"""Call records in a file: what a killed process has not written, the next one writes, once."""

import asyncio
import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import settings as django_settings
from django.db import OperationalError

from accounts.models import User
from conftest import free_port
from providers.charging import current_tariff
from providers.gateway.ledger_writing import write
from providers.gateway.records import Call, Recorder
from providers.gateway.spool import Spool, write_left_behind
from providers.models import CallRecord, Provider
from providers.tests.conftest import MakeKey
from providers.types import Usage

PATIENCE_S = 60


def ended(user: User | None = None, **fields: Any) -> Call:
    call = Call(user_id=user.pk if user else 1, key_id=0, model_label="m", **fields)
    call.note_text("some text")
    call.end("done")
    return call


async def kept(folder: Path, calls: Sequence[Call], **options: Any) -> None:
    """In the file of a process that ends without having written them."""
    spool = Spool(folder, **options)
    for call in calls:
        spool.keep(call)
    await spool.close()


def left(folder: Path) -> list[Path]:
    return list(folder.glob("*"))


def lines_in(folder: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in folder.glob("*.jsonl"))


def test_a_record_comes_back_as_it_was(tmp_path: Path, db: None, alice: User) -> None:
    usage = Usage(9, 3, 1, cost=Decimal("0.00125"), currency="CNY")
    attempts = [{"model": "a/b", "error": "timeout", "ms": 7}]
    calls = [ended(alice, usage=usage, attempts=attempts), ended(alice), Call(user_id=1, key_id=2)]
    asyncio.run(kept(tmp_path, calls))
    found: list[Call] = []
    assert write_left_behind(tmp_path, lambda batch, _keys: found.extend(batch)) == 3
    tariff = current_tariff()
    assert found[:2] == calls[:2]
    assert [call.fields(tariff) for call in found[:2]] == [c.fields(tariff) for c in calls[:2]]
    assert left(tmp_path) == []


def test_nothing_is_written_twice(tmp_path: Path, transactional_db: None, alice: User) -> None:
    calls = [replace(ended(alice), key_id=None) for _each in range(250)]
    write(calls[:120], [])
    asyncio.run(kept(tmp_path, calls))
    assert write_left_behind(tmp_path) == 250
    asyncio.run(kept(tmp_path, calls[:3]))
    write_left_behind(tmp_path)
    assert CallRecord.objects.count() == 250


def test_a_cut_line_is_passed_over(tmp_path: Path) -> None:
    asyncio.run(kept(tmp_path, [ended(), ended()]))
    [path] = left(tmp_path)
    path.write_bytes(b'{"call_id": 7}\n' + path.read_bytes()[:-20])
    found: list[Call] = []
    assert write_left_behind(tmp_path, lambda batch, _keys: found.extend(batch)) == 1


def test_a_file_stays_while_its_process_lives_or_the_database_is_away(tmp_path: Path) -> None:
    asyncio.run(kept(tmp_path, [ended()]))
    [path] = left(tmp_path)

    def fail(batch: Any, keys: Any) -> None:
        raise OperationalError

    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert write_left_behind(tmp_path, fail) == 0
    with pytest.raises(OperationalError):
        write_left_behind(tmp_path, fail)
    assert lines_in(tmp_path) == 1


async def test_what_is_written_leaves_the_file(tmp_path: Path) -> None:
    written: list[Call] = []

    async def store(calls: Sequence[Call], used_keys: Sequence[int]) -> None:
        written.extend(calls)

    spool = Spool(tmp_path)
    recorder = Recorder(store, keeper=spool, interval_s=0.01)
    for _each in range(3):
        recorder.put(ended())
    while len(written) < 3:
        await asyncio.sleep(0.01)
    recorder.put(ended())
    await recorder.close()
    await spool.close()
    assert len(written) == 4 and left(tmp_path) == []


async def test_records_outlive_a_stop_while_the_database_is_away(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(calls: Sequence[Call], used_keys: Sequence[int]) -> None:
        raise OperationalError

    spool = Spool(tmp_path)
    recorder = Recorder(fail, keeper=spool, interval_s=60)
    recorder.put(ended())
    await recorder.close()
    await spool.close()
    assert lines_in(tmp_path) == 1
    assert "1 call records wait for the next start" in caplog.text


async def test_files_go_as_records_are_written(tmp_path: Path) -> None:
    """Also where some always wait, as under load: what a crash leaves stays small."""
    spool = Spool(tmp_path, segment_bytes=1000)
    calls = [ended() for _each in range(50)]
    for call in calls:
        spool.keep(call)
        await asyncio.sleep(0)
        spool._hand_over()  # each in a step of its own, as time would
    spool.settle(48)
    await spool.close()
    found: list[Call] = []
    write_left_behind(tmp_path, lambda batch, _keys: found.extend(batch))
    assert {call.call_id for call in found} >= {call.call_id for call in calls[48:]}
    assert len(found) < 6


async def test_what_is_written_before_it_is_kept_needs_no_file(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    calls = [ended() for _each in range(3)]
    for call in calls:
        spool.keep(call)
    spool.settle(2)
    await spool.close()
    assert lines_in(tmp_path) == 1


def test_a_full_spool_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    asyncio.run(kept(tmp_path, [ended() for _each in range(9)], limit_bytes=100))
    assert left(tmp_path) == [] and caplog.text.count("not kept in files") == 1


class Web:
    """The real web process, on a port and with a data folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.spool = folder / "run" / "calls"
        self.port = free_port()
        self.environment = os.environ | {
            "PLATFORM_DATA": str(folder),
            "SECRET_KEY": django_settings.SECRET_KEY,
            "FIELD_ENCRYPTION_KEYS": ",".join(django_settings.FIELD_ENCRYPTION_KEYS),
        }
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "uvicorn", "llmplatform.asgi:application"]
        command += ["--host", "127.0.0.1", "--port", str(self.port), "--log-level", "warning"]
        self.process = subprocess.Popen(command, cwd=django_settings.BASE_DIR, env=self.environment)
        wait_for(self._answers)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz").status_code == 200
        except httpx.HTTPError:
            return False

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def wait_for(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    made = Web(tmp_path)
    yield made
    made.kill()


def known(web: Web) -> set[str]:
    """Ids of records that are in the database or in a file."""
    texts = [path.read_text() for path in web.spool.glob("*.jsonl")]
    in_files = [json.loads(line)["call_id"] for text in texts for line in text.splitlines()]
    return {*in_files, *map(str, CallRecord.objects.values_list("call_id", flat=True))}


def test_a_killed_process_loses_no_record(web: Web, echo: Provider, make_key: MakeKey) -> None:
    """Killed until the database lacked some, which is nearly always the first time."""
    body = {"model": "echo", "messages": [{"role": "user", "content": "hello"}]}
    headers, asked, is_rescued = {"authorization": f"Bearer {make_key()}"}, 0, False

    def ask(count: int) -> int:
        with httpx.Client(headers=headers, timeout=PATIENCE_S) as client:
            for _each in range(count):
                url = f"{web.url}/v1/chat/completions"
                assert client.post(url, json=body).status_code == 200
        return count

    for count in (1, 7, 30, 1, 7, 30):
        web.start()
        asked += ask(count)
        wait_for(partial(lambda wanted: len(known(web)) == wanted, asked))
        web.kill()
        is_rescued = is_rescued or CallRecord.objects.count() < asked
        if is_rescued:
            break
    web.start()
    wait_for(lambda: CallRecord.objects.count() == asked and lines_in(web.spool) == 0)
    assert is_rescued and set(CallRecord.objects.values_list("status", flat=True)) == {"done"}
