"""Long work on datasets: asked for here, done by a process of its own (dataset_worker.py), told in
the database. What is small is done at once, in the process that asks.
"""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any, BinaryIO, TypeVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from training import dataset_files, dispatch, telling
from training.dataset_texts import explain, reasons_of
from training.formats.problems import Refusal
from training.models import Dataset, DatasetDraft, DatasetUpload, DatasetWork, WorkStatus
from training.models.dataset_work import MAX_ATTEMPTS, OPEN

logger = logging.getLogger(__name__)

INLINE_BYTES = 8 * 1024**2
# Processes at the same time: pages and trainings of the same machine want to go on.
MAX_RUNNING = 2
TELL_EVERY_S = 0.7
DEAD_AFTER = timedelta(seconds=60)
KEPT = timedelta(days=30)
STALE_AFTER = timedelta(days=2)

T = TypeVar("T")
Perform = Callable[[DatasetWork, "Progress"], None]


class Superseded(Exception):
    """The work was cancelled, or another attempt has taken over."""


class Progress:
    """How far one attempt is. Each word to the database also asks whether it should go on."""

    def __init__(self, work: DatasetWork) -> None:
        self.work = work
        self._told_at = 0.0
        self._phase, self._total = "", 0

    def begin(self, phase: str, total: int = 0) -> None:
        """`total` in whatever unit `reach` counts; 0: unknown."""
        self._phase, self._total, self._told_at = phase, total, 0.0
        self.reach(0)

    def reach(self, done: int) -> None:
        """Raises Superseded. Cheap: the database hears of it now and then."""
        if time.monotonic() - self._told_at < TELL_EVERY_S:
            return
        self._told_at = time.monotonic()
        self.tell(phase=self._phase, done=min(done, self._total or done), total=self._total)

    def counted(self, items: Iterable[T]) -> Iterator[T]:
        """The items; each moves this phase on by one."""
        for done, item in enumerate(items, start=1):
            yield item
            if done % 64 == 0:
                self.reach(done)

    def tell(self, **changes: Any) -> None:
        """Raises Superseded."""
        rows = DatasetWork.objects.filter(
            pk=self.work.pk, attempt=self.work.attempt, status=WorkStatus.RUNNING
        )
        if not rows.update(heartbeat_at=Now(), **changes):
            raise Superseded
        for name, value in changes.items():
            setattr(self.work, name, value)

    def made(self, dataset: Dataset) -> None:
        """A result; in the transaction that saves it, so that no second attempt makes it again."""
        self.tell(results=[*self.work.results, dataset.pk])


class Followed:
    """A file that tells how much of it was read; what a ZIP holds is not read in its order."""

    def __init__(self, file: BinaryIO, progress: Progress) -> None:
        self.file, self.progress = file, progress
        self.read_bytes = 0

    def read(self, size: int = -1) -> bytes:
        self.progress.reach(self.read_bytes)
        piece = self.file.read(size)
        self.read_bytes += len(piece)
        return piece

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if offset == 0 and whence == os.SEEK_SET:
            self.read_bytes = 0
        return self.file.seek(offset, whence)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def ask(
    *,
    owner: User,
    kind: str,
    size_bytes: int,
    dataset: Dataset | None = None,
    upload: DatasetUpload | None = None,
    draft: DatasetDraft | None = None,
    request: dict[str, Any] | None = None,
) -> DatasetWork:
    """Work that is done already if `size_bytes` is little, else queued. See `status`."""
    work = DatasetWork(
        owner=owner,
        kind=kind,
        dataset=dataset,
        upload=upload,
        draft=draft,
        request=request or {},
    )
    if size_bytes > INLINE_BYTES:
        work.save()
        dispatch.look_at_datasets()
        return work
    work.status, work.attempt = WorkStatus.RUNNING, 1
    work.started_at = work.heartbeat_at = timezone.now()
    work.save()
    run(work, is_awaited=True)
    work.refresh_from_db()
    return work


def run(work: DatasetWork, *, is_awaited: bool = False) -> None:
    """The attempt that `work` is in; its end is written whatever happens. `is_awaited`: the owner
    sees it come; others are told."""
    from training.dataset_changes import perform

    progress = Progress(work)
    try:
        with translation.override(work.owner.language or settings.LANGUAGE_CODE):
            ending = _attempt(work, progress, perform)
        with transaction.atomic():
            progress.tell(finished_at=timezone.now(), **ending)
            if not is_awaited:
                telling.tell_work_end(work)
    except Superseded:
        logger.info("%s: given up; it was cancelled or another attempt has begun", work.pk)
        return
    if work.upload is not None:
        forget_upload(work.upload)


def _attempt(work: DatasetWork, progress: Progress, perform: Perform) -> dict[str, Any]:
    """What the row says at the end. Raises Superseded."""
    try:
        perform(work, progress)
    except Superseded:
        raise
    except Refusal as refusal:
        return _failed(refusal.code, explain(refusal), reasons_of(refusal.rejections))
    except ValidationError as error:
        return _failed("invalid", " ".join(error.messages))
    except OSError as error:
        logger.exception("%s: reading or writing failed", work.pk)
        return _failed("disk", _("Reading or writing failed: %(why)s") % {"why": error.strerror})
    except Exception:  # whatever it is: a person waits for an end
        logger.exception("%s: failed", work.pk)
        return _failed("internal", _("Something went wrong. It has been logged."))
    return {"status": WorkStatus.DONE, "done": work.total}


def _failed(code: str, error: str, reasons: list[str] | None = None) -> dict[str, Any]:
    told = {"error": error, "error_code": code, "reasons": reasons or []}
    return {"status": WorkStatus.FAILED, **told}


def cancel(work: DatasetWork, *, actor: User, request: HttpRequest | None = None) -> bool:
    """False if it has ended already."""
    rows = DatasetWork.objects.open().filter(pk=work.pk)
    with transaction.atomic():
        if not rows.update(status=WorkStatus.CANCELLED, finished_at=timezone.now()):
            return False
        audit(actor=actor, action="dataset.cancel", target=work, request=request)
        if work.upload is not None:
            forget_upload(work.upload)
    return True


def look() -> int:
    """Give up dead attempts, and start what waits while there is room; how many were started."""
    if not DatasetWork.objects.open().exists():
        return 0
    _reap()
    started = 0
    for work in DatasetWork.objects.filter(status=WorkStatus.QUEUED).order_by("created_at"):
        if DatasetWork.objects.filter(status=WorkStatus.RUNNING).count() >= MAX_RUNNING:
            break
        if _claim(work):
            _start_process(work)
            started += 1
    return started


def _reap() -> None:
    dead = DatasetWork.objects.filter(
        status=WorkStatus.RUNNING, heartbeat_at__lt=Now() - DEAD_AFTER
    )
    dead.filter(attempt__lt=MAX_ATTEMPTS).update(status=WorkStatus.QUEUED)
    for work in dead.select_related("owner"):
        with translation.override(work.owner.language or settings.LANGUAGE_CODE):
            ending = _failed("broke_off", _("It broke off several times, and was given up."))
        with transaction.atomic():
            if dead.filter(pk=work.pk).update(finished_at=timezone.now(), **ending):
                work.status, work.error = ending["status"], ending["error"]
                telling.tell_work_end(work)


def forget_old() -> None:
    """Rows of what has ended long ago; what it made stays."""
    ended = DatasetWork.objects.exclude(status__in=OPEN)
    ended.filter(created_at__lt=timezone.now() - KEPT).delete()


def _claim(work: DatasetWork) -> bool:
    rows = DatasetWork.objects.filter(pk=work.pk, status=WorkStatus.QUEUED)
    return bool(
        rows.update(
            status=WorkStatus.RUNNING,
            attempt=F("attempt") + 1,
            heartbeat_at=Now(),
            started_at=timezone.now(),
            done=0,
            total=0,
        )
    )


def _start_process(work: DatasetWork) -> None:
    """In the session of the worker that starts it: it ends with the platform, and begins anew."""
    command = [sys.executable, "-m", "training.dataset_worker", str(work.pk)]
    subprocess.Popen(command, cwd=settings.BASE_DIR, stdin=subprocess.DEVNULL)


def forget_upload(upload: DatasetUpload) -> None:
    """The row, and with it the file."""
    file = upload.file
    with transaction.atomic():
        DatasetUpload.objects.filter(pk=upload.pk).delete()
        transaction.on_commit(lambda: file.unlink(missing_ok=True))


def forget_stale_uploads() -> int:
    """Uploads nobody went on with, and files without a row; how many."""
    before = timezone.now() - STALE_AFTER
    old = DatasetUpload.objects.filter(updated_at__lt=before).exclude(
        work__in=DatasetWork.objects.open()
    )
    count = 0
    for upload in old:
        forget_upload(upload)
        count += 1
    return count + _forget_files()


def _forget_files() -> int:
    folder = DatasetUpload(size_bytes=0).file.parent
    known = {f"{pk.hex}.part" for pk in DatasetUpload.objects.values_list("pk", flat=True)}
    count = 0
    for file in folder.glob("*.part"):
        is_old = timezone.now().timestamp() - file.stat().st_mtime > STALE_AFTER.total_seconds()
        if is_old and file.name not in known:
            file.unlink(missing_ok=True)
            count += 1
    return count


def forget_unsaved() -> int:
    """Folders of imports that died before their row was committed; how many."""
    dataset_files.remove_abandoned()
    count = 0
    for folder in dataset_files.unsaved():
        path = (folder / dataset_files.DATA).relative_to(settings.MEDIA_ROOT).as_posix()
        if Dataset.objects.filter(path=path).exists():  # it died between commit and mark
            (folder / dataset_files.UNSAVED).unlink(missing_ok=True)
        else:
            dataset_files.set_aside(folder / dataset_files.DATA)
            count += 1
    return count
