"""An embedding model that answers at once: `python -m benchmarks._embeddings <port>`. The vector of
a text is random, of length 1, and always the same."""

import sys
import zlib
from typing import Any

import numpy as np
import orjson
import uvicorn

DIMENSION = 384


def vector_of(text: str) -> Any:
    numbers = np.random.default_rng(zlib.crc32(text.encode())).standard_normal(DIMENSION)
    return (numbers / np.linalg.norm(numbers)).astype(np.float32)


async def provider(scope: Any, receive: Any, send: Any) -> None:
    raw = b""
    while True:
        event = await receive()
        raw += event.get("body", b"")
        if not event.get("more_body"):
            break
    if scope["method"] == "GET":
        answer: dict[str, Any] = {"data": [{"id": "vectors"}]}
    else:
        texts = orjson.loads(raw)["input"]
        rows = [{"index": n, "embedding": vector_of(text)} for n, text in enumerate(texts)]
        answer = {"data": rows, "usage": {"prompt_tokens": len(texts)}}
    body = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    uvicorn.run(
        provider, host="127.0.0.1", port=int(sys.argv[1]), lifespan="off", log_level="error"
    )
