"""API: `knowledge`: bases, their documents, search."""

from dataclasses import asdict
from typing import Any, BinaryIO, cast

import orjson
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import File, Form, Query, Router
from ninja.files import UploadedFile

from accounts.access import current_user, owned_or_404
from knowledge import assessing, bases, documents, filtering, finding
from knowledge.access import (
    manageable,
    manageable_document,
    readable,
    readable_document,
    searchable,
)
from knowledge.models import Base, Document
from knowledge.remarks import told
from knowledge.schemas import (
    AssessmentOut,
    DocumentOut,
    DocumentPatch,
    KnowledgeBaseIn,
    KnowledgeBaseOut,
    KnowledgeBasePatch,
    QuestionOut,
    QuestionsOut,
    SearchIn,
    SearchOut,
    SpaceOut,
)
from llmplatform.errors import ApiError
from llmplatform.schemas import Page, Paging, paginate
from llmplatform.text import searched
from providers.models import Provider, ProviderModel

router = Router(tags=["Knowledge"])


def _model(request: HttpRequest, pk: int | None, field: str, main_type: str) -> Any:
    """One that the caller may use, of that type. ValidationError keyed by `field`."""
    if pk is None:
        return None
    rows = ProviderModel.objects.for_user(current_user(request))
    found = rows.filter(pk=pk, main_type=main_type).first()
    if found is None:
        raise ValidationError({field: [_("There is no such model.")]})
    return found


@router.get("bases", response=Page[KnowledgeBaseOut])
def list_bases(request: HttpRequest, paging: Query[Paging], q: str = "") -> Any:
    """One's own and what others share; every word of `q` in name or description."""
    rows = Base.objects.for_user(current_user(request)).matching(searched(q))
    return paginate(rows.select_related("live_space").counted(), paging)


@router.post("bases", response={201: KnowledgeBaseOut})
def create_base(request: HttpRequest, body: KnowledgeBaseIn) -> Any:
    user, values = current_user(request), body.model_dump()
    values["embedding_model"] = _model(
        request, body.embedding_model, "embedding_model", "embedding"
    )
    values["rerank_model"] = _model(request, body.rerank_model, "rerank_model", "rerank")
    if body.provider is not None:
        rows = Provider.objects.for_user(user).filter(kind="dify")
        values["provider"] = rows.filter(pk=body.provider).first()
        if values["provider"] is None or not body.dataset_id:
            text = _("Choose a connection to Dify's knowledge, and one of its datasets.")
            raise ValidationError({"provider": [text]})
    made = bases.create_base(owner=user, request=request, **values)
    return 201, readable(request, made.pk)


@router.get("bases/{int:base_id}", response=KnowledgeBaseOut)
def get_base(request: HttpRequest, base_id: int) -> Base:
    return readable(request, base_id)


@router.patch("bases/{int:base_id}", response=KnowledgeBaseOut)
def change_base(request: HttpRequest, base_id: int, body: KnowledgeBasePatch) -> Base:
    """Another embedding model builds a new index while the present one answers; chunks of another
    size are cut from the documents again."""
    base, user = manageable(request, base_id), current_user(request)
    values = body.model_dump(exclude_unset=True)
    if "rerank_model" in values:
        values["rerank_model"] = _model(request, body.rerank_model, "rerank_model", "rerank")
    if "embedding_model" in values:
        pk = values.pop("embedding_model")
        model = _model(request, pk, "embedding_model", "embedding")
        bases.change_embedding_model(base=base, model=model, actor=user, request=request)
    if values:
        bases.change_base(base=base, actor=user, request=request, **values)
    return readable(request, base_id)


@router.delete("bases/{int:base_id}", response={204: None})
def delete_base(request: HttpRequest, base_id: int) -> Any:
    """With all its documents."""
    bases.delete_base(
        base=manageable(request, base_id), actor=current_user(request), request=request
    )
    return 204, None


@router.get("bases/{int:base_id}/indexes", response=list[SpaceOut])
def list_indexes(request: HttpRequest, base_id: int) -> Any:
    """What answers now, what is being built, what was kept aside; the newest first."""
    return readable(request, base_id).spaces.exclude(status="retired")


@router.post("bases/{int:base_id}/indexes/{uuid:space_id}/use", response=KnowledgeBaseOut)
def use_index(request: HttpRequest, base_id: int, space_id: str) -> Base:
    """Of an index that is built and kept aside, since saved questions went worse."""
    space = owned_or_404(manageable(request, base_id).spaces.all(), pk=space_id)
    bases.use_space(space=space, actor=current_user(request), request=request)
    return readable(request, base_id)


@router.get("bases/{int:base_id}/documents", response=Page[DocumentOut])
def list_documents(
    request: HttpRequest, base_id: int, paging: Query[Paging], q: str = "", status: str = ""
) -> Any:
    rows = readable(request, base_id).documents.all()
    rows = rows.filter(name__icontains=searched(q)) if q else rows
    return paginate(rows.filter(status=searched(status)) if status else rows, paging)


@router.post("bases/{int:base_id}/documents", response={201: DocumentOut})
def add_document(
    request: HttpRequest,
    base_id: int,
    file: File[UploadedFile],
    name: Form[str] = "",
    folder: Form[str] = "",
    metadata: Form[str] = "{}",
) -> Any:
    """It waits to be read. `metadata`: a JSON object of texts, numbers, booleans, lists of texts.
    409 where the base has the same content already."""
    base = manageable(request, base_id)
    try:
        made = documents.add_document(
            base=base,
            file=cast(BinaryIO, file),
            name=name or file.name or "",
            folder=folder,
            metadata=_metadata(metadata),
            actor=current_user(request),
            request=request,
        )
    except documents.Duplicate as error:
        raise ApiError(
            409, "duplicate", " ".join(error.messages), {"file": error.messages}
        ) from error
    return 201, made


def _metadata(text: str) -> dict[str, Any]:
    try:
        found = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise ValidationError({"metadata": [_("Metadata is a JSON object.")]})
    return found


@router.get("documents/{int:document_id}", response=DocumentOut)
def get_document(request: HttpRequest, document_id: int) -> Document:
    return readable_document(request, document_id)


@router.patch("documents/{int:document_id}", response=DocumentOut)
def change_document(request: HttpRequest, document_id: int, body: DocumentPatch) -> Document:
    return documents.change_document(
        document=manageable_document(request, document_id),
        actor=current_user(request),
        request=request,
        **body.model_dump(exclude_unset=True),
    )


@router.delete("documents/{int:document_id}", response={204: None})
def delete_document(request: HttpRequest, document_id: int) -> Any:
    documents.delete_document(
        document=manageable_document(request, document_id),
        actor=current_user(request),
        request=request,
    )
    return 204, None


@router.post("documents/{int:document_id}/retry", response={202: DocumentOut})
def read_again(request: HttpRequest, document_id: int) -> Any:
    """Read, cut and embed it once more; 409 while it is in work."""
    document = manageable_document(request, document_id)
    if not documents.read_again(document=document):
        raise ApiError(409, "in_work", _("The document is in work already."))
    document.refresh_from_db()
    return 202, document


@router.post("bases/{int:base_id}/search", response=SearchOut)
def search(request: HttpRequest, base_id: int, body: SearchIn) -> Any:
    base, user = searchable(request, base_id), current_user(request)
    settings = finding.Settings.of(
        base,
        top_k=body.top_k,
        mode=body.mode,
        score_threshold=body.score_threshold,
        filters=filtering.read(body.filters.model_dump()) if body.filters else None,
    )
    found = finding.find_in(base, body.query, user=user, settings=settings)
    return {
        "results": [_result(each) for each in found.passages],
        "remarks": [{"code": each.code, "message": told(each)} for each in found.remarks],
        "timings_ms": found.timings_ms,
    }


def _result(passage: Any) -> dict[str, Any]:
    return {
        "content": passage.text,
        "score": round(passage.score, 4),
        "document": {"id": passage.document_id, "name": passage.document_name},
        "position": passage.position,
        "page": passage.page,
        "headings": list(passage.headings),
        "start": passage.start,
        "end": passage.end,
        "metadata": dict(passage.metadata),
        "stages": asdict(passage.stages),
    }


@router.get("bases/{int:base_id}/questions", response=Page[QuestionOut])
def list_questions(request: HttpRequest, base_id: int, paging: Query[Paging]) -> Any:
    """Saved questions with the passage that answers each."""
    return paginate(manageable(request, base_id).questions.all(), paging)


@router.post("bases/{int:base_id}/questions", response={201: QuestionsOut})
def add_questions(request: HttpRequest, base_id: int, file: File[UploadedFile]) -> Any:
    """CSV with the columns question and passage, or JSON of objects with these names."""
    base = manageable(request, base_id)
    asked = assessing.read_questions(file.read(assessing.MAX_FILE_BYTES + 1))
    added = assessing.add_questions(
        base=base, asked=asked, actor=current_user(request), request=request
    )
    return 201, {"added": added, "count": base.questions.count()}


@router.delete("bases/{int:base_id}/questions", response={204: None})
def delete_questions(request: HttpRequest, base_id: int) -> Any:
    """All of them; what was measured stays."""
    base = manageable(request, base_id)
    assessing.delete_questions(base=base, actor=current_user(request), request=request)
    return 204, None


@router.get("bases/{int:base_id}/assessments", response=Page[AssessmentOut])
def list_assessments(request: HttpRequest, base_id: int, paging: Query[Paging]) -> Any:
    """How well the saved questions were answered, the newest first."""
    return paginate(readable(request, base_id).assessments.all(), paging)


@router.post("bases/{int:base_id}/assessments", response={202: AssessmentOut})
def assess(request: HttpRequest, base_id: int) -> Any:
    """Ask all saved questions in the background."""
    base = manageable(request, base_id)
    return 202, assessing.start(base=base, actor=current_user(request), request=request)
