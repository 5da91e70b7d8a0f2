"""As much of SwanLab's server as its package talks to: sign-in, project, run, points, state.

It keeps each point once, as the real one does, and knows what it has when a run is resumed.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "a-key-of-swanlab"
USER = {"username": "team", "name": "Team"}


class SwanLabServer(ThreadingHTTPServer):
    """`is_blocked`: connections break off without an answer, as through a dead proxy."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.is_blocked = False
        # run id -> metric -> step -> value
        self.points: dict[str, dict[str, dict[int, float]]] = {}
        self.states: dict[str, str] = {}
        self.resumed = 0
        self.told_twice = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, path: str, body: dict[str, Any]) -> tuple[Any, int]:
        *_, last = parts = path.strip("/").split("/")
        if path == "/api/login/api_key":
            expires = "2099-01-01T00:00:00.000Z"
            return {"sid": "session", "expiredAt": expires, "userInfo": USER}, 200
        if path.startswith("/api/project/") and last == "experiment":
            return self._begin(body["cuid"])
        if path.startswith("/api/house/metrics/summaries/"):
            known = self.points.get(last, {})
            return {"scalar": [{"key": key, "step": max(known[key])} for key in known]}, 200
        if path == "/api/house/metrics" and body["type"] == "scalar":
            self._keep(body)
        if last == "state":
            self.states[parts[-2]] = body["state"]
        if path.startswith("/api/project/") and len(parts) == 4:
            about = {"name": last, "cuid": "project", "path": f"/team/{last}", "version": 1}
            return about | {"group": USER, "_count": {"experiments": 0}}, 200
        return {}, 200

    def _begin(self, run_id: str) -> tuple[Any, int]:
        is_new = run_id not in self.points
        self.points.setdefault(run_id, {})
        self.resumed += not is_new
        about = {"cuid": run_id, "slug": run_id, "name": "run"}
        return about | {"createdAt": "2026-01-01T00:00:00.000Z"}, 201 if is_new else 200

    def _keep(self, body: dict[str, Any]) -> None:
        run = self.points[body["experimentId"]]
        for each in body["metrics"]:
            known = run.setdefault(each["key"], {})
            self.told_twice += each["index"] in known
            known[each["index"]] = each["data"]


class _Handler(BaseHTTPRequestHandler):
    server: SwanLabServer

    def _go(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        if self.server.is_blocked:
            self.close_connection = True
            return
        if self.path == "/api/login/api_key" and self.headers.get("authorization") != KEY:
            told, status = {"message": "no such key"}, 401
        else:
            told, status = self.server.answer(self.path.partition("?")[0], body)
        data = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = _go

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def swanlab_server() -> Iterator[SwanLabServer]:
    server = SwanLabServer()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
