"""A run's mirror in SwanLab: `python mirror.py <spec.json>`, a process beside the training.

The spec: {"folder": the run's, with its attempts; "state_path"; "run_id", "project", "experiment",
"mode": "local" or "online", "logdir", "config"}. It reads what the attempts tell, so nothing that
happens here reaches the training. It ends once the run has, with exit code 0 when all is delivered;
otherwise it is to be started again. Where it stands is told in `state_path`: {"run_id", "mode",
"url", "step", "at", "delivered_bytes", "is_ended", "error", "failures"}.

A server knows what it has, and SwanLab leaves that out; a local run cannot be continued, so it is
written anew from the first event. Therefore each start reads all attempts from their beginning.
"""

import fcntl
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

POLL_S = 0.5
# So many points may be on their way before the next ones are read.
UNDERWAY_MAX = 20_000
# What a server does not take within this time after the end is left to the next start.
DRAIN_WITHIN_S = 120.0
# Between two attempts of a run lies a moment in which nothing lives.
QUIET_S = 3.0
NOT_METRICS = ("type", "at", "step", "epoch")
STATES = {"finished": "success", "failed": "crashed"}


class Tail:
    """The events of all attempts in their order, as far as they are written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._offsets: dict[Path, int] = {}

    def read(self) -> Iterator[dict[str, Any]]:
        """What is new. Only whole lines; a torn one is passed over once the next is there."""
        for path in event_files(self._folder):
            with path.open("rb") as file:
                file.seek(self._offsets.get(path, 0))
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self._offsets[path] = self._offsets.get(path, 0) + len(line)
                    event = parsed(line)
                    if event is not None:
                        yield event

    @property
    def bytes_read(self) -> int:
        return sum(self._offsets.values())


def event_files(folder: Path) -> list[Path]:
    found = folder.glob("attempt-*/events.jsonl")
    return sorted(found, key=lambda path: int(path.parent.name.partition("-")[2]))


def parsed(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


def point_of(event: dict[str, Any]) -> dict[str, float]:
    """The values under the names that SwanLab's own integration gives them."""
    found = {}
    for name, value in event.items():
        if name in NOT_METRICS or isinstance(value, bool) or not isinstance(value, int | float):
            continue
        group, _, rest = name.partition("_")
        found[f"eval/{rest}" if group == "eval" and rest else f"train/{name}"] = float(value)
    return found


def is_held(lock: Path) -> bool:
    """Whether the training lives: it holds this lock as long as it does."""
    if not lock.exists():
        return False
    with lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


class Mirror:
    def __init__(self, spec: dict[str, Any]) -> None:
        self._spec = spec
        self._folder = Path(spec["folder"])
        self._tail = Tail(self._folder)
        self._run: Any = None
        self._last: dict[str, Any] = {}
        self._state = {"run_id": spec["run_id"], "mode": spec["mode"], "is_ended": False}
        known = parsed(self._target.read_bytes()) if self._target.exists() else None
        self._failures = int((known or {}).get("failures", 0))

    @property
    def _target(self) -> Path:
        return Path(self._spec["state_path"])

    def tell(self, **news: Any) -> None:
        self._state |= news | {"at": round(time.time(), 3)}
        target = self._target
        draft = target.with_suffix(".new")
        draft.write_text(json.dumps(self._state))
        draft.replace(target)

    def fail(self, error: str) -> None:
        """Told to people; how often it failed lengthens the pause until the next start."""
        self.tell(error=error[:500], failures=self._failures + 1)

    def begin(self) -> None:
        """Raises whatever SwanLab raises when it cannot be reached."""
        import swanlab

        spec = self._spec
        is_online = spec["mode"] == "online"
        logdir = Path(spec["logdir"])
        shutil.rmtree(logdir, ignore_errors=True)
        logdir.mkdir(parents=True)
        # What a machine looks like, down to its command lines and packages, is nobody's business.
        probes = ("hardware", "runtime", "requirements", "git", "swanlab", "monitor")
        settings = {"probe": dict.fromkeys(probes, False), "console": {"proxy_type": "none"}}
        self._run = swanlab.init(
            project=spec["project"],
            name=spec["experiment"],
            config=spec["config"],
            mode=spec["mode"],
            log_dir=str(logdir),
            id=spec["run_id"],
            resume="allow" if is_online else None,
            settings=swanlab.Settings.model_validate(settings),
        )
        self.tell(url=self._run.url if is_online else None, error=None)

    def follow(self) -> None:
        """Until the run has ended and nothing new is told."""
        quiet_since = time.monotonic()
        while True:
            is_alive = is_held(self._folder / "runner.lock")
            is_news = False
            for event in self._tail.read():
                is_news = True
                self._take(event)
            if is_news:
                self.tell()
            if is_news or is_alive:
                quiet_since = time.monotonic()
            if not self._folder.exists() or time.monotonic() - quiet_since > QUIET_S:
                return
            time.sleep(POLL_S)

    def _take(self, event: dict[str, Any]) -> None:
        self._last = event
        if event.get("type") != "metrics":
            return
        point = point_of(event)
        if not point:
            return
        while self._underway() > UNDERWAY_MAX:
            time.sleep(POLL_S)
        self._run.log(point, step=event["step"])
        self._state["step"] = event["step"]

    def _underway(self) -> int:
        stats = self._run._core.get_operation_stats().stats  # it has no public counterpart
        return int(stats.total_records - stats.uploaded_records)

    def end(self) -> bool:
        """Whether the server (or the disk) has everything and knows of the end."""
        import swanlab

        answers: list[Any] = []
        confirm = self._run._core.confirm_run_finish

        def listen() -> Any:  # finish() itself tells nobody whether it succeeded
            answers.append(confirm())
            return answers[-1]

        self._run._core.confirm_run_finish = listen
        kind = self._last.get("type", "")
        state = STATES.get(kind, "aborted")
        error = str(self._last.get("message", "unknown"))[:2000] if state == "crashed" else None
        swanlab.finish(state=state, error=error)
        return bool(answers) and bool(answers[0].success)

    @property
    def bytes_read(self) -> int:
        return self._tail.bytes_read


def give_up_later(mirror: Mirror) -> None:
    """SwanLab tries for ever; a server that is away for days shall not keep a process."""

    def leave() -> None:
        mirror.fail(f"TimeoutError: not taken within {DRAIN_WITHIN_S:.0f} s")
        os._exit(1)

    timer = threading.Timer(DRAIN_WITHIN_S, leave)
    timer.daemon = True
    timer.start()


def main(spec_path: Path) -> int:
    os.nice(10)
    mirror = Mirror(json.loads(spec_path.read_text(encoding="utf-8")))
    try:
        mirror.begin()
        mirror.follow()
        give_up_later(mirror)
        if not mirror.end():
            mirror.fail("SwanLab did not confirm the end")
            return 1
    except Exception as error:  # noqa: BLE001  # told, and tried again by the next start
        mirror.fail(f"{type(error).__name__}: {error}")
        return 1
    mirror.tell(is_ended=True, delivered_bytes=mirror.bytes_read, error=None)
    return 0


if __name__ == "__main__":
    code = main(Path(sys.argv[1]))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # threads of SwanLab may linger; everything is written
