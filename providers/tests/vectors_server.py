"""A stand-in for models that read and say nothing: embeddings and rerank of every dialect."""

import json
from typing import Any

from providers.tests.stand_in import STATUSES, Send, StandIn

DIMENSION = 3


class VectorsServer(StandIn):
    """Vectors and scores tell which text they belong to: the first number is its length. `modes`
    are met before `mode`, one a request."""

    def __init__(self) -> None:
        super().__init__()
        self.modes: list[str] = []

    async def _respond(self, body: dict[str, Any], receive: Any, send: Send) -> None:
        mode = self.modes.pop(0) if self.modes else self.mode
        if mode in STATUSES or mode == "hang":
            self.mode, kept = mode, self.mode
            await super()._respond(body, receive, send)
            self.mode = kept
            return
        answer = ranking(body, mode) if "query" in body else vectors(body, mode)
        text = json.dumps(answer).replace('"huge"', "1e999")
        await self._answer(send, 200, text.encode(), "application/json", {})


def texts_in(body: dict[str, Any]) -> list[str]:
    if "requests" in body:
        return [row["content"]["parts"][0]["text"] for row in body["requests"]]
    texts: list[str] = body.get("texts") or body["input"]
    return texts


def vectors(body: dict[str, Any], mode: str) -> dict[str, Any]:
    texts = texts_in(body)
    rows: list[list[Any]] = [[float(len(text)), 0.5, -1] for text in texts]
    spoiled: dict[str, Any] = {"nan": float("nan"), "null": None, "huge": "huge", "text": "x"}
    if mode in spoiled:
        rows[-1][-1] = spoiled[mode]
    elif mode == "fewer":
        rows.pop()
    elif mode == "ragged":
        rows[-1].pop()
    elif mode == "shorter":
        rows = [row[:2] for row in rows]
    elif mode == "none":
        rows = [[] for _row in rows]
    count = sum(map(len, texts))
    if "requests" in body:
        return {"embeddings": [{"values": row} for row in rows]}
    if "texts" in body:
        return {"embeddings": {"float": rows}, "meta": {"billed_units": {"input_tokens": count}}}
    if "truncate" in body:
        return {"embeddings": rows, "prompt_eval_count": count}
    # Out of order, as the format allows.
    data = [{"index": index, "embedding": row} for index, row in enumerate(rows)][::-1]
    return {"data": data, "usage": {"prompt_tokens": count, "total_tokens": count}}


def ranking(body: dict[str, Any], mode: str) -> dict[str, Any]:
    texts = body["documents"]
    rows: list[dict[str, Any]] = []
    for i, text in enumerate(texts):
        rows.append({"index": i, "relevance_score": len(text) / 100})
    if mode == "fewer":
        rows.pop()
    elif mode == "twice":
        rows[-1]["index"] = 0
    elif mode == "beyond":
        rows[-1]["index"] = len(texts)
    elif mode == "huge":
        rows[-1]["relevance_score"] = "huge"
    return {"results": sorted(rows, key=lambda row: str(row["relevance_score"]))}
