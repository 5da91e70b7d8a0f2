"""How well texts answer a question, for other apps, by any dialect that ranks."""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from asgiref.sync import async_to_sync

from accounts.models import User
from providers.adapters.base import Reranker
from providers.asking import connections_shared
from providers.calling import Question, alone, answered, give_back_connections
from providers.errors import BadRequest, InvalidAnswer, NotSupported
from providers.gateway.snapshot import in_database
from providers.models import Charged, ProviderModel
from providers.registry import ADAPTERS
from providers.streaming import placed_target
from providers.tokens import estimated_tokens
from providers.types import Ranking, RerankRequest, Target

# Each text is read with the question alone, so that scores of several calls compare.
TEXTS_AT_ONCE = 100


async def arerank(
    *,
    model: ProviderModel,
    query: str,
    texts: Sequence[str],
    user: User,
    source: str = "knowledge",
    retries: int = 0,
) -> list[float]:
    """A score for each text, in the order of the texts, on the model's own scale; more is better.

    Recorded, limited and refused as `providers.embedding.aembed` says.
    """
    if not query.strip() or not all(text.strip() for text in texts):
        raise BadRequest("a text is empty")
    target = await in_database(placed_target, model)
    if not hasattr(ADAPTERS[target.kind], "rerank"):
        raise NotSupported("no rerank")
    patience = replace(target.patience, retries=max(retries, target.patience.retries))
    target = replace(target, patience=patience)
    found: list[float] = []
    async with connections_shared():
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            batch = list(texts[start : start + TEXTS_AT_ONCE])
            question = _question(target, RerankRequest(query, batch), source=source)
            ranking = await answered(target, question, user=user)
            scores = {row.index: row.score for row in ranking.rows}
            found += [scores[index] for index in range(len(batch))]
    return found


def rerank(
    *,
    model: ProviderModel,
    query: str,
    texts: Sequence[str],
    user: User,
    source: str = "knowledge",
    retries: int = 0,
) -> list[float]:
    """`arerank` for workers. Not inside of a transaction: the ledger is written meanwhile."""
    give_back_connections()

    async def work() -> list[float]:
        ranked = arerank(
            model=model, query=query, texts=texts, user=user, source=source, retries=retries
        )
        return await alone(ranked)

    return async_to_sync(work)()


def _question(target: Target, request: RerankRequest, *, source: str) -> Question[Ranking]:
    adapter: Reranker = ADAPTERS[target.kind]  # type: ignore[assignment]
    texts = request.documents

    def read(body: bytes) -> Ranking:
        found = adapter.read_ranking(body)
        if sorted(row.index for row in found.rows) != list(range(len(texts))):
            raise InvalidAnswer("not one score for each text")
        if not all(math.isfinite(row.score) for row in found.rows):
            raise InvalidAnswer("no finite numbers")
        return found

    tokens = sum(map(estimated_tokens, texts)) + estimated_tokens(request.query) * len(texts)
    return Question(
        build=partial(adapter.rerank, request=request),
        read=read,
        prompt_tokens=math.ceil(tokens),
        kind=Charged.RERANK,
        source=source,
    )
