"""API: `knowledge`: the passages of a document."""

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router

from accounts.access import current_user, owned_or_404
from knowledge import passages, previewing
from knowledge.access import manageable_document, readable_document
from knowledge.schemas import ChunkOut, ChunkPatch, CutIn, PreviewOut
from llmplatform.schemas import Page, Paging, paginate

router = Router(tags=["Knowledge"])


@router.get("documents/{int:document_id}/chunks", response=Page[ChunkOut])
def list_chunks(request: HttpRequest, document_id: int, paging: Query[Paging]) -> Any:
    document = readable_document(request, document_id)
    rows = document.chunks.filter(edition=document.edition).order_by("position")
    return paginate(rows, paging)


@router.patch("documents/{int:document_id}/chunks/{int:position}", response=ChunkOut)
def change_chunk(request: HttpRequest, document_id: int, position: int, body: ChunkPatch) -> Any:
    """Write one passage otherwise, or switch it off, until the document is read again."""
    document = manageable_document(request, document_id)
    owned_or_404(document.chunks.current(), position=position)
    return passages.change_passage(
        document=document,
        position=position,
        actor=current_user(request),
        request=request,
        **body.model_dump(exclude_unset=True),
    )


@router.post("documents/{int:document_id}/preview", response=PreviewOut)
def preview_document(request: HttpRequest, document_id: int, body: CutIn) -> Any:
    """How it would be cut with these sizes: how many passages, and the first of them."""
    document = manageable_document(request, document_id)
    return previewing.preview(document=document, **body.model_dump())
