"""Vectors for other apps, from any dialect that has embeddings."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from asgiref.sync import async_to_sync

from accounts.models import User
from providers.adapters.base import Embedder
from providers.asking import connections_shared
from providers.calling import Question, alone, answered, give_back_connections
from providers.errors import BadRequest, InvalidAnswer, NotSupported
from providers.gateway.snapshot import in_database
from providers.models import Charged, ProviderModel
from providers.registry import ADAPTERS
from providers.streaming import placed_target
from providers.tokens import estimated_tokens
from providers.types import EmbeddingRequest, Embeddings, Target

# How many texts a dialect takes at once; where nobody says, what nearly all servers take.
AT_ONCE = {"gemini": 100, "cohere": 96}
USUALLY_AT_ONCE = 32
# OpenAI takes 300,000 tokens at once, and an estimate may be low.
TOKENS_AT_ONCE = 200_000

Vector = list[float]


async def aembed(
    *,
    model: ProviderModel,
    texts: Sequence[str],
    user: User,
    is_query: bool = False,
    source: str = "knowledge",
    dimensions: int | None = None,
    expected: int | None = None,
    retries: int = 0,
) -> list[Vector]:
    """One vector of finite numbers for each text, all of one length.

    `dimensions`: the length to ask the model for; `expected`: the one that they must have. Each
    batch is a call of its own in the ledger, for `user`; `source` is what the ledger calls it.
    `retries`: at least so many, where the connection says less.

    Raises ProviderError: LimitReached for a limit of `user`, BadRequest for an empty text,
    NotSupported for a provider without embeddings, InvalidAnswer for vectors of no use.
    """
    if not all(text.strip() for text in texts):
        raise BadRequest("a text is empty")
    target = await in_database(placed_target, model)
    if not hasattr(ADAPTERS[target.kind], "embed"):
        raise NotSupported("no embeddings")
    patience = replace(target.patience, retries=max(retries, target.patience.retries))
    target = replace(target, patience=patience)
    found: list[Vector] = []
    async with connections_shared():
        for batch in _batches(target, texts):
            request = EmbeddingRequest(batch, "query" if is_query else "document", dimensions)
            length = len(found[0]) if found else expected or dimensions
            question = _question(target, request, length=length, source=source)
            found += (await answered(target, question, user=user)).vectors
    return found


def embed(
    *,
    model: ProviderModel,
    texts: Sequence[str],
    user: User,
    is_query: bool = False,
    source: str = "knowledge",
    dimensions: int | None = None,
    expected: int | None = None,
    retries: int = 0,
) -> list[Vector]:
    """`aembed` for workers. Not inside of a transaction: the ledger is written meanwhile."""
    give_back_connections()

    async def work() -> list[Vector]:
        vectors = aembed(
            model=model,
            texts=texts,
            user=user,
            is_query=is_query,
            source=source,
            dimensions=dimensions,
            expected=expected,
            retries=retries,
        )
        return await alone(vectors)

    return async_to_sync(work)()


def _batches(target: Target, texts: Sequence[str]) -> Iterator[list[str]]:
    most = target.profile.embedding_batch or AT_ONCE.get(target.kind, USUALLY_AT_ONCE)
    batch: list[str] = []
    tokens = 0.0
    for text in texts:
        size = estimated_tokens(text)
        if batch and (len(batch) >= most or tokens + size > TOKENS_AT_ONCE):
            yield batch
            batch, tokens = [], 0.0
        batch.append(text)
        tokens += size
    if batch:
        yield batch


def _question(
    target: Target, request: EmbeddingRequest, *, length: int | None, source: str
) -> Question[Embeddings]:
    adapter: Embedder = ADAPTERS[target.kind]  # type: ignore[assignment]

    def read(body: bytes) -> Embeddings:
        found = adapter.read_embeddings(body)
        _check(found.vectors, count=len(request.texts), length=length)
        return found

    return Question(
        build=partial(adapter.embed, request=request),
        read=read,
        prompt_tokens=math.ceil(sum(map(estimated_tokens, request.texts))),
        kind=Charged.EMBEDDING,
        source=source,
    )


def _check(vectors: Sequence[Vector], *, count: int, length: int | None) -> None:
    """Raises InvalidAnswer. One bad number in an index spoils every search."""
    if len(vectors) != count:
        raise InvalidAnswer("not one vector for each text")
    wanted = len(vectors[0]) if length is None else length
    if not wanted or any(len(vector) != wanted for vector in vectors):
        raise InvalidAnswer("vectors of another length")
    if not all(_is_number(each) for vector in vectors for each in vector):
        raise InvalidAnswer("no finite numbers")


def _is_number(value: object) -> bool:
    return type(value) in (float, int) and math.isfinite(value)  # type: ignore[arg-type]
