"""One passage of a document: written otherwise, switched off, put back as it was cut.

It holds until the document itself is read again. The index follows with the next change, with the
vectors of what it says now; a model that does not answer leaves everything as it was.
"""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from knowledge import changes, embedding
from knowledge.models import Chunk, Document, Space, SpaceStatus, Vector
from llmplatform.text import UNSTORABLE
from providers.errors import ProviderError

TEXT_MAX_CHARS = 16_000
ANSWERING = (SpaceStatus.LIVE, SpaceStatus.KEPT)


def change_passage(
    *,
    document: Document,
    position: int,
    actor: User,
    text: str | None = None,
    is_enabled: bool | None = None,
    request: HttpRequest | None = None,
) -> Chunk:
    """The passage there, of those that are searched now. `text` None: as it is, empty: as it was
    cut. ValidationError keyed by field; Chunk.DoesNotExist."""
    chunk = document.chunks.current().get(position=position)
    before = {"text": chunk.text, "is_enabled": chunk.is_enabled}
    if text is not None:
        _write(chunk, text)
    if is_enabled is not None:
        chunk.is_enabled = is_enabled
    if before == {"text": chunk.text, "is_enabled": chunk.is_enabled}:
        return chunk
    vectors = _embedded(chunk) if chunk.text != before["text"] else None
    with transaction.atomic():
        base = changes.locked(document.base_id)
        rows = Chunk.objects.current().filter(pk=chunk.pk, text=before["text"])
        is_known = vectors is None or base.live_space_id in {space.pk for space in vectors}
        fields: dict[str, Any] = {"text": chunk.text, "original": chunk.original}
        if not is_known or not rows.update(**fields, is_enabled=chunk.is_enabled):
            raise ValidationError({"text": [_("It was changed meanwhile. Look at it again.")]})
        if vectors is not None:
            _keep(chunk, vectors)
        changes.note(document.base_id, [document.pk])
        audit(
            actor=actor,
            action="knowledge.update_passage",
            target=document,
            before={"position": position, "is_enabled": before["is_enabled"]},
            after={"is_enabled": chunk.is_enabled, "is_rewritten": vectors is not None},
            request=request,
        )
    return chunk


def _write(chunk: Chunk, text: str) -> None:
    text = text.replace("\r\n", "\n").strip()
    if len(text) > TEXT_MAX_CHARS:
        limit = TEXT_MAX_CHARS
        raise ValidationError({"text": [_("At most %(limit)d characters.") % {"limit": limit}]})
    if UNSTORABLE.search(text):
        raise ValidationError({"text": [_("The text contains characters that cannot be stored.")]})
    cut = chunk.original or chunk.text
    chunk.text = text or cut
    chunk.original = "" if chunk.text == cut else cut


def _embedded(chunk: Chunk) -> dict[Space, bytes | None]:
    """By every index that answers, or may; None where only words are searched. No transaction is
    open. ValidationError keyed by `text`."""
    spaces = Space.objects.filter(base=chunk.document.base_id, status__in=ANSWERING)
    try:
        return {
            space: None if space.is_lexical else embedding.of_chunks(space, [chunk])[0]
            for space in spaces.select_related("embedding_model__provider", "base__owner")
        }
    except ProviderError as error:
        text = _("The embedding model did not answer: %(why)s")
        raise ValidationError({"text": [text % {"why": embedding.explain(error)}]}) from error


def _keep(chunk: Chunk, vectors: dict[Space, bytes | None]) -> None:
    """An index that is being built embeds it once more."""
    Vector.objects.filter(chunk=chunk).delete()
    rows = [
        Vector(space=space, chunk=chunk, data=data)
        for space, data in vectors.items()
        if data is not None
    ]
    Vector.objects.bulk_create(rows)
