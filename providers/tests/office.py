"""A token endpoint and a provider that takes its tokens, on one local server."""

import base64
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

Answer = tuple[int, dict[str, Any]]
CHAT = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}


class Office:
    """`failures` are answered first, one a request to the provider; `token_answer` replaces what
    the token endpoint says; `info` is what a Dify application says."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.calls: list[str] = []
        self.failures: list[Answer] = []
        self.token_answer: Answer | None = None
        self.info: Answer = (200, {"name": "App", "mode": "chat"})
        self.accepted: set[str] = set()
        self.is_open = threading.Event()
        self.is_open.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        return f"{self.root}/v1"

    def stop(self) -> None:
        self.is_open.set()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, headers: Any, body: bytes) -> Answer:
        if path == "/token":
            return self._token(headers, body)
        self.calls.append(path)
        if self.failures:
            return self.failures.pop(0)
        if path == "/v1/info":
            return self.info
        shown = headers.get("Authorization", "").removeprefix("Bearer ")
        if shown not in self.accepted:
            return 401, {"error": {"message": "the token has run out"}}
        return 200, {"data": [{"id": "m"}]} if path == "/v1/models" else CHAT

    def _token(self, headers: Any, body: bytes) -> Answer:
        pair = base64.b64decode(headers.get("Authorization", "").removeprefix("Basic "))
        client, _colon, secret = pair.decode().partition(":")
        self.asked.append({"client": client, "secret": unquote(secret), "body": body.decode()})
        self.is_open.wait(10)
        if self.token_answer is not None:
            return self.token_answer
        token = f"token-{len(self.asked)}"
        self.accepted = {token}
        return 200, {"access_token": token, "token_type": "bearer", "expires_in": 3600}


def _handler(office: Office) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, content = office.answer(self.path, self.headers, body)
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _answer

        def log_message(self, *args: Any) -> None:
            pass

    return Handler
