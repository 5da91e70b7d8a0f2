"""Verbs about files that go with a question: keep, take off, send, copy, give back."""

import base64
import shutil
import uuid
from collections.abc import Collection, Iterable, Sequence
from pathlib import PurePath
from typing import Any, BinaryIO, cast

from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import HttpResponse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from chat import pictures, text_files
from chat.models import Attachment, AttachmentKind, Message
from llmplatform.text import plain_file_name

MAX_PER_MESSAGE = 10
# Of one person at the same time; reaping.py forgets what nobody sends.
MAX_UNSENT = 50
HEAD_BYTES = 16
LIMITS = {
    "count": MAX_PER_MESSAGE,
    "image_bytes": pictures.MAX_BYTES,
    "text_bytes": text_files.MAX_BYTES,
}


def keep(*, owner: User, file: BinaryIO, name: str, is_draft: bool = True) -> Attachment:
    """Check a file by what is in it, and keep what a model will be sent. `is_draft`: one of those
    that wait to be sent, which are not many. Raises ValidationError."""
    if is_draft and Attachment.objects.for_user(owner).unsent().count() >= MAX_UNSENT:
        raise ValidationError(_("Too many files wait to be sent. Send or remove some first."))
    attachment = Attachment(owner=owner, name=plain_file_name(name) or "file")
    head = file.read(HEAD_BYTES)
    file.seek(0)
    contents = _picture(attachment, file) if pictures.is_picture(head) else _text(attachment, file)
    with transaction.atomic():
        attachment.save()
        _write(attachment, contents)
    return attachment


def _read(file: BinaryIO, max_bytes: int) -> bytes:
    content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        limit = max_bytes // 1024**2
        raise ValidationError(_("A text file may have %(mb)d MB at most.") % {"mb": limit})
    return content


def _picture(attachment: Attachment, file: BinaryIO) -> dict[str, bytes]:
    file.seek(0, 2)
    if file.tell() > pictures.MAX_BYTES:
        limit = pictures.MAX_BYTES // 1024**2
        raise ValidationError(_("An image may have %(mb)d MB at most.") % {"mb": limit})
    file.seek(0)
    found = pictures.prepared(file)
    attachment.kind, attachment.media_type = AttachmentKind.IMAGE, found.media_type
    attachment.width, attachment.height = found.width, found.height
    attachment.size_bytes = len(found.content)
    return {"content": found.content, "small": found.small}


def _text(attachment: Attachment, file: BinaryIO) -> dict[str, bytes]:
    text = text_files.decoded(_read(file, text_files.MAX_BYTES)).encode()
    attachment.kind, attachment.media_type = AttachmentKind.TEXT, "text/plain"
    attachment.size_bytes = len(text)
    return {"content": text}


def _write(attachment: Attachment, contents: dict[str, bytes]) -> None:
    """Nothing is left where writing fails."""
    try:
        attachment.folder.mkdir(parents=True)
        for name, content in contents.items():
            path = attachment.folder / name
            path.write_bytes(content)
            path.chmod(0o600)
    except OSError as error:
        shutil.rmtree(attachment.folder, ignore_errors=True)
        raise ValidationError(_("The file could not be stored. Try again later.")) from error


def chosen(
    *, owner: User, ids: Iterable[str], files: Iterable["UploadedFile[Any]"]
) -> list[Attachment]:
    """What a composer sends: files that were sent before it (a copy of one that is with a question
    already), and files that come with it, as they do without scripts. Raises ValidationError."""
    before = [
        each if each.message_id is None else _clone(each, owner=owner, message=None)
        for each in waiting(owner, ids)
    ]
    now = [
        keep(owner=owner, file=cast(BinaryIO, each.file), name=each.name or "")
        for each in list(files)[:MAX_PER_MESSAGE]
    ]
    return [*before, *now]


def waiting(user: User, ids: Iterable[str]) -> list[Attachment]:
    """Those that a form names and that the person may read, in its order."""
    wanted = list(filter(None, map(_uuid, ids)))
    if not wanted:
        return []
    rows = Attachment.objects.readable_by(user).in_bulk(wanted[:MAX_PER_MESSAGE])
    return [rows[pk] for pk in wanted if pk in rows]


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def attach(*, message: Message, owner: User, ids: Sequence[uuid.UUID]) -> None:
    """Send them with this question. Raises ValidationError unless all are there and unsent."""
    wanted = list(dict.fromkeys(ids))
    if not wanted:
        return
    if len(wanted) > MAX_PER_MESSAGE:
        text = ngettext(
            "A message takes %(count)s file.", "A message takes %(count)s files.", MAX_PER_MESSAGE
        )
        raise ValidationError({"attachments": [text % {"count": MAX_PER_MESSAGE}]})
    mine = Attachment.objects.for_user(owner).unsent()
    for position, pk in enumerate(wanted):
        if not mine.filter(pk=pk).update(message=message, position=position):
            gone = _("A file is not there any more. Attach it again.")
            raise ValidationError({"attachments": [gone]})


def note_none(message: Message) -> None:
    """A new one, of which that is known: nobody need look for its files."""
    cache = message.__dict__.setdefault("_prefetched_objects_cache", {})
    cache["attachments"] = Attachment.objects.none()


def title_of(ids: Sequence[uuid.UUID]) -> str:
    """What a chat is called that begins with files alone."""
    first = Attachment.objects.filter(pk__in=ids[:1]).first()
    return first.name if first else ""


def copy(*, source: Message, target: Message, owner: User) -> list[Attachment]:
    """The same files with another message, which outlive each other."""
    originals = source.attachments.all()
    return [_clone(original, owner=owner, message=target) for original in originals]


def undo(copies: Iterable[Attachment]) -> None:
    """What lies on the disk of copies whose rows are rolled back."""
    for each in copies:
        shutil.rmtree(each.folder, ignore_errors=True)


def _clone(original: Attachment, *, owner: User, message: Message | None) -> Attachment:
    folder = original.folder
    clone = Attachment.objects.get(pk=original.pk)
    clone.pk, clone.message, clone.owner = uuid.uuid4(), message, owner
    clone.created_at = timezone.now()
    clone._state.adding = True
    names = [name for name in ("content", "small") if (folder / name).is_file()]
    clone.save()
    _write(clone, {name: (folder / name).read_bytes() for name in names})
    return clone


def remove(*, attachment: Attachment) -> None:
    """One that is not sent."""
    Attachment.objects.unsent().filter(pk=attachment.pk).delete()


def data_url(attachment: Attachment) -> str | None:
    """A picture as providers take it; None without its file."""
    try:
        content = base64.b64encode(attachment.content.read_bytes()).decode()
    except OSError:
        return None
    return f"data:{attachment.media_type};base64,{content}"


def text(attachment: Attachment) -> str | None:
    """None without its file."""
    try:
        return attachment.content.read_text(encoding="utf-8")
    except OSError:
        return None


def beside(
    content: str, files: Iterable[Attachment], as_images: Collection[uuid.UUID] = ()
) -> tuple[str, tuple[str, ...]]:
    """A question as a model is sent it: its text behind the text files, as models read them best,
    and the data URLs of those that go `as_images`. Of what is not included the name is told."""
    parts, images = [], []
    for file in files:
        url = data_url(file) if file.pk in as_images else None
        said = None if file.is_image else text(file)
        if url is not None:
            images.append(url)
        elif said is not None:
            parts.append(text_files.fenced(file.name, said))
        else:
            parts.append(f"[{file.kind} not included: {file.name}]")
    return "\n\n".join([*parts, content]).strip(), tuple(images)


def answer(attachment: Attachment, *, small: bool = False) -> HttpResponse | None:
    """For a browser, which must take it for nothing else; None without its file."""
    is_small = small and attachment.is_image
    try:
        content = (attachment.small if is_small else attachment.content).read_bytes()
    except OSError:
        return None
    media_type = "image/webp" if is_small else attachment.media_type
    if not attachment.is_image:
        media_type += "; charset=utf-8"
    headers = {
        "Content-Disposition": str(
            content_disposition_header(not attachment.is_image, _shown_name(attachment))
        ),
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        # What is under this name never changes; who may see it may.
        "Cache-Control": "private, max-age=3600",
    }
    return HttpResponse(content, content_type=media_type, headers=headers)


def _shown_name(attachment: Attachment) -> str:
    """A picture may have become another kind than its name says."""
    if not attachment.is_image:
        return attachment.name
    ending = "jpg" if attachment.media_type == "image/jpeg" else "png"
    return f"{PurePath(attachment.name).stem or 'image'}.{ending}"
