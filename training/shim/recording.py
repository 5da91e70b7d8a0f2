"""What a runner tells becomes rows: progress, curves, hardware, checkpoints, log."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

from django.db import transaction

from training import curve_blocks, lifecycle
from training.models import HardwareSample, LogChunk, Metric, Note, Sample, TrainingJob, Workload
from training.rounds import Rounds
from training.shim.continuity import Continuity
from training.shim.faults import UNSTORABLE
from training.shim.reading import events, log_lines
from training.streams import log_chars, log_length

logger = logging.getLogger(__name__)

Event = dict[str, Any]
TERMINAL = ("finished", "paused", "stopped", "failed")
# Past this much only the runner's own file goes on.
LOG_MAX_CHARS = 256 * 1024**2
# A chunk is read as a whole, also for one of its lines.
CHUNK_LINES = 1000
LOG_FULL = "… the rest is in the log file on the node"
NOT_VALUES = ("type", "at", "step", "epoch")


def last_outcome(told: bytes) -> Event | None:
    """How the run ended, by its own words; None if it said nothing of the kind."""
    found = [event for event in events(told) if event["type"] in TERMINAL]
    failed = [event for event in found if event["type"] == "failed"]
    return failed[0] if failed else found[-1] if found else None


def weightier(known: Event | None, told: Event) -> Event:
    """Of several processes the first that failed knows why; the others only see that it is gone."""
    return known if known is not None and known["type"] == "failed" else told


def _at(event: Event) -> datetime:
    return datetime.fromtimestamp(event["at"], UTC)


class Recorder:
    """Applies events in order; `changes` collects what the next renewal writes to the workload."""

    def __init__(self, workload: Workload, fence: int) -> None:
        self.workload = workload
        self.fence = fence
        self.changes: dict[str, Any] = {}
        self.outcome: Event | None = None
        self._continuity = Continuity(workload)
        self._rounds = Rounds(workload)
        self._points = 0
        self._last_progress: tuple[float, int] | None = None
        # Of the log so far, once it has been looked at.
        self._log_chars: int | None = None
        self._log_lines = 0
        # When the newest event was told, by its own clock, and when it was read here.
        self._heard: tuple[float, float] | None = None
        self._handlers: dict[str, Callable[[Event], None]] = {
            "started": self._on_started,
            "progress": self._on_progress,
            "metrics": self._on_metrics,
            "hardware": self._on_hardware,
            "checkpoint": self._on_checkpoint,
            "samples": self._on_samples,
        }

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Around a transaction: when that is undone, so is what is remembered of it."""
        self.changes = {}
        before = (self.outcome, self._points, self._last_progress, self._continuity.memory)
        try:
            yield
        except BaseException:
            self.outcome, self._points, self._last_progress, self._continuity.memory = before
            self._log_chars = None
            self._rounds.begin()
            raise

    def store(self, told: bytes, log: bytes, *, apart: bool) -> None:
        """Within a batch. `apart`: each by itself, and what no column takes is left out and said.

        Raises what the database raises.
        """
        if not apart:
            for event in events(told):
                self.apply(event)
            self.add_log(log)
            return
        left_out: Counter[str] = Counter()
        steps: list[tuple[str, Callable[[], None]]] = [
            (event["type"], partial(self.apply, event)) for event in events(told)
        ]
        steps.append(("log", partial(self.add_log, log)))
        for name, step in steps:
            try:
                with transaction.atomic():
                    step()
            except UNSTORABLE:
                logger.exception("%s: %s cannot be stored", self.workload.pk, name)
                self._log_chars = None  # what was counted of it is undone
                left_out[name] += 1
        for name, count in left_out.items():
            self.add_log(f"… {count} × {name} could not be stored and is left out\n".encode())

    def apply(self, event: Event) -> None:
        if event["type"] in TERMINAL:
            self.outcome = weightier(self.outcome, event)
            self.changes |= {n: event[n] for n in ("step", "max_steps") if n in event}
        self._heard = (event["at"], time.monotonic())
        handler = self._handlers.get(event["type"])
        if handler is not None:
            handler(event)

    def look(self) -> None:
        """Now and then, also while nothing is told. How long that is, no clock on the wall says."""
        if self.outcome is None and self._heard is not None:
            at, since = self._heard
            self._rounds.look(at + time.monotonic() - since)

    def _job_changes(self, **changes: Any) -> None:
        TrainingJob.objects.filter(pk=self.workload.pk).update(**changes)

    def _on_started(self, event: Event) -> None:
        lifecycle.mark_running(self.workload.pk, self.fence, step=event["step"])
        self._continuity.resumed(event["step"])
        # A resumed run tells again what an earlier attempt told after its last checkpoint.
        curve_blocks.forget_after(self.workload.pk, event["step"])
        for rows in (Note.objects, Sample.objects):
            rows.filter(workload=self.workload, step__gt=event["step"]).delete()
        self._rounds.begin()
        names = ("trainable_parameters", "all_parameters", "versions", "num_epochs")
        self._job_changes(facts={name: event[name] for name in names if name in event})
        self.changes |= {"step": event["step"], "max_steps": event["max_steps"]}
        self._last_progress = (event["at"], event["step"])

    def _on_progress(self, event: Event) -> None:
        self._rounds.progress(event["step"], event["at"])
        self.changes |= {
            "step": event["step"],
            "max_steps": event["max_steps"],
            "epoch": event.get("epoch"),
        }
        if self._last_progress is None:
            lifecycle.mark_running(self.workload.pk, self.fence, step=event["step"])
        elif event["step"] > self._last_progress[1]:
            at, step = self._last_progress
            fresh = (event["at"] - at) / (event["step"] - step)
            known = self.changes.get("step_s", self.workload.step_s)
            self.changes["step_s"] = fresh if known is None else 0.7 * known + 0.3 * fresh
        self._last_progress = (event["at"], event["step"])

    def _on_metrics(self, event: Event) -> None:
        self._continuity.told(event)
        values = {name: value for name, value in event.items() if name not in NOT_VALUES}
        self._rounds.metrics(event["step"], values, event["at"])
        Metric.objects.create(
            workload=self.workload,
            step=event["step"],
            epoch=event.get("epoch"),
            values=values,
            at=_at(event),
        )
        self._points += 1
        if self._points % curve_blocks.BLOCK_POINTS == 0:
            curve_blocks.roll_up(self.workload.pk)

    def _on_samples(self, event: Event) -> None:
        for item in event["items"]:
            Sample.objects.update_or_create(
                workload=self.workload,
                step=event["step"],
                position=item["position"],
                defaults={
                    "prompt": item["prompt"],
                    "output": item["output"],
                    "at": _at(event),
                },
            )

    def _on_hardware(self, event: Event) -> None:
        HardwareSample.objects.create(
            workload=self.workload,
            at=_at(event),
            step=self._last_progress[1] if self._last_progress else None,
            cpu_percent=event.get("cpu_percent"),
            rss_bytes=event.get("rss_bytes"),
            gpus=event.get("gpus") or [],
        )
        self._rounds.hardware(event["at"], event.get("gpus") or [])

    def _on_checkpoint(self, event: Event) -> None:
        self._job_changes(checkpoint=event["path"], checkpoint_step=event["step"])

    def add_log(self, data: bytes) -> None:
        lines = log_lines(data)
        if not lines:
            return
        if self._log_chars is None:
            self._log_chars = log_chars(self.workload.pk)
            self._log_lines = log_length(self.workload.pk)
        if self._log_chars >= LOG_MAX_CHARS:
            return
        if self._log_chars + sum(map(len, lines)) > LOG_MAX_CHARS:
            self._log_chars, lines = LOG_MAX_CHARS, [LOG_FULL]
        for start in range(0, len(lines), CHUNK_LINES):
            part = lines[start : start + CHUNK_LINES]
            text = "\n".join(part)
            LogChunk.objects.create(
                workload=self.workload, first=self._log_lines, count=len(part), text=text
            )
            self._log_chars += len(text)
            self._log_lines += len(part)
