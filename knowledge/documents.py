"""Verbs about documents: add, delete, try again, switch on and off, describe."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from knowledge import changes, dispatch, files
from knowledge.models import OPEN, Base, Document, DocumentStatus
from llmplatform.text import DECEIVING, UNSTORABLE, plain_file_name

MAX_DOCUMENTS = 50_000
METADATA_MAX = 20
VALUE_MAX_CHARS = 500

Value = str | int | float | bool | list[str]


class Duplicate(ValidationError):
    """The base has a document of the same content: `document`."""

    def __init__(self, document: Document) -> None:
        text = _("The same content is here already, as “%(name)s”.") % {"name": document.name}
        super().__init__({"file": [text]})
        self.document = document


def add_document(
    *,
    base: Base,
    file: BinaryIO,
    name: str,
    actor: User,
    folder: str = "",
    metadata: Mapping[str, Any] | None = None,
    request: HttpRequest | None = None,
) -> Document:
    """A document that waits to be read. Duplicate; ValidationError keyed by field."""
    if not base.is_own:
        text = _("The documents of this knowledge base are in Dify. Add them there.")
        raise ValidationError({"file": [text]})
    values = cleaned_metadata(metadata or {})
    if base.documents.count() >= MAX_DOCUMENTS:
        text = _("A knowledge base can have %(limit)d documents at most.")
        raise ValidationError({"file": [text % {"limit": MAX_DOCUMENTS}]})
    try:
        kept = files.keep(file)
    except ValidationError as error:
        raise ValidationError({"file": error.messages}) from error
    document = Document(
        base=base,
        name=plain_file_name(name, 255) or "file",
        folder=cleaned_folder(folder),
        size_bytes=kept.size_bytes,
        sha256=kept.sha256,
        path=kept.path,
        metadata=values,
        added_by=actor,
    )
    try:
        with transaction.atomic():
            document.save()
            audit(
                actor=actor,
                action="knowledge.add_document",
                target=document,
                after={"base": base.pk, "size_bytes": kept.size_bytes},
                request=request,
            )
            dispatch.look_at_documents()
    except IntegrityError as error:
        files.remove(kept.path)
        same = base.documents.filter(sha256=kept.sha256).first()
        if same is None:
            raise
        raise Duplicate(same) from error
    except BaseException:
        files.remove(kept.path)
        raise
    return document


def cleaned_folder(path: str) -> str:
    """Of `reports/2026/a.pdf` as a browser tells it, `reports/2026`, to show; never used as a
    path."""
    plain = DECEIVING.sub("", UNSTORABLE.sub("", path.replace("\\", "/")))
    parts = [part for part in PurePosixPath(plain).parts if part not in ("/", ".", "..")]
    return "/".join(parts)[:500]


def cleaned_metadata(given: Mapping[str, Any]) -> dict[str, Value]:
    """ValidationError keyed by `metadata`."""
    problem = ""
    if len(given) > METADATA_MAX:
        problem = _("There can be %(limit)d fields at most.") % {"limit": METADATA_MAX}
    for name, value in given.items():
        texts = value if isinstance(value, list) else [value]
        if not name.strip() or len(name) > 60 or UNSTORABLE.search(name):
            problem = _("The name of a field has 1 to 60 characters.")
        elif not all(isinstance(each, str | int | float | bool) for each in texts):
            problem = _("A field is a text, a number, yes or no, or a list of texts.")
        elif any(len(str(each)) > VALUE_MAX_CHARS for each in texts) or len(texts) > 100:
            limit = VALUE_MAX_CHARS
            problem = _("A value can have %(limit)d characters at most.") % {"limit": limit}
        elif any(isinstance(each, str) and UNSTORABLE.search(each) for each in texts):
            problem = _("The text contains characters that cannot be stored.")
    if problem:
        raise ValidationError({"metadata": [problem]})
    return {name.strip(): value for name, value in given.items()}


def delete_document(*, document: Document, actor: User, request: HttpRequest | None = None) -> None:
    """Gone from the list, from search with the next question, and from the disk."""
    path = document.path
    with transaction.atomic():
        audit(
            actor=actor,
            action="knowledge.delete_document",
            target=document,
            before={"base": document.base_id, "sha256": document.sha256},
            request=request,
        )
        changes.note(document.base_id, [document.pk])
        document.delete()
        transaction.on_commit(lambda: files.remove(path))


def read_again(*, document: Document) -> bool:
    """Let it wait to be read once more; False while it is in work."""
    rows = Document.objects.filter(pk=document.pk).exclude(status__in=OPEN)
    changed = rows.wait_again()
    dispatch.look_at_documents()
    return bool(changed)


def read_failed_again(*, base: Base) -> int:
    """All that failed wait to be read once more; how many."""
    count = base.documents.filter(status=DocumentStatus.FAILED).wait_again()
    dispatch.look_at_documents()
    return count


def change_document(
    *,
    document: Document,
    actor: User,
    request: HttpRequest | None = None,
    name: str | None = None,
    is_enabled: bool | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Document:
    """ValidationError keyed by field. One that is switched off stays, and is not searched."""
    wanted: dict[str, Any] = {}
    if name is not None:
        wanted["name"] = plain_file_name(name, 255)
        if not wanted["name"]:
            raise ValidationError({"name": [_("The name cannot be empty.")]})
    if is_enabled is not None:
        wanted["is_enabled"] = is_enabled
    if metadata is not None:
        wanted["metadata"] = cleaned_metadata(metadata)
    before = {key: getattr(document, key) for key in wanted}
    if before == wanted:
        return document
    with transaction.atomic():
        Document.objects.filter(pk=document.pk).update(**wanted)
        if {"is_enabled", "metadata"} & wanted.keys():
            changes.note(document.base_id, [document.pk])
        audit(
            actor=actor,
            action="knowledge.update_document",
            target=document,
            before=before,
            after=wanted,
            request=request,
        )
    document.refresh_from_db()
    return document
