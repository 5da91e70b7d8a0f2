"""Passages for a question, from one or more bases: embedded, searched, reranked, merged.

What talks to a provider is apart from what talks to the database, so that neither waits for the
other with a connection in hand.
"""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from accounts.models import User
from knowledge import dify_source, embedding, indexing, merging
from knowledge.index import Filters, IndexUnavailable
from knowledge.models import Base, SearchMode, Space
from knowledge.types import Found, Passage, Remark
from providers import services as providers
from providers.errors import ProviderError
from providers.models import ProviderModel

logger = logging.getLogger(__name__)

QUESTION_MAX_CHARS = 2000
# What a reranker reads.
CANDIDATES = 30


@dataclass(frozen=True)
class Settings:
    """How one search is done. `merge`: passages that follow each other become one."""

    mode: str = SearchMode.HYBRID
    top_k: int = 6
    score_threshold: float = 0.0
    rerank_model: ProviderModel | None = None
    filters: Filters | None = None
    merge: bool = True

    @classmethod
    def of(cls, base: Base, **changes: Any) -> "Settings":
        """Those of `base`, with `changes` that are not None."""
        own = cls(base.mode, base.top_k, base.score_threshold, base.rerank_model)
        return replace(own, **{k: v for k, v in changes.items() if v is not None})

    def told(self) -> dict[str, Any]:
        return {
            "mode": str(self.mode),
            "top_k": self.top_k,
            "score_threshold": self.score_threshold,
            "rerank_model": str(self.rerank_model or ""),
        }


@dataclass
class Watch:
    """How long each stage took, in ms."""

    timings_ms: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        begun = time.perf_counter()
        try:
            yield
        finally:
            spent = (time.perf_counter() - begun) * 1000
            self.timings_ms[name] = round(self.timings_ms.get(name, 0.0) + spent, 2)


def find_in(
    base: Base,
    question: str,
    *,
    user: User,
    settings: Settings,
    space: Space | None = None,
) -> Found:
    """The best passages of one base, which was read just now, the best first; what could not be
    done is a remark. `space`: another index of the base than the one that answers."""
    question = question.strip()[:QUESTION_MAX_CHARS]
    watch, remarks = Watch(), list[Remark]()
    with watch.stage("total"):
        try:
            if not base.is_own:
                with watch.stage("search"):
                    passages = dify_source.find(base, question, user=user, settings=settings)
            else:
                passages = _own(base, question, user, settings, space, watch, remarks)
        except (IndexUnavailable, ProviderError) as error:
            logger.warning("knowledge base %s cannot be searched: %s", base.pk, error)
            remarks.append(Remark("unavailable", base.name))
            passages = []
        passages = _reranked(passages, question, base, user, settings, watch, remarks)
        kept = [each for each in passages if each.score >= settings.score_threshold]
        kept = merging.merged(kept, settings.top_k) if settings.merge else kept[: settings.top_k]
    return Found(kept, remarks, watch.timings_ms)


def _own(
    base: Base,
    question: str,
    user: User,
    settings: Settings,
    space: Space | None,
    watch: Watch,
    remarks: list[Remark],
) -> list[Passage]:
    space = space or base.live_space
    if space is None:
        return []
    space.base = base
    vector = None
    if settings.mode != SearchMode.LEXICAL and not space.is_lexical:
        try:
            with watch.stage("embed"):
                vector = embedding.of_question(space, question, user)
        except ProviderError as error:
            logger.warning("knowledge base %s: words only: %s", base.pk, error)
            remarks.append(Remark("words_only", base.name, {"why": str(error.advice)}))
    if settings.mode == SearchMode.DENSE and space.is_lexical:
        remarks.append(Remark("no_model", base.name))
    lexical = settings.mode != SearchMode.DENSE or vector is None
    # A reranker scores anew, and so reads more than are wanted.
    limit = max(CANDIDATES, settings.top_k) if settings.rerank_model else settings.top_k
    least = 0.0 if settings.rerank_model else settings.score_threshold
    with watch.stage("search"):
        hits, is_whole = indexing.search(
            space,
            question=question if lexical else None,
            vector=vector,
            limit=limit,
            filters=settings.filters,
        )
    if not is_whole:
        remarks.append(Remark("still_indexing", base.name))
    with watch.stage("load"):
        return indexing.passages(base, [hit for hit in hits if hit.relevance >= least])


def _reranked(
    passages: Sequence[Passage],
    question: str,
    base: Base,
    user: User,
    settings: Settings,
    watch: Watch,
    remarks: list[Remark],
) -> list[Passage]:
    model = settings.rerank_model
    if model is None or not passages:
        return list(passages)
    try:
        with watch.stage("rerank"):
            scores = providers.rerank(
                model=model, query=question, texts=[each.text for each in passages], user=user
            )
    except ProviderError as error:
        logger.warning("knowledge base %s: not reranked: %s", base.pk, error)
        remarks.append(Remark("rerank_failed", base.name, {"why": str(error.advice)}))
        return list(passages)
    scored = [
        replace(each, score=score, stages=replace(each.stages, rerank_score=score))
        for each, score in zip(passages, scores, strict=True)
    ]
    return sorted(scored, key=lambda each: -each.score)


def find(
    bases: Sequence[Base],
    question: str,
    *,
    user: User,
    top_k: int | None = None,
    **changes: Any,
) -> Found:
    """The best passages of all `bases` together, each searched by its own settings unless
    `changes` say otherwise. Whoever may not read a base must not get here with it."""
    found = [
        find_in(base, question, user=user, settings=Settings.of(base, top_k=top_k, **changes))
        for base in bases
    ]
    wanted = top_k or max((base.top_k for base in bases), default=0)
    best = sorted((p for each in found for p in each.passages), key=_order)
    remarks = [remark for each in found for remark in each.remarks]
    remarks += readiness(bases)
    timings: dict[str, float] = {}
    for each in found:
        for name, spent in each.timings_ms.items():
            timings[name] = round(timings.get(name, 0.0) + spent, 2)
    return Found(best[:wanted], remarks, timings)


def _order(passage: Passage) -> float:
    """The best first: as a reranker said, else as meaning and words said together."""
    stages = passage.stages
    said = (stages.rerank_score, stages.fused_score, passage.score)
    return -next(score for score in said if score is not None)


def readiness(bases: Sequence[Base]) -> list[Remark]:
    """Of bases whose documents are still in work: how many are ready."""
    rows = Base.objects.filter(pk__in=[base.pk for base in bases]).counted()
    return [
        Remark("not_ready", row.name, _ready(row))
        for row in rows
        if getattr(row, "pending_count") + getattr(row, "processing_count")  # noqa: B009
    ]


def _ready(row: Any) -> Mapping[str, object]:
    return {"ready": row.ready_count, "total": row.document_count}
