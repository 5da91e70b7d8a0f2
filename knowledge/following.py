"""The embedded index of a web process follows the database, so that no question waits for it."""

import asyncio
import logging
from datetime import datetime, timedelta

from django.db import DatabaseError, connection
from django.utils import timezone

from knowledge import indexing
from knowledge.index import IndexUnavailable
from knowledge.models import Space, SpaceStatus

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 3.0
# A change that was committed after the look that should have seen it.
OVERLAP = timedelta(seconds=30)


async def follow() -> None:
    """For as long as the process serves; with a server the worker tells it."""
    if indexing.is_server():
        return
    if indexing.folder().exists():
        await asyncio.to_thread(drop_replaced)
    since = timezone.now()
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        now = timezone.now()
        await asyncio.to_thread(look, since - OVERLAP)
        since = now


def look(since: datetime) -> None:
    """Take up what has changed since then."""
    rows = Space.objects.filter(
        status=SpaceStatus.LIVE, base__updated_at__gte=since, base__revision__gt=0
    )
    try:
        for space in rows:
            indexing.catch_up(space)
    except (DatabaseError, IndexUnavailable) as error:
        logger.warning("the index follows later: %s", error)
    finally:
        connection.close()


def drop_replaced() -> None:
    """Folders of spaces that no base has any more."""
    try:
        indexing.drop_unknown()
    except (DatabaseError, IndexUnavailable) as error:
        logger.warning("what was replaced is dropped later: %s", error)
    finally:
        connection.close()
