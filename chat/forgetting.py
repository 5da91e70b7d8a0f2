"""Chats whose time to be restored is over, and imports of long ago. A worker deletes them, and
loads nothing for it that only answering or importing needs.
"""

import logging
import time
from datetime import timedelta

from django.utils import timezone

from chat.models import ChatImport, ChatSession, ChatSettings, ImportStatus

logger = logging.getLogger(__name__)

AT_A_TIME = 50
# A task has a minute; what is left is for the next hour.
PATIENCE_S = 30.0
IMPORT_WAITS, IMPORT_KEPT = timedelta(days=2), timedelta(days=30)


def forget_deleted() -> int:
    """Delete them for good; how many there were."""
    before = timezone.now() - timedelta(days=ChatSettings.current().kept_days)
    old = ChatSession.objects.filter(deleted_at__lt=before)
    until, gone = time.monotonic() + PATIENCE_S, 0
    while time.monotonic() < until:
        batch = list(old.order_by("deleted_at").values_list("pk", flat=True)[:AT_A_TIME])
        if not batch:
            break
        # Again with the date: one of them may have been restored.
        old.filter(pk__in=batch).delete()
        gone += len(batch)
    if gone:
        logger.info("%d chats that were deleted long ago are gone for good", gone)
    return gone


def forget_imports() -> int:
    """Files nobody started the import of, and reports of long ago; how many."""
    now, ended = timezone.now(), (ImportStatus.DONE, ImportStatus.FAILED)
    waiting = ChatImport.objects.filter(
        status=ImportStatus.READY, created_at__lt=now - IMPORT_WAITS
    )
    old = ChatImport.objects.filter(status__in=ended, created_at__lt=now - IMPORT_KEPT)
    return waiting.delete()[0] + old.delete()[0]
