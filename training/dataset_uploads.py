"""Files that arrive in pieces, so that a lost network or a closed page costs one piece at most.

The sender asks how much there is (`received_bytes`) and goes on from there. Pieces are written
straight to the file; the file is imported by a process of its own (dataset_work.py).
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from training import dataset_work, datasets, drafts
from training.dataset_readings import reading_of
from training.dataset_work import Progress
from training.formats.detection import AUTO, FORMATS
from training.formats.problems import Refusal
from training.models import DatasetUpload, DatasetWork, WorkKind

CHUNK_BYTES = 8 * 1024**2
# A sender may send less at once, never more.
MAX_CHUNK_BYTES = 64 * 1024**2
BLOCK_BYTES = 256 * 1024
MAX_OPEN = 10


class OutOfPlace(Exception):
    """The piece does not begin where the file ends; `received_bytes` is where it does."""

    def __init__(self, received_bytes: int) -> None:
        super().__init__("the piece does not follow the last one")
        self.received_bytes = received_bytes


def begin(
    *,
    owner: User,
    file_name: str,
    size_bytes: int,
    fingerprint: str = "",
    options: dict[str, Any] | None = None,
) -> DatasetUpload:
    """An upload to send pieces to; the open one with that fingerprint and size, if there is one.

    Refusal or ValidationError for what can be told before a byte is sent.
    """
    file_name = datasets.clean_file_name(file_name)
    options = options or {}
    if name := str(options.get("name", "")).strip():
        datasets.checked_name(name)
    if options.get("format", AUTO) not in (AUTO, *FORMATS):
        raise ValidationError({"format": [_("There is no such format.")]})
    reading_of(file_name, options.get("options"))
    if not size_bytes:
        raise Refusal("empty_file")
    datasets.check_file(file_name=file_name, size_bytes=size_bytes)
    mine = DatasetUpload.objects.filter(owner=owner, work=None)
    known = mine.filter(fingerprint=fingerprint, size_bytes=size_bytes).first()
    if fingerprint and known is not None:
        DatasetUpload.objects.filter(pk=known.pk).update(options=options)
        return known
    if mine.count() >= MAX_OPEN:
        text = _("You have %(limit)d uploads that are not finished. Finish or remove one first.")
        raise ValidationError({"file": [text % {"limit": MAX_OPEN}]})
    upload = DatasetUpload.objects.create(
        owner=owner,
        file_name=file_name,
        size_bytes=size_bytes,
        fingerprint=fingerprint,
        options=options,
    )
    upload.file.parent.mkdir(parents=True, exist_ok=True)
    upload.file.touch(mode=0o600)
    return upload


@contextmanager
def _locked(upload: DatasetUpload) -> Iterator[BinaryIO]:
    """The file, for one writer. OutOfPlace while there is another one."""
    with upload.file.open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutOfPlace(upload.received_bytes) from error
        yield file


def receive(*, upload: DatasetUpload, offset: int, read: Callable[[int], bytes]) -> int:
    """Write one piece, which begins at `offset`; how much of the file there is now.

    `read(n)` gives at most n bytes, none at the end. A piece that breaks off counts as far as it
    came. Raises OutOfPlace; ValidationError when it is too long, FileNotFoundError when gone.
    """
    with _locked(upload) as file:
        upload.refresh_from_db()
        if offset != upload.received_bytes:
            raise OutOfPlace(upload.received_bytes)
        file.seek(offset)
        end = offset
        try:
            while block := read(BLOCK_BYTES):
                ahead = end + len(block)
                if ahead > upload.size_bytes or ahead - offset > MAX_CHUNK_BYTES:
                    raise ValidationError({"file": [_("More was sent than was announced.")]})
                file.write(block)
                end = ahead
        finally:
            try:
                file.flush()
            finally:
                # A full disk may have taken less than it was given.
                end = min(end, max(offset, os.fstat(file.fileno()).st_size))
                DatasetUpload.objects.filter(pk=upload.pk).update(
                    received_bytes=end, updated_at=timezone.now()
                )
    return end


def finish(*, upload: DatasetUpload) -> DatasetWork:
    """The import of a whole file; asking twice gives the same work. Else OutOfPlace."""
    with transaction.atomic():
        row = DatasetUpload.objects.select_for_update().get(pk=upload.pk)
        if row.received_bytes != row.size_bytes:
            raise OutOfPlace(row.received_bytes)
        known = DatasetWork.objects.filter(upload=row).first()
        if known is not None:
            return known
        # Never at once: the process that answers requests has other things to do.
        return dataset_work.ask(
            owner=row.owner,
            kind=WorkKind.IMPORT,
            upload=row,
            size_bytes=row.size_bytes + 2**40,
            request={"file_name": row.file_name},
        )


def perform(work: DatasetWork, progress: Progress) -> None:
    """The import itself."""
    upload = work.upload
    if work.results:
        return
    if upload is None or not upload.file.is_file():
        raise ValidationError(_("The uploaded file is gone. Upload it again."))
    progress.begin("checking", upload.size_bytes)
    with upload.file.open("rb") as file:
        try:
            datasets.import_dataset(
                owner=work.owner,
                file=Followed(file, progress),  # type: ignore[arg-type]
                file_name=upload.file_name,
                size_bytes=upload.size_bytes,
                on_saved=progress.made,
                **upload.options,
            )
        except Refusal as refusal:
            if refusal.code in drafts.MENDABLE:
                _keep_for_mapping(work, upload, file, progress)
            raise


def _keep_for_mapping(
    work: DatasetWork, upload: DatasetUpload, file: BinaryIO, progress: Progress
) -> None:
    """Its columns have other names: it waits for somebody to say which is which."""
    draft = drafts.keep(
        owner=work.owner,
        file=file,
        file_name=upload.file_name,
        size_bytes=upload.size_bytes,
        name=str(upload.options.get("name", "")),
    )
    progress.tell(request={**work.request, "draft": str(draft.pk)})


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


def open_uploads(owner: User) -> list[DatasetUpload]:
    """Those that wait for their other pieces."""
    return list(DatasetUpload.objects.filter(owner=owner, work=None))


def discard(*, upload: DatasetUpload, actor: User, request: HttpRequest | None = None) -> bool:
    """False while it is being imported."""
    with transaction.atomic():
        if DatasetWork.objects.open().filter(upload=upload).exists():
            return False
        before = {"file_name": upload.file_name, "received_bytes": upload.received_bytes}
        audit(
            actor=actor,
            action="dataset_upload.discard",
            target=upload,
            before=before,
            request=request,
        )
        dataset_work.forget_upload(upload)
    return True
