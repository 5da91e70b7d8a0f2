"""Messages as files: whole or not there at all, whoever writes and reads at the same time."""

import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from kombu import Connection, Exchange, Queue

from llmplatform.celery import app

MESSAGES, WRITERS, READERS = 200, 3, 3


@pytest.fixture
def name() -> str:
    """Kombu remembers for its whole process what was declared."""
    return f"things-{uuid.uuid4().hex}"


@pytest.fixture
def connect(tmp_path: Path, name: str) -> Iterator[Callable[[], Any]]:
    (tmp_path / "control").mkdir()
    options = {
        "data_folder_in": str(tmp_path),
        "data_folder_out": str(tmp_path),
        "control_folder": str(tmp_path / "control"),
        "polling_interval": 0.01,
    }
    opened: list[Connection] = []

    def make() -> Any:
        opened.append(Connection("files://localhost/", transport_options=options))
        return opened[-1].SimpleQueue(Queue(name, Exchange(name), routing_key=name))

    yield make
    for connection in opened:
        connection.release()


def test_the_application_uses_it_without_redis() -> None:
    transport = app.connection().transport
    expected = "redis" if app.conf.broker_url.startswith("redis") else "filesystem"
    assert transport.driver_type == expected
    assert expected == "redis" or type(transport).__module__ == "llmplatform.broker"


def test_each_message_is_read_once_and_whole(connect: Callable[[], Any], tmp_path: Path) -> None:
    connect().close()  # binds the queue
    is_written = threading.Event()

    def write(writer: int) -> None:
        queue = connect()
        for number in range(MESSAGES):
            queue.put({"id": f"{writer}-{number}", "padding": "x" * 5000})

    def read() -> list[str]:
        queue, found = connect(), list[str]()
        while True:
            is_last = is_written.is_set()
            try:
                message = queue.get(block=False)
            except Empty:
                if is_last:
                    return found
                continue
            message.ack()
            found.append(message.payload["id"])

    with ThreadPoolExecutor(READERS + WRITERS) as pool:
        reading = [pool.submit(read) for _each in range(READERS)]
        for written in [pool.submit(write, each) for each in range(WRITERS)]:
            written.result()
        is_written.set()
        ids = [each for future in reading for each in future.result()]
    assert len(ids) == len(set(ids)) == WRITERS * MESSAGES
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []


def test_what_cannot_be_read_is_dropped(
    connect: Callable[[], Any], tmp_path: Path, name: str
) -> None:
    queue = connect()
    (tmp_path / f"0_broken.{name}.msg").write_text("")
    queue.put({"id": "whole"})
    assert queue.get(timeout=5).payload == {"id": "whole"}


def test_half_a_table_is_read_again(connect: Callable[[], Any], tmp_path: Path, name: str) -> None:
    queue = connect()
    queue.put({"id": "first"})
    table = tmp_path / "control" / f"{name}.exchange"
    whole = table.read_text()
    table.write_text("")
    threading.Timer(0.05, table.write_text, [whole]).start()
    queue.put({"id": "second"})
    assert [queue.get(timeout=5).payload["id"] for _each in range(2)] == ["first", "second"]
