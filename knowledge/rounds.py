"""What a worker does next: a document, an index to build, saved questions to ask."""

import logging
from collections.abc import Callable
from typing import Any, Protocol

from django.db.models import Model
from django.db.models.functions import Now

from knowledge import assessing, building, indexing, ingesting, queues
from knowledge.index import IndexUnavailable
from knowledge.models import Assessment, Document, Space
from knowledge.reading import Reader

logger = logging.getLogger(__name__)


class Pulse(Protocol):
    """See worker.py: `beat` is called every few seconds while something is in work."""

    beat: Callable[[], object] | None


def _beating(row: Model, **state: Any) -> Callable[[], object]:
    rows = type(row)._default_manager.filter(pk=row.pk, **state)
    return lambda: rows.update(heartbeat_at=Now())


def step(reader: Reader, pulse: Pulse) -> bool:
    """One piece of work; False if there is none."""
    queues.reap_documents()
    try:
        told = _tell_server()
        return _document(reader, pulse) or _space(pulse) or _assessment(pulse) or told
    finally:
        pulse.beat = None


def _tell_server() -> bool:
    """What has changed, where there is a server. One that is away is told later."""
    was_behind = False
    for space in queues.behind():
        try:
            was_behind = indexing.catch_up(space)
        except IndexUnavailable as error:
            logger.warning("the index cannot be told of changes yet: %s", error)
            return False
    return was_behind


def _document(reader: Reader, pulse: Pulse) -> bool:
    document: Document | None = ingesting.claim()
    if document is None:
        return False
    pulse.beat = _beating(document, fence=document.fence)
    ingesting.ingest(document, reader)
    return True


def _space(pulse: Pulse) -> bool:
    space: Space | None = building.claim()
    if space is None:
        return False
    pulse.beat = _beating(space, attempt=space.attempt)
    building.build(space)
    return True


def _assessment(pulse: Pulse) -> bool:
    queues.reap_assessments()
    assessment: Assessment | None = assessing.claim()
    if assessment is None:
        return False
    pulse.beat = _beating(assessment, fence=assessment.fence)
    assessing.run(assessment)
    return True
