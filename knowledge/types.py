"""What a search of knowledge bases returns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Stages:
    """Where each stage of a search put a passage, from 1; None: not among its candidates."""

    dense_rank: int | None = None
    dense_score: float | None = None
    lexical_rank: int | None = None
    lexical_score: float | None = None
    fused_score: float | None = None
    rerank_score: float | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk, with neighbours merged into it where they were found too. `start` and `end` are
    characters of the document's text. Of a base of Dify `document_id` and `chunk_id` are None."""

    text: str
    score: float
    base_id: int
    base_name: str
    document_id: int | None
    document_name: str
    chunk_id: int | None = None
    position: int = 0
    start: int = 0
    end: int = 0
    page: int | None = None
    headings: Sequence[str] = ()
    metadata: Mapping[str, object] = field(default_factory=dict)
    stages: Stages = field(default_factory=Stages)


@dataclass(frozen=True, slots=True)
class Remark:
    """Something a reader of the answer should know: `unavailable` (a base could not be searched),
    `words_only` (no vectors: the embedding model is away), `no_model` (by meaning was asked for,
    and the base has no embedding model), `not_ready` (documents are still in
    work: {"ready", "total"}), `still_indexing` (new passages are missing), `rerank_failed`."""

    code: str
    base_name: str
    params: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """`timings_ms`: embed, search, load, rerank, total."""

    passages: Sequence[Passage]
    remarks: Sequence[Remark] = ()
    timings_ms: Mapping[str, float] = field(default_factory=dict)
