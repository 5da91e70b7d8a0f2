"""`POST /v1/rerank`, in the shape that Cohere and Jina share."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from providers.adapters.base import Reranker
from providers.gateway.authentication import Caller
from providers.gateway.calls import Attempt, answered
from providers.gateway.chat_request import read_flag, read_json_body, read_model
from providers.gateway.core import Core
from providers.gateway.embeddings import input_usage_body, note_input
from providers.gateway.errors import bad_request
from providers.gateway.exchange import Exchange, json_bytes
from providers.gateway.route import Route
from providers.models import Charged
from providers.registry import ADAPTERS
from providers.tokens import estimated_tokens
from providers.types import Ranked, RerankRequest


@dataclass(frozen=True)
class RerankBody:
    model: str
    query: str
    documents: Sequence[str]
    top_n: int | None
    wants_documents: bool

    @property
    def prompt_tokens(self) -> int:
        """The question is read with each document."""
        texts = sum(estimated_tokens(text) for text in self.documents)
        return ceil(texts + estimated_tokens(self.query) * len(self.documents))

    def answer_tokens(self, route: Route) -> int:
        return 0

    def check(self, route: Route) -> None:
        route.check_type("rerank", code="model_not_rerank")
        if not hasattr(ADAPTERS[route.target.kind], "rerank"):
            raise bad_request(
                "The provider of this model has no rerank.", param="model", code="not_supported"
            )


def read_rerank_body(raw: bytes) -> RerankBody:
    """Raises GatewayError (400)."""
    body = read_json_body(raw)
    model, query, top_n = read_model(body.get("model")), body.get("query"), body.get("top_n")
    if not isinstance(query, str) or not query:
        raise bad_request("'query' must be a text.", param="query")
    is_count = isinstance(top_n, int) and not isinstance(top_n, bool) and top_n > 0
    if top_n is not None and not is_count:
        raise bad_request("'top_n' must be a whole number of at least 1.", param="top_n")
    wants_documents = read_flag(body.get("return_documents"), "return_documents")
    return RerankBody(model, query, _documents(body.get("documents")), top_n, wants_documents)


def _documents(value: Any) -> Sequence[str]:
    rows = value if isinstance(value, list) else []
    texts = [row.get("text") if isinstance(row, dict) else row for row in rows]
    found = [text for text in texts if isinstance(text, str)]
    if not found or len(found) < len(rows):
        message = "'documents' must be a list of texts or of objects with a 'text'."
        raise bad_request(message, param="documents")
    return found


async def create_ranking(core: Core, exchange: Exchange, caller: Caller) -> None:
    await answered(core, exchange, caller, read_rerank_body, _attempt, kind=Charged.RERANK)


async def _attempt(attempt: Attempt[RerankBody]) -> None:
    body, target, call = attempt.body, attempt.target, attempt.call
    adapter: Reranker = ADAPTERS[target.kind]  # type: ignore[assignment]
    request = adapter.rerank(target, RerankRequest(body.query, body.documents, body.top_n))
    ranking = adapter.read_ranking(await attempt.fetched(request))
    note_input(call, ranking.usage)
    # Some providers know no `top_n`; an index must point into what was asked.
    rows = [row for row in ranking.rows if row.index < len(body.documents)][: body.top_n]
    usage = input_usage_body(call)
    answer = {
        "id": f"rerank-{attempt.exchange.request_id}",
        "model": attempt.route.model_id,
        "results": [_result(row, body) for row in rows],
        "usage": usage,
        "meta": {"tokens": {"input_tokens": usage["prompt_tokens"]}},
    }
    await attempt.exchange.answer(json_bytes(answer))


def _result(row: Ranked, body: RerankBody) -> dict[str, Any]:
    found: dict[str, Any] = {"index": row.index, "relevance_score": row.score}
    if body.wants_documents:
        found["document"] = {"text": body.documents[row.index]}
    return found
