"""What one watcher has been told of a job, and what is new for it. Synchronous."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.utils import translation

from training import events, streams
from training.models import TrainingJob

TAIL_LINES = 1000
RELATED = ("node", "version", "base_model", "dataset")


class JobGone(Exception):
    """The job was deleted."""


@dataclass
class Watch:
    """Cursors say what the watcher knows already; `log` None stands for all but the last lines.

    `language` None: a program, which gets no markup.
    """

    job_id: UUID
    language: str | None = None
    metrics: int = 0
    hardware: int = 0
    log: int | None = None
    notes: int = 0
    samples: int = 0
    is_final: bool = False
    _job: dict[str, Any] = field(default_factory=dict)
    _parts: dict[str, str] = field(default_factory=dict)

    def news(self) -> list[dict[str, Any]]:
        """Events since the last call. Raises JobGone."""
        rows = TrainingJob.objects.select_related(*RELATED)
        job = rows.filter(pk=self.job_id).first()
        if job is None:
            raise JobGone
        self.is_final = job.is_final
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
        while (points := streams.metrics_after(self.job_id, self.metrics)).items:
            self.metrics = points.next
            yield events.points_event("metrics", points)
        while (points := streams.hardware_after(self.job_id, self.hardware)).items:
            self.hardware = points.next
            yield events.points_event("hardware", points)

    def _lines(self) -> Iterator[dict[str, Any]]:
        if self.log is None:
            self.log = max(0, streams.log_length(self.job_id) - TAIL_LINES)
        while (lines := streams.log_after(self.job_id, self.log)).items:
            self.log = lines.next
            yield events.log_event(lines)

    def _remarks(self, job: TrainingJob) -> Iterator[dict[str, Any]]:
        """What the doctor remarked, and what the model answered."""
        is_page = self.language is not None
        if notes := streams.notes_after(self.job_id, self.notes):
            self.notes = notes[-1].pk
            yield events.notes_event(job, notes, with_html=is_page)
        while (samples := streams.samples_after(self.job_id, self.samples)).items:
            self.samples = samples.next
            yield events.samples_event(job, samples, with_html=is_page)
