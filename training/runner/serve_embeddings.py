"""The process with an embedding model: OpenAI's `/v1/embeddings`:
`python serve_embeddings.py <spec.json> <port> <pid of serve.py>`.

The spec's "args": {"model_name_or_path", "pooling"?: mean, cls or last}. Without "pooling" the
model's own 1_Pooling/config.json decides (the layout of sentence-transformers), and the mean
where there is none. Vectors have length one.
"""

import asyncio
import base64
import json
import struct
import sys
from pathlib import Path
from typing import Any

from mortal import die_with_parent

BATCH, TEXTS_MAX, TOKENS_MAX = 32, 2048, 8192
POOLING_FILES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_lasttoken": "last",
    "pooling_mode_mean_tokens": "mean",
}


class BadRequest(ValueError):
    pass


def pooling_of(folder: Path) -> str:
    file = folder / "1_Pooling" / "config.json"
    if file.is_file():
        known = json.loads(file.read_text(encoding="utf-8"))
        return next((kind for name, kind in POOLING_FILES.items() if known.get(name)), "mean")
    return "mean"


class Embedder:
    def __init__(self, args: dict[str, Any]) -> None:
        import torch
        from transformers import AutoModel, AutoTokenizer

        location = args["model_name_or_path"]
        self.tokenizer = AutoTokenizer.from_pretrained(location, trust_remote_code=False)
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.tokenizer.padding_side = "right"
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model = AutoModel.from_pretrained(
            location, trust_remote_code=False, use_safetensors=True
        )
        self.model = self.model.to(self.device).eval()
        self.pooling = args.get("pooling") or pooling_of(Path(location))
        limit = getattr(self.model.config, "max_position_embeddings", None)
        self.limit = min(limit or TOKENS_MAX, TOKENS_MAX)

    def vectors(self, texts: list[str]) -> tuple[list[list[float]], int]:
        """One vector a text, and how many tokens they were. Raises BadRequest."""
        counts = [len(ids) for ids in self.tokenizer(texts)["input_ids"]]
        if max(counts) > self.limit:
            raise BadRequest(f"a text has {max(counts)} tokens; the model reads {self.limit}")
        found: list[list[float]] = []
        for start in range(0, len(texts), BATCH):
            found += self._batch(texts[start : start + BATCH])
        return found, sum(counts)

    def _batch(self, texts: list[str]) -> list[list[float]]:
        import torch

        inputs = self.tokenizer(texts, padding=True, return_tensors="pt").to(self.device)
        inputs.pop("token_type_ids", None) if not self._has_types() else None
        mask = inputs["attention_mask"]
        with torch.inference_mode():
            states = self.model(**inputs).last_hidden_state.float()
        if self.pooling == "cls":
            pooled = states[:, 0]
        elif self.pooling == "last":
            last = mask.sum(dim=1) - 1
            pooled = states[torch.arange(len(texts), device=states.device), last]
        else:
            pooled = (states * mask.unsqueeze(-1)).sum(dim=1) / mask.sum(dim=1, keepdim=True)
        rows: list[list[float]] = torch.nn.functional.normalize(pooled, dim=1).cpu().tolist()
        return rows

    def _has_types(self) -> bool:
        return bool(getattr(self.model.config, "type_vocab_size", 0))


def texts_of(body: dict[str, Any]) -> list[str]:
    """Raises BadRequest."""
    given = body.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(t, str) for t in texts):
        raise BadRequest("input has to be a text or a list of texts")
    if len(texts) > TEXTS_MAX or not all(texts):
        raise BadRequest(f"input has to be 1 to {TEXTS_MAX} texts, none of them empty")
    return texts


def packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def make_app(embedder: Embedder, model_name: str) -> Any:
    from fastapi import FastAPI
    from fastapi.responses import JSONResponse

    app, places = FastAPI(), asyncio.Semaphore(1)

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [{"id": model_name, "object": "model"}]}

    @app.post("/v1/embeddings")
    async def embeddings(body: dict[str, Any]) -> Any:
        try:
            texts = texts_of(body)
            async with places:
                rows, count = await asyncio.to_thread(embedder.vectors, texts)
        except BadRequest as error:
            told = {"message": str(error), "type": "invalid_request_error", "code": None}
            return JSONResponse({"error": told}, status_code=400)
        is_packed = body.get("encoding_format") == "base64"
        data = [
            {"object": "embedding", "index": i, "embedding": packed(row) if is_packed else row}
            for i, row in enumerate(rows)
        ]
        usage = {"prompt_tokens": count, "total_tokens": count}
        return {"object": "list", "data": data, "model": model_name, "usage": usage}

    return app


def main(spec_path: Path, port: int) -> None:
    spec = json.loads(spec_path.read_text(encoding="utf-8"))
    import uvicorn

    app = make_app(Embedder(spec["args"]), spec["model_name"])
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    die_with_parent(int(sys.argv[3]))
    main(Path(sys.argv[1]), int(sys.argv[2]))
