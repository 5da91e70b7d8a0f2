"""How a script of this folder does the work of its spec, tells how that failed, and leaves."""

import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from events import EventLog
from failures import kind_of, message_of
from model_files import Refused


def perform(spec_path: Path, work: Callable[[dict[str, Any], EventLog], None]) -> int:
    """The exit code: 0, or 1 once `failed` is written."""
    spec = json.loads(spec_path.read_text(encoding="utf-8"))
    events = EventLog(Path(spec["events_path"]))
    events.write("loading")
    try:
        work(spec, events)
    except Exception as error:  # noqa: BLE001  # the last line of defence: say why, then leave
        tell_failure(error, events)
        return 1
    return 0


def tell_failure(error: BaseException, events: EventLog) -> None:
    """In the events, and in the log; what was refused is no crash and needs no traceback."""
    if isinstance(error, Refused):
        sys.stdout.write(f"{error}\n")
        events.write("failed", kind=error.kind, error_type=error.code, message=error.name)
        return
    traceback.print_exception(error)
    name = type(error).__name__
    events.write("failed", kind=kind_of(error), error_type=name, message=message_of(error))


def leave(code: int) -> NoReturn:
    """At once: threads of libraries may linger, and everything of ours is written."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
