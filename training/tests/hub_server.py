"""A model hub on this machine: the wire formats of Hugging Face and ModelScope, with faults.

A folder is a repository. It tells what was asked for, so that a test can see what was fetched, with
which token, and from which byte on.
"""

import hashlib
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "c0ffee" + "0" * 34


@dataclass
class HubState:
    folder: Path
    token: str = ""
    # Bytes after which a connection that carries weights is cut, once for each in the list.
    cuts: list[int] = field(default_factory=list)
    # Seconds-long answers: weights wait here until the event is set.
    gate: threading.Event | None = None
    cdn: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)

    def files(self) -> list[Path]:
        return sorted(file for file in self.folder.rglob("*") if file.is_file())

    def ranges(self, name: str) -> list[str]:
        """The Range headers of the requests for a file."""
        asked = [row for row in self.requests if row["file"] == name]
        return [row["range"] for row in asked]


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def git_sha1(file: Path) -> str:
    data = file.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: HubState

    def log_message(self, format: str, *args: Any) -> None: ...

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        path = unquote(url.path)
        self.seen = {"path": path, "file": "", "range": self.headers.get("Range", "")}
        self.seen["authorization"] = self.headers.get("Authorization", "")
        self.state.requests.append(self.seen)
        for pattern, answer in ROUTES:
            if found := re.fullmatch(pattern, path):
                if self._may_see():
                    answer(self, query, *found.groups())
                return
        self._json(404, {"error": "there is nothing here"})

    def _may_see(self) -> bool:
        is_cdn = self.path.startswith("/cdn/")
        known = f"Bearer {self.state.token}"
        if is_cdn or not self.state.token or self.headers.get("Authorization") == known:
            return True
        self._json(401, {"error": "who are you?"}, {"X-Error-Code": "GatedRepo"})
        return False

    def _json(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def hf_info(self, query: dict[str, str], repo: str, revision: str = "") -> None:
        if repo != "acme/tiny":
            self._json(404, {"error": "no"}, {"X-Error-Code": "RepoNotFound"})
            return
        if revision not in ("", "main", "v1"):
            self._json(404, {"error": "no"}, {"X-Error-Code": "RevisionNotFound"})
            return
        rows = []
        for file in self.state.files():
            name = file.relative_to(self.state.folder).as_posix()
            row: dict[str, Any] = {"rfilename": name, "size": file.stat().st_size}
            row["blobId"] = git_sha1(file)
            if file.suffix == ".safetensors":
                row["lfs"] = {"sha256": sha256(file), "size": row["size"], "pointerSize": 135}
            rows.append(row)
        self._json(200, {"id": repo, "modelId": repo, "sha": COMMIT, "siblings": rows})

    def hf_resolve(self, query: dict[str, str], repo: str, commit: str, name: str) -> None:
        assert commit == COMMIT
        if name.endswith(".safetensors") and self.state.cdn:
            self.send_response(302)
            self.send_header("Location", f"{self.state.cdn}/cdn/{name}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self._file(name)

    def cdn_file(self, query: dict[str, str], name: str) -> None:
        self._file(name)

    def ms_files(self, query: dict[str, str], repo: str) -> None:
        if repo != "acme/tiny":
            self._json(404, {"Code": 404, "Success": False, "Message": "no such model"})
            return
        rows = [
            {
                "Path": file.relative_to(self.state.folder).as_posix(),
                "Name": file.name,
                "Size": file.stat().st_size,
                "Sha256": sha256(file),
                "Type": "blob",
            }
            for file in self.state.files()
        ]
        self._json(200, {"Code": 200, "Success": True, "Data": {"Files": rows}})

    def ms_file(self, query: dict[str, str], repo: str) -> None:
        self._file(query["FilePath"])

    def _file(self, name: str) -> None:
        self.seen["file"] = name
        data = (self.state.folder / name).read_bytes()
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        rest = data[start:]
        if name.endswith(".safetensors"):
            if self.state.cuts:
                self.wfile.write(rest[: self.state.cuts.pop(0)])
                self.wfile.flush()
                self.close_connection = True
                return
            if self.state.gate is not None:
                half = len(rest) // 2
                self.wfile.write(rest[:half])
                self.wfile.flush()
                self.state.gate.wait(120)
                rest = rest[half:]
        self.wfile.write(rest)


ROUTES: list[tuple[str, Callable[..., None]]] = [
    (r"/api/models/([^/]+/[^/]+)", Handler.hf_info),
    (r"/api/models/([^/]+/[^/]+)/revision/([^/]+)", Handler.hf_info),
    (r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", Handler.hf_resolve),
    (r"/cdn/(.+)", Handler.cdn_file),
    (r"/api/v1/models/([^/]+/[^/]+)/repo/files", Handler.ms_files),
    (r"/api/v1/models/([^/]+/[^/]+)/repo", Handler.ms_file),
]


class HubServer:
    """`with HubServer(folder) as hub:` serves it at `hub.url`; `hub.state` says how."""

    def __init__(self, folder: Path) -> None:
        self.state = HubState(folder)

    def __enter__(self) -> "HubServer":
        handler = type("Bound", (Handler,), {"state": self.state})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __exit__(self, *error: object) -> None:
        if self.state.gate is not None:
            self.state.gate.set()
        self._server.shutdown()
        self._server.server_close()
