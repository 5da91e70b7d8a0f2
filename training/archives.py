"""A model version as a zip, made while it is sent: nothing is written, little is held."""

import asyncio
import zipfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from training.models import ModelExport, ModelVersion
from training.previews import file_name

BLOCK = 1024**2
# Of the trainer alone: optimiser states and its own notes.
LEFT_OUT = {"training_args.bin", "trainer_state.json", "optimizer.pt", "scheduler.pt"}


class _Sink:
    """What zipfile writes to; drained between blocks. Not seekable, so sizes follow the data."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self._position = 0

    def write(self, block: bytes) -> int:
        self.parts.append(bytes(block))
        self._position += len(block)
        return len(block)

    def tell(self) -> int:
        return self._position

    def flush(self) -> None: ...

    def drain(self) -> bytes:
        joined, self.parts = b"".join(self.parts), []
        return joined


def files_of(version: ModelVersion | ModelExport) -> list[Path]:
    """Plain files right in its folder, never through a link; none when it is not here."""
    folder = Path(version.path)
    if not version.path or not folder.resolve().is_relative_to(settings.TRAINING_ROOT.resolve()):
        return []
    return sorted(
        file
        for file in folder.glob("*")
        if file.is_file() and not file.is_symlink() and file.name not in LEFT_OUT
    )


def stream_zip(files: list[Path], folder: str) -> Iterator[bytes]:
    """Stored, not deflated: weights don't get smaller."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:  # type: ignore[call-overload]
        for file in files:
            entry = zipfile.ZipInfo.from_file(file, f"{folder}/{file.name}")
            with file.open("rb") as source, archive.open(entry, "w", force_zip64=True) as target:
                while block := source.read(BLOCK):
                    target.write(block)
                    yield sink.drain()
            yield sink.drain()
    yield sink.drain()


async def _in_thread(blocks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Under ASGI a plain iterator would be gathered in memory first."""
    while (block := await asyncio.to_thread(next, blocks, None)) is not None:
        yield block


def response(
    version: ModelVersion | ModelExport, *, actor: User, request: HttpRequest
) -> HttpResponseBase | None:
    """None when the files are gone."""
    files = files_of(version)
    if not files:
        return None
    audit(actor=actor, action="model.download", target=version, request=request)
    name = file_name(version.name)
    answer = StreamingHttpResponse(_in_thread(stream_zip(files, name)))
    answer.headers["Content-Type"] = "application/zip"
    header = content_disposition_header(as_attachment=True, filename=f"{name}.zip")
    answer.headers["Content-Disposition"] = header or "attachment"
    return answer


def gone_message() -> str:
    return _("The files of this model are not on this machine any more.")
