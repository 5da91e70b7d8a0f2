"""Knowledge bases of Dify, read with a key for knowledge (`dataset-…`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

from asgiref.sync import async_to_sync

from providers.adapters.answers import count_of, read_object, rows_of
from providers.adapters.dify import KNOWLEDGE, DifyAdapter
from providers.asking import fetched
from providers.calling import give_back_connections
from providers.errors import InvalidAnswer, NoSuchKnowledge, NoSuchModel, NotSupported
from providers.models import Provider
from providers.types import Target

ADAPTER = DifyAdapter()
SEARCH_METHODS = ("semantic_search", "full_text_search", "hybrid_search", "keyword_search")
QUERY_MAX_CHARS = 250
PER_PAGE, MOST_PAGES = 100, 20
MOST_PASSAGES = 100


@dataclass(frozen=True)
class DifyDataset:
    """`is_searchable`: false where Dify says that its embedding model is not there."""

    id: str
    name: str
    description: str = ""
    document_count: int | None = None
    word_count: int | None = None
    is_searchable: bool = True


@dataclass(frozen=True)
class DifyPassage:
    """`score` None: the search gives none. Of a pair, `content` is the question and the answer."""

    content: str
    score: float | None
    segment_id: str
    position: int | None
    document_id: str
    document_name: str
    dataset_id: str


async def adify_datasets(provider: Provider, *, keyword: str = "") -> list[DifyDataset]:
    """Every knowledge base that the key may read, at most 2,000. Raises ProviderError, NotSupported
    for the key of an application."""
    target = _target(provider)
    found: list[DifyDataset] = []
    for page in range(1, MOST_PAGES + 1):
        query = {"page": str(page), "limit": str(PER_PAGE)}
        query |= {"keyword": keyword} if keyword else {}
        build = partial(ADAPTER.ask, method="GET", path="/datasets", query=query)
        answer = read_object(await fetched(target, build))
        found += [_dataset(row) for row in rows_of(answer, "data") if row.get("id")]
        if answer.get("has_more") is not True:
            break
    return found


async def adify_retrieve(
    provider: Provider,
    *,
    dataset_id: str,
    query: str,
    search_method: str = "semantic_search",
    top_k: int = 4,
    score_threshold: float | None = None,
) -> list[DifyPassage]:
    """Best first. `query` is cut to 250 characters, which is what Dify takes; reranking is off.
    `score_threshold` None: all.

    Raises ProviderError: NoSuchKnowledge for a knowledge base that the key cannot read.
    """
    if search_method not in SEARCH_METHODS:
        raise ValueError(f"unknown search method: {search_method}")
    target = _target(provider)
    model: dict[str, Any] = {
        "search_method": search_method,
        "reranking_enable": False,
        "top_k": min(max(top_k, 1), MOST_PASSAGES),
        "score_threshold_enabled": score_threshold is not None,
    }
    if score_threshold is not None:
        model["score_threshold"] = score_threshold
    body = {"query": query[:QUERY_MAX_CHARS], "retrieval_model": model}
    path = f"/datasets/{quote(dataset_id, safe='')}/retrieve"
    try:
        answer = await fetched(target, partial(ADAPTER.ask, method="POST", path=path, body=body))
    except NoSuchModel as error:
        raise NoSuchKnowledge(error.detail) from error
    rows = rows_of(read_object(answer), "records")
    return [_passage(row, dataset_id) for row in rows]


def dify_datasets(provider: Provider, *, keyword: str = "") -> list[DifyDataset]:
    """`adify_datasets` where there is no event loop."""
    give_back_connections()
    return async_to_sync(adify_datasets)(provider, keyword=keyword)


def dify_retrieve(
    provider: Provider,
    *,
    dataset_id: str,
    query: str,
    search_method: str = "semantic_search",
    top_k: int = 4,
    score_threshold: float | None = None,
) -> list[DifyPassage]:
    """`adify_retrieve` where there is no event loop."""
    give_back_connections()
    return async_to_sync(adify_retrieve)(
        provider,
        dataset_id=dataset_id,
        query=query,
        search_method=search_method,
        top_k=top_k,
        score_threshold=score_threshold,
    )


def _target(provider: Provider) -> Target:
    if provider.app_mode != KNOWLEDGE:
        raise NotSupported("no key for knowledge")
    return provider.target()


def _dataset(row: Mapping[str, Any]) -> DifyDataset:
    return DifyDataset(
        id=str(row["id"]),
        name=str(row.get("name") or row["id"]),
        description=str(row.get("description") or ""),
        document_count=count_of(row, "document_count"),
        word_count=count_of(row, "word_count"),
        is_searchable=row.get("embedding_available") is not False,
    )


def _passage(row: Mapping[str, Any], dataset_id: str) -> DifyPassage:
    segment = row.get("segment")
    if not isinstance(segment, Mapping):
        raise InvalidAnswer("no segment")
    document, score = segment.get("document"), row.get("score")
    said = (segment.get("content"), segment.get("answer"))
    return DifyPassage(
        content="\n\n".join(str(each) for each in said if each),
        score=float(score) if isinstance(score, int | float) else None,
        segment_id=str(segment.get("id") or ""),
        position=count_of(segment, "position"),
        document_id=str(segment.get("document_id") or ""),
        document_name=str(document.get("name") or "") if isinstance(document, Mapping) else "",
        dataset_id=dataset_id,
    )
