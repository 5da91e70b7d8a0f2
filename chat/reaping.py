"""Answers whose process died, and files that nobody sends. A worker looks for them, and loads
nothing for it that only answering needs.
"""

import logging
from datetime import timedelta
from functools import partial

from django.db import transaction
from django.utils import timezone

from chat.events import tell_changed
from chat.models import Attachment, ChatSession, Message, MessageStatus
from chat.search import index

logger = logging.getLogger(__name__)

UNSENT_KEPT = timedelta(days=1)


def reap_lost() -> int:
    """Mark them as interrupted; how many there were."""
    reaped = 0
    for message_id, session_id in Message.objects.lost().values_list("pk", "session_id")[:1000]:
        with transaction.atomic():
            mine = Message.objects.lost().filter(pk=message_id)
            if mine.update(status=MessageStatus.INTERRUPTED):
                revision = ChatSession.objects.bump(session_id)
                rows = Message.objects.filter(pk=message_id)
                rows.update(revision=revision)
                index.remove(message=message_id)
                index.add(rows.select_related("session"))
                transaction.on_commit(partial(tell_changed, session_id))
                reaped += 1
    if reaped:
        logger.warning("%d answers were interrupted: their process is gone", reaped)
    return reaped


def forget_unsent() -> int:
    """Files that were chosen and never sent; how many."""
    rows = Attachment.objects.unsent().filter(created_at__lt=timezone.now() - UNSENT_KEPT)
    count, _by_model = rows.delete()
    return count
