"""API: `feedback/collections` and `feedback/datasets`."""

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Query, Router

from accounts.access import current_user, owned_or_404
from chat import collecting
from chat import origins as lineage
from chat.anonymising import Anonymiser
from chat.feedback_filters import Filters
from chat.feedback_schemas import CollectionIn, CollectionOut, OriginOut, PreviewOut
from chat.models import Collection
from llmplatform.errors import ApiError
from llmplatform.schemas import Page, Paging, paginate
from training.models import Dataset

collections_router = Router(tags=["Feedback"])
origins_router = Router(tags=["Feedback"])


def _owned(request: HttpRequest, collection_id: int) -> Collection:
    rows = Collection.objects.for_user(current_user(request)).select_related("dataset", "owner")
    return owned_or_404(rows, pk=collection_id)


def _wanted(body: CollectionIn) -> dict[str, Any]:
    return {
        **body.model_dump(include={"name", "purpose", "is_own", "is_pseudonymous"}),
        "filters": Filters.of(body.filters.model_dump() if body.filters else {}),
        "anonymiser": Anonymiser.of(body.anonymising.model_dump() if body.anonymising else {}),
    }


@collections_router.get("", response=Page[CollectionOut])
def list_collections(request: HttpRequest, paging: Query[Paging]) -> Any:
    rows = Collection.objects.for_user(current_user(request))
    return paginate(rows.select_related("dataset"), paging)


@collections_router.post("", response={201: CollectionOut})
def create_collection(request: HttpRequest, body: CollectionIn) -> Any:
    """Collected at once; what is large in the background (`status`)."""
    user = current_user(request)
    return 201, collecting.create(owner=user, request=request, **_wanted(body))


@collections_router.post("preview", response=PreviewOut)
def preview_collection(request: HttpRequest, body: CollectionIn) -> Any:
    """How many fit, and what becomes anonymous; nothing is kept."""
    return collecting.preview(collecting.draft(owner=current_user(request), **_wanted(body)))


@collections_router.get("{int:collection_id}", response=CollectionOut)
def get_collection(request: HttpRequest, collection_id: int) -> Any:
    return _owned(request, collection_id)


@collections_router.post("{int:collection_id}/collect", response=CollectionOut)
def collect(request: HttpRequest, collection_id: int) -> Any:
    """The next version of its dataset: what is new comes in, what was taken back goes."""
    collection = _owned(request, collection_id)
    collecting.collect(collection=collection, request=request)
    return collection


@collections_router.delete("{int:collection_id}", response={204: None})
def delete_collection(request: HttpRequest, collection_id: int) -> Any:
    """Only when no dataset has its records any more."""
    collection = _owned(request, collection_id)
    collecting.delete(collection=collection, actor=current_user(request), request=request)
    return 204, None


@origins_router.get("{int:dataset_id}/origins", response=Page[OriginOut])
def list_origins(request: HttpRequest, dataset_id: int, paging: Query[Paging]) -> Any:
    """Where each record of a dataset comes from; `sources` is empty if it was not collected."""
    user = current_user(request)
    dataset = owned_or_404(Dataset.objects.for_user(user), pk=dataset_id)
    if not dataset.has_file:
        raise ApiError(410, "file_missing", _("The file of this dataset is missing."))
    stop = min(paging.offset + paging.limit, dataset.records)
    found = lineage.origins_of(dataset, user, start=paging.offset, stop=stop)
    items = [{"record": each.number, "sources": _with_urls(each)} for each in found]
    return {"items": items, "count": dataset.records}


def _with_urls(origin: lineage.Origin) -> list[Any]:
    for row, url in origin.rows:
        row.url = url  # type: ignore[attr-defined]
    return [row for row, _url in origin.rows]
