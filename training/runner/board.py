"""SwanLab's own board over the local run in one folder: `python board.py <logdir> <state.json>`.

It has no sign-in and lets everyone change things, so it listens on this machine alone and answers
only who shows the token in `state.json` ({"port", "token"}, readable by our user only). It leaves
when nobody asks any more, or when the run is written anew.
"""

import json
import os
import secrets
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

IDLE_S = 300.0
LOOK_EVERY_S = 2.0
HEADER = b"x-board-token"


class Guarded:
    """The board for who has the token; remembers when it was last asked."""

    def __init__(self, app: Any, token: str) -> None:
        self._app, self._token = app, token.encode()
        self.asked_at = time.monotonic()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            given = dict(scope["headers"]).get(HEADER, b"")
            if not secrets.compare_digest(given, self._token):
                await send({"type": "http.response.start", "status": 403, "headers": []})
                await send({"type": "http.response.body", "body": b""})
                return
            self.asked_at = time.monotonic()
        await self._app(scope, receive, send)


def identity(database: Path) -> int | None:
    return database.stat().st_ino if database.exists() else None


def leave_in_time(app: Guarded, database: Path) -> None:
    begun = identity(database)
    while identity(database) == begun and time.monotonic() - app.asked_at < IDLE_S:
        time.sleep(LOOK_EVERY_S)
    os._exit(0)


def main(logdir: Path, state: Path) -> None:
    os.environ["SWANLAB_LOG_DIR"] = str(logdir)
    import uvicorn
    from swanboard.app import app
    from swanboard.db import connect

    connect(path=str(logdir))
    token = secrets.token_urlsafe(32)
    guarded = Guarded(app, token)
    watch = (guarded, logdir / "runs.swanlab")
    threading.Thread(target=leave_in_time, args=watch, daemon=True).start()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        os.umask(0o077)
        draft = state.with_suffix(".new")
        draft.write_text(json.dumps({"port": listener.getsockname()[1], "token": token}))
        draft.replace(state)
        config = uvicorn.Config(guarded, log_level="critical", lifespan="off")
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
