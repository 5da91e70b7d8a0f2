"""The run's story as JSON lines: `{"type", "at" (unix seconds), ...}`. Standard library only.

type        further fields
loading     -
started     max_steps, num_epochs, trainable_parameters, all_parameters, versions
progress    step, max_steps, epoch
metrics     step, epoch, loss?, eval_loss?, learning_rate?, grad_norm?, ...
hardware    cpu_percent, rss_bytes, gpus: [{index, name, percent, used_bytes, total_bytes, celsius}]
samples     step, items: [{position, prompt, output}]
checkpoint  step, path (once it is complete)
paused      step, checkpoint
stopped     step
finished    step, max_steps, train_runtime_s, metrics
failed      kind (out_of_memory, disk_full, data, model, configuration, unknown), error_type,
            message
"""

import json
import math
import sys
import threading
import time
from pathlib import Path
from typing import Any


def plain(value: Any) -> Any:
    """JSON without NaN and infinities, which are not JSON."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


class EventLog:
    """Appends whole lines: a reader never sees half an event followed by another.

    A full disk must not end a training that could go on: the event is lost, and the next line
    starts afresh behind what was left of it.
    """

    def __init__(self, path: Path, only: frozenset[str] | None = None) -> None:
        """`only`: the kinds to write; None for all of them."""
        self._only = only
        self._file = path.open("ab", buffering=0)
        self._is_torn = False
        self._lock = threading.Lock()

    def write(self, kind: str, /, **fields: Any) -> None:
        if self._only is not None and kind not in self._only:
            return
        event = {"type": kind, "at": round(time.time(), 3), **plain(fields)}
        line = json.dumps(event, ensure_ascii=False, default=str, allow_nan=False)
        with self._lock:
            start = b"\n" if self._is_torn else b""
            try:
                self._is_torn = True
                self._file.write(start + line.encode() + b"\n")
                self._is_torn = False
            except OSError as error:
                sys.stderr.write(f"event not written: {error}\n")
