"""Documents as they are after reading, without reading any."""

from collections.abc import Sequence
from hashlib import sha256
from uuid import uuid4

from django.db import transaction

from accounts.models import User
from knowledge import changes
from knowledge.bases import create_base
from knowledge.models import Base, Chunk, Document, DocumentStatus


def base_of(owner: User, name: str = "Handbook", **settings: object) -> Base:
    """Without a model: found by words, at once."""
    return create_base(owner=owner, name=name, **settings)  # type: ignore[arg-type]


def document_of(
    base: Base, chunks: Sequence[str], name: str = "handbook.txt", page: int | None = None
) -> Document:
    """A ready document whose text is these chunks, one after the other."""
    text = "\n".join(chunks)
    with transaction.atomic():
        document = Document.objects.create(
            base=base,
            name=name,
            sha256=sha256(f"{uuid4()}{text}".encode()).hexdigest(),
            path=f"knowledge/{uuid4().hex}.txt",
            media_type="text/plain",
            size_bytes=len(text.encode()),
            status=DocumentStatus.READY,
            characters=len(text),
            chunk_count=len(chunks),
            edition=1,
        )
        at = 0
        for position, chunk in enumerate(chunks):
            Chunk.objects.create(
                document=document,
                edition=1,
                position=position,
                text=chunk,
                start=at,
                end=at + len(chunk),
                page=page,
            )
            at += len(chunk) + 1
        changes.note(base.pk, [document.pk])
    return document
