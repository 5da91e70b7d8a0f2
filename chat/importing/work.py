"""The life of an import: what is small is done at once, all else by a process of its own
(chat/import_worker.py) that a worker starts. The database holds every import: nudges may be lost.
"""

import logging
import shutil
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, BinaryIO

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from chat.importing import elements
from chat.importing.conversations import Conversation, Skipped
from chat.importing.elements import Unreadable
from chat.importing.enclosures import Enclosures, Holds
from chat.importing.sources import understood
from chat.importing.storing import Writer
from chat.models import ChatImport, ImportStatus
from llmplatform.text import plain_file_name

logger = logging.getLogger(__name__)

MAX_BYTES = 1024**3
# Unpacked; about a second.
INLINE_BYTES = 6 * 1024**2
MAX_OPEN = 5
MAX_RUNNING = 2
MAX_ATTEMPTS = 3
LISTED = 200
TELL_EVERY_S = 0.7
DEAD_AFTER = timedelta(seconds=60)

Step = Callable[[Conversation], str]


class Superseded(Exception):
    """The import was discarded, or another attempt has taken over."""


def begin(*, owner: User, file: BinaryIO, file_name: str, size_bytes: int) -> ChatImport:
    """Keep the file and read what is in it: at once if it is little. Raises ValidationError."""
    if size_bytes > MAX_BYTES:
        raise ValidationError({"file": [_("The file is larger than 1 GB.")]})
    waiting = (ImportStatus.QUEUED, ImportStatus.RUNNING, ImportStatus.READY)
    if ChatImport.objects.for_user(owner).filter(status__in=waiting).count() >= MAX_OPEN:
        text = _("Several imports wait for you. Start or discard one of them first.")
        raise ValidationError({"file": [text]})
    name = plain_file_name(file_name) or "chats"
    row = ChatImport(owner=owner, file_name=name, size_bytes=size_bytes)
    row.file.parent.mkdir(parents=True, exist_ok=True)
    try:
        file.seek(0)
        with row.file.open("wb") as target:
            shutil.copyfileobj(file, target, 1024**2)
        row.file.chmod(0o600)
        row.save()
    except BaseException:
        row.file.unlink(missing_ok=True)
        raise
    return _go(row)


def start(*, row: ChatImport, actor: User, request: HttpRequest | None = None) -> ChatImport:
    """Write what was found. Raises ValidationError where there is nothing, or it is not read."""
    with transaction.atomic():
        ready = ChatImport.objects.filter(pk=row.pk, status=ImportStatus.READY)
        if not row.wanted or not ready.update(
            status=ImportStatus.QUEUED, is_started=True, attempt=0, done_bytes=0
        ):
            raise ValidationError(_("There is nothing to import."))
        counted = {name: row.counts.get(name, 0) for name in ("new", "grown", "messages")}
        audit(
            actor=actor,
            action="chat.import",
            target=row,
            is_private=True,
            after=counted,
            request=request,
        )
    row.refresh_from_db()
    return _go(row)


def discard(*, row: ChatImport) -> None:
    """The row with its file; a running attempt ends. Chats that were written stay."""
    row.delete()


def _go(row: ChatImport) -> ChatImport:
    if max(row.size_bytes, _unpacked_bytes(row)) > INLINE_BYTES:
        transaction.on_commit(_nudge)
        return row
    if claim(row):
        run(ChatImport.objects.select_related("owner").get(pk=row.pk))
    row.refresh_from_db()
    return row


def _unpacked_bytes(row: ChatImport) -> int:
    try:
        with row.file.open("rb") as file:
            return sum(part.size_bytes for part in elements.parts_of(file))
    except (Unreadable, OSError):
        return 0


def _nudge() -> None:
    from kombu.exceptions import OperationalError

    from chat.tasks import look_at_imports

    try:
        look_at_imports.delay()
    except (OperationalError, OSError):
        logger.warning("the broker does not answer; beat will look at imports")


def claim(row: ChatImport) -> bool:
    rows = ChatImport.objects.filter(pk=row.pk, status=ImportStatus.QUEUED)
    changes = {"status": ImportStatus.RUNNING, "heartbeat_at": Now(), "attempt": F("attempt") + 1}
    return bool(rows.update(**changes))


def look(start_process: Callable[[uuid.UUID], object] | None = None) -> int:
    """Give up dead attempts, and start what waits while there is room; how many were started."""
    dead = ChatImport.objects.filter(
        status=ImportStatus.RUNNING, heartbeat_at__lt=Now() - DEAD_AFTER
    )
    dead.filter(attempt__lt=MAX_ATTEMPTS).update(status=ImportStatus.QUEUED)
    dead.update(status=ImportStatus.FAILED, error_code="broke_off", finished_at=timezone.now())
    started = 0
    for row in ChatImport.objects.filter(status=ImportStatus.QUEUED).order_by("created_at"):
        if ChatImport.objects.filter(status=ImportStatus.RUNNING).count() >= MAX_RUNNING:
            break
        if claim(row):
            (start_process or _start_process)(row.pk)
            started += 1
    return started


def _start_process(pk: uuid.UUID) -> None:
    """In the session of the worker that starts it: it ends with the platform, and begins anew."""
    command = [sys.executable, "-m", "chat.import_worker", str(pk)]
    subprocess.Popen(command, cwd=settings.BASE_DIR, stdin=subprocess.DEVNULL)


def run(row: ChatImport) -> None:
    """The attempt that `row` is in; its end is written whatever happens."""
    try:
        ending = _attempt(row)
        _tell(row, finished_at=timezone.now(), **ending)
    except Superseded:
        logger.info("%s: given up; it was discarded or another attempt has begun", row.pk)
        return
    if ending["status"] != ImportStatus.READY:
        row.file.unlink(missing_ok=True)


def _tell(row: ChatImport, **changes: Any) -> None:
    """Raises Superseded."""
    mine = ChatImport.objects.filter(pk=row.pk, attempt=row.attempt, status=ImportStatus.RUNNING)
    if not mine.update(heartbeat_at=Now(), **changes):
        raise Superseded


def _attempt(row: ChatImport) -> dict[str, Any]:
    """What the row says at the end. Raises Superseded."""
    try:
        with row.file.open("rb") as file:
            found = Enclosures(file)
            writer = Writer(row.owner, found, kept=partial(_tell, row))
            step = writer.write if row.is_started else writer.state
            status = ImportStatus.DONE if row.is_started else ImportStatus.READY
            return {"status": status, **_Pass(row, step, found.holds).all()}
    except Unreadable as error:
        return _failed(error.code, error.values)
    except OSError:
        logger.exception("%s: reading or writing failed", row.pk)
        return _failed("disk")
    except Superseded:
        raise
    except Exception:  # whatever it is: a person waits for an end
        logger.exception("%s: failed", row.pk)
        return _failed("internal")


def _failed(code: str, values: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"status": ImportStatus.FAILED, "error_code": code, "error_values": values or {}}


class _Pass:
    """Once through the file: each conversation is given to `step`, and counted by what it says."""

    def __init__(self, row: ChatImport, step: Step, holds: Holds) -> None:
        self._row, self._step, self._holds = row, step, holds
        self._counts: Counter[str] = Counter()
        self._listed: list[dict[str, Any]] = []
        self._skipped: list[dict[str, Any]] = []
        self._seen: set[tuple[str, str]] = set()
        self._before, self._told_at = 0, time.monotonic()

    def all(self) -> dict[str, Any]:
        with self._row.file.open("rb") as file:
            parts = elements.parts_of(file)
            _tell(self._row, total_bytes=sum(part.size_bytes for part in parts), done_bytes=0)
            for part in parts:
                for element in elements.elements(part, self._reached):
                    self._take(element, part.name)
                self._before += part.size_bytes
        return {
            "counts": dict(self._counts),
            "listed": self._listed,
            "skipped": self._skipped,
            "done_bytes": self._before,
        }

    def _reached(self, done_bytes: int) -> None:
        if time.monotonic() - self._told_at > TELL_EVERY_S:
            self._told_at = time.monotonic()
            _tell(self._row, done_bytes=self._before + done_bytes, counts=dict(self._counts))

    def _take(self, element: elements.Element, part: str) -> None:
        try:
            if element.is_large:
                raise Skipped("large", limit_mb=elements.ELEMENT_MAX_CHARS // 1024**2)
            found = understood(element.value, self._holds)
            key = (found.source, found.key)
            if key in self._seen:  # twice in one file
                return
            self._seen.add(key)
            self._count(found, self._step(found))
        except Skipped as skipped:
            self._skip(skipped, element.line, part)

    def _count(self, found: Conversation, state: str) -> None:
        if state == "deleted":
            raise Skipped("deleted", found.title)
        self._counts[state] += 1
        self._counts["chats"] += 1
        self._counts["messages"] += len(found.messages)
        if state != "known":
            self._counts.update(found.left_out)
            self._counts["enclosed"] += found.enclosed
        if len(self._listed) < LISTED:
            at = found.updated_at or found.created_at
            self._listed.append(
                {
                    "title": found.title,
                    "messages": len(found.messages),
                    "at": at.isoformat() if at else None,
                    "state": state,
                    "source": found.source,
                }
            )

    def _skip(self, skipped: Skipped, line: int, part: str) -> None:
        self._counts["skipped"] += 1
        if len(self._skipped) < LISTED:
            about = {"title": skipped.title, "code": skipped.code, "values": skipped.values}
            self._skipped.append({**about, "line": line, "part": part})
