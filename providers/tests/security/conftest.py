"""A sink that counts what reaches it, and a provider that sends everybody there."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


class Sink(ThreadingHTTPServer):
    """`seen`: method, path and all headers of each request. Answers `status`, which may lead to
    `location`; where it `is_echo`, with an error that repeats the headers."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[str] = []
        self.status = 200
        self.location = ""
        self.is_echo = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Sink

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append(f"{self.command} {self.path}\n{self.headers}")
        error = {"error": {"message": f"Wrong: {self.headers}", "type": "invalid_request_error"}}
        body = json.dumps(error if self.server.is_echo else {}).encode()
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _answer

    def log_message(self, *args: Any) -> None:
        pass


def _serving() -> Iterator[Sink]:
    server = Sink()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def sink(settings: Any) -> Iterator[Sink]:
    """Where an attacker listens, or something inside the network."""
    settings.ALLOW_PRIVATE_PROVIDER_URLS = True
    yield from _serving()


@pytest.fixture
def upstream(settings: Any) -> Iterator[Sink]:
    settings.ALLOW_PRIVATE_PROVIDER_URLS = True
    yield from _serving()
