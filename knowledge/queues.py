"""What waits for a worker, and what a worker that died has left.

Every worker looks here every few seconds, and most never have a document: nothing is loaded here
that only the work itself needs.
"""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from knowledge.models import (
    Assessment,
    AssessmentStatus,
    Document,
    DocumentStatus,
    Space,
    SpaceStatus,
)

DEAD_AFTER = timedelta(seconds=45)
# One that asks questions is heard of after each of them.
ASSESSMENT_DEAD_AFTER = timedelta(seconds=60)
DOCUMENT_ATTEMPTS, SPACE_ATTEMPTS, ASSESSMENT_ATTEMPTS = 3, 5, 5


def is_waiting() -> bool:
    """Whether a worker would find something to do."""
    reap_documents()
    reap_assessments()
    return any(queue.exists() for queue in (documents(), spaces(), assessments(), behind()))


def documents() -> Any:
    """Those that can be worked on now, the oldest first."""
    due = Q(not_before=None) | Q(not_before__lte=Now())
    return Document.objects.filter(due, status=DocumentStatus.PENDING).order_by("pk")


def spaces() -> Any:
    """Indexes to build, those whose builder has died among them."""
    free = Q(heartbeat_at=None) | Q(heartbeat_at__lt=Now() - DEAD_AFTER)
    return Space.objects.filter(free, status=SpaceStatus.BUILDING).order_by("created_at")


def assessments() -> Any:
    return Assessment.objects.filter(status=AssessmentStatus.QUEUED).order_by("created_at")


def behind() -> Any:
    """Spaces of which a server does not know the last changes; none without a server."""
    if not settings.QDRANT_URL:
        return Space.objects.none()
    wanted = (SpaceStatus.LIVE, SpaceStatus.KEPT)
    rows = Space.objects.select_related("base").filter(status__in=wanted)
    return rows.filter(applied__lt=F("base__revision"))


def reap_documents() -> None:
    """Those whose worker has died wait again; after several attempts they have failed."""
    dead = Document.objects.filter(
        status=DocumentStatus.PROCESSING, heartbeat_at__lt=Now() - DEAD_AFTER
    )
    dead.filter(attempt__gte=DOCUMENT_ATTEMPTS).update(
        status=DocumentStatus.FAILED, stage="", error_code="broke_off", error_params={}
    )
    dead.update(status=DocumentStatus.PENDING, stage="")


def reap_assessments() -> None:
    """As documents."""
    dead = Assessment.objects.filter(
        status=AssessmentStatus.RUNNING, heartbeat_at__lt=Now() - ASSESSMENT_DEAD_AFTER
    )
    dead.filter(fence__gte=ASSESSMENT_ATTEMPTS).update(
        status=AssessmentStatus.FAILED, error=_("The worker ended again and again.")
    )
    dead.update(status=AssessmentStatus.QUEUED)
