"""A stand-in for an embedding model that knows a few synonyms, and for a reranker."""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from knowledge import words
from providers.tests.stand_in import STATUSES, Send, StandIn

SYNONYMS = {"guarante": "warranti", "covers": "warranti", "酒店": "住宿", "旅馆": "住宿"}


def vector_of(text: str, dimension: int, synonyms: Mapping[str, str] = SYNONYMS) -> list[float]:
    """A bag of words in which synonyms are one; of length 1."""
    numbers = [0.0] * dimension
    for term in words.terms(text):
        term = synonyms.get(term, term)
        place = int.from_bytes(hashlib.sha256(term.encode()).digest()[:4], "little")
        numbers[place % dimension] += 1.0
    length = math.sqrt(sum(each * each for each in numbers)) or 1.0
    return [each / length for each in numbers]


class MeaningServer(StandIn):
    """`mode`: ok, or one of STATUSES. `dimension` may change between calls. The model "dull"
    knows no synonyms."""

    def __init__(self) -> None:
        super().__init__()
        self.dimension = 64

    async def _respond(self, body: dict[str, Any], receive: Any, send: Send) -> None:
        if self.mode in STATUSES:
            await super()._respond(body, receive, send)
            return
        answer = self._ranking(body) if "query" in body else self._vectors(body)
        await self._answer(send, 200, json.dumps(answer).encode(), "application/json", {})

    def _vectors(self, body: dict[str, Any]) -> dict[str, Any]:
        synonyms = {} if body["model"] == "dull" else SYNONYMS
        rows = [
            {"index": n, "embedding": vector_of(text, self.dimension, synonyms)}
            for n, text in enumerate(body["input"])
        ]
        return {"data": rows, "usage": {"prompt_tokens": 7, "total_tokens": 7}}

    def _ranking(self, body: dict[str, Any]) -> dict[str, Any]:
        """The shortest text first."""
        texts = body["documents"]
        rows = [{"index": n, "relevance_score": 1 / len(text)} for n, text in enumerate(texts)]
        return {"results": rows}
