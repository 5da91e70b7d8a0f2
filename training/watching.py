"""What one watcher has been told of a job, and what is new for it. Synchronous."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.utils import translation

from training import events, streams
from training.models import TrainingJob
from training.streams import Slice

TAIL_LINES = 1000
# Programs refuse messages of a megabyte, and a line has up to 2,000 characters.
EVENT_CHARS = 200_000
RELATED = ("node", "version", "base_model", "dataset")


class JobGone(Exception):
    """The job was deleted."""


@dataclass
class Watch:
    """Cursors say what the watcher knows already; `log` None stands for all but the last lines.

    `language` None: a program, which gets no markup. `is_behind`: there is more to tell at once;
    whoever asks for a whole long run does not get it in one piece, which would be kept in memory.
    """

    job_id: UUID
    language: str | None = None
    metrics: int = 0
    hardware: int = 0
    log: int | None = None
    notes: int = 0
    samples: int = 0
    is_final: bool = False
    is_behind: bool = False
    _job: dict[str, Any] = field(default_factory=dict)
    _parts: dict[str, str] = field(default_factory=dict)

    def news(self) -> list[dict[str, Any]]:
        """Events since the last call. Raises JobGone."""
        rows = TrainingJob.objects.select_related(*RELATED)
        job = rows.filter(pk=self.job_id).first()
        if job is None:
            raise JobGone
        self.is_final, self.is_behind = job.is_final, False
        with translation.override(self.language or translation.get_language()):
            return [
                *self._job_news(job),
                *self._points(),
                *self._lines(),
                *self._remarks(job),
            ]

    def _job_news(self, job: TrainingJob) -> Iterator[dict[str, Any]]:
        event = events.job_event(job)
        if event == self._job:
            return
        self._job = event
        if self.language is None:
            yield event
            return
        parts = events.parts_of(job)
        changed = {part: html for part, html in parts.items() if self._parts.get(part) != html}
        self._parts = parts
        yield event | {"html": changed}
        if self.notes:  # what a note offers depends on the state
            yield {"type": "notes", "items": [], "next": self.notes} | events.notes_html(job)

    def _points(self) -> Iterator[dict[str, Any]]:
        if (points := streams.metrics_after(self.job_id, self.metrics)).items:
            self.metrics = self._next(points)
            yield events.points_event("metrics", points)
        if (points := streams.hardware_after(self.job_id, self.hardware)).items:
            self.hardware = self._next(points)
            yield events.points_event("hardware", points)

    def _lines(self) -> Iterator[dict[str, Any]]:
        if self.log is None:
            self.log = max(0, streams.log_length(self.job_id) - TAIL_LINES)
        lines = streams.log_after(self.job_id, self.log, chars=EVENT_CHARS)
        if lines.items:
            self.log = self._next(lines)
            yield events.log_event(lines)

    def _next(self, told: Slice) -> int:
        self.is_behind |= told.has_more
        return told.next

    def _remarks(self, job: TrainingJob) -> Iterator[dict[str, Any]]:
        """What the doctor remarked, and what the model answered."""
        is_page = self.language is not None
        if notes := streams.notes_after(self.job_id, self.notes):
            self.notes = notes[-1].pk
            yield events.notes_event(job, notes, with_html=is_page)
        if (samples := streams.samples_after(self.job_id, self.samples)).items:
            self.samples = self._next(samples)
            yield events.samples_event(job, samples, with_html=is_page)
