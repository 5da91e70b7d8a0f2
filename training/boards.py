"""SwanLab's own board of a local run, behind our sign-in and below the address of its job.

The board expects to be alone on its host: its pages and scripts are changed on the way so that
they look below our address. Only reading is passed on.
"""

import json
import os
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx
from django.conf import settings

from training import mirroring
from training.models import TrainingJob
from training.shim import locks
from training.shim.process import PASSED_ON

SCRIPT = Path(__file__).resolve().parent / "runner" / "board.py"
# At the same time, on one machine; each holds some 80 MB.
BOARDS_MAX = 8
READY_WITHIN_S, ANSWER_WITHIN_S = 30.0, 30.0
# What the package calls itself, and what that becomes; `{}` is our address.
CHANGES = (
    (b'"/assets/', b'"{}/assets/'),
    (b"url(/assets/", b"url({}/assets/"),
    (b'baseURL:"/api/v1"', b'baseURL:"{}/api/v1"'),
    (b'function(e){return"/"+e}', b'function(e){return"{}/"+e}'),
    (b"<head>", b'<head><base href="{}/">'),
)
CHANGED_TYPES = ("text/html", "text/css", "text/javascript", "application/javascript")


class BoardAway(Exception):
    """It cannot be shown now: "none" (no run to show), "environment", "full" or "failed"."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Answer:
    status: int
    content_type: str
    body: bytes


def has_board(job: TrainingJob) -> bool:
    """Whether it has a local run in a folder of its own."""
    return bool(job.mirror) and job.swanlab.get("mode") == "local"


def fetch(job: TrainingJob, path: str, query: str, *, root: str) -> Answer:
    """What the board answers to a GET of `path`; `root` is our address of it. Raises BoardAway."""
    if path.startswith("api/") and path.rstrip("/").endswith("/stop"):
        return Answer(405, "text/plain", b"")  # a GET that changes something
    state = _running(job)
    url = httpx.URL(f"http://127.0.0.1:{state['port']}").copy_with(
        raw_path=f"/{path}{f'?{query}' if query else ''}".encode()
    )
    headers = {"x-board-token": state["token"], "accept-encoding": "identity"}
    try:
        found = httpx.get(url, headers=headers, timeout=ANSWER_WITHIN_S, trust_env=False)
    except httpx.HTTPError as error:
        raise BoardAway("failed") from error
    content_type = found.headers.get("content-type", "application/octet-stream")
    return Answer(found.status_code, content_type, _moved(found.content, content_type, root))


def _moved(body: bytes, content_type: str, root: str) -> bytes:
    if content_type.partition(";")[0] not in CHANGED_TYPES:
        return body
    for theirs, ours in CHANGES:
        body = body.replace(theirs, ours.replace(b"{}", root.encode()))
    return body


def _running(job: TrainingJob) -> dict[str, Any]:
    """Where its process listens; started if there is none. Raises BoardAway."""
    if not (mirroring.logdir(job.pk) / "runs.swanlab").exists():
        raise BoardAway("none")
    if not Path(settings.TRAINING_PYTHON).exists():
        raise BoardAway("environment")
    state = job.folder / "board.json"
    try:
        with locks.take(job.folder / "board.lock") as lock:
            state.unlink(missing_ok=True)
            _start(job, lock, state)
    except locks.Held:
        pass
    return _read(job, state)


def _read(job: TrainingJob, state: Path) -> dict[str, Any]:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        if state.exists():
            found: dict[str, Any] = json.loads(state.read_text())
            return found
        if locks.holder(job.folder / "board.lock") is None:
            break
        time.sleep(0.05)
    raise BoardAway("failed")


def _place() -> IO[str]:
    """One of the few places that there are. Raises BoardAway."""
    for n in range(BOARDS_MAX):
        try:
            return locks.take(Path(settings.PLATFORM_DATA) / "run" / "boards" / f"{n}.lock")
        except locks.Held:
            continue
    raise BoardAway("full")


def _start(job: TrainingJob, lock: IO[str], state: Path) -> None:
    with ExitStack() as stack:
        place = stack.enter_context(_place())
        log = stack.enter_context((job.folder / "board.log").open("wb"))
        child = subprocess.Popen(
            [settings.TRAINING_PYTHON, SCRIPT, mirroring.logdir(job.pk), state],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={name: os.environ[name] for name in PASSED_ON if name in os.environ},
            pass_fds=[lock.fileno(), place.fileno()],
            start_new_session=True,
        )
        for held in (lock, place):
            locks.name_holder(held, child.pid)
