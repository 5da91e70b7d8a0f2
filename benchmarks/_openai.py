"""A provider that answers at once: what remains of a call's time is the gateway's.

`python -m benchmarks._openai <port>`. A model named `m-<tokens>-<gap ms>` streams so many tokens so
far apart. The last message is the caller's mark, which every answer repeats; a token reads
`t<number>:<mark>:<ns when the request was read>:<ns when it was sent> `, by the clock that all
processes of this machine share.
"""

import asyncio
import sys
import time
from typing import Any

import orjson
import uvicorn

WHOLE = {
    "id": "up",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "usage": {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6},
}
MODELS = ("m-1-0", "m-20-5", "m-100-15", "m-100-50", "m-600-50")


def _chunk(delta: dict[str, str], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    whole = {"id": "up", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return b"data: " + orjson.dumps(whole | {"choices": [choice]}) + b"\n\n"


def _whole(mark: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": f"ok {mark}"}
    return WHOLE | {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


async def _body(receive: Any) -> bytes:
    raw: bytes = b""
    while True:
        event = await receive()
        raw += event.get("body", b"")
        if not event.get("more_body"):
            return raw


async def provider(scope: Any, receive: Any, send: Any) -> None:
    raw = await _body(receive)
    if scope["method"] == "GET":
        answer: dict[str, Any] = {"data": [{"id": name} for name in MODELS]}
        is_stream, tokens, gap_s, mark, read_ns = False, 0, 0.0, "", 0
    else:
        request = orjson.loads(raw)
        read_ns, mark = time.monotonic_ns(), str(request["messages"][-1]["content"])
        answer, is_stream = _whole(mark), bool(request.get("stream"))
        _name, count, gap_ms = request["model"].split("-")
        tokens, gap_s = int(count), int(gap_ms) / 1000
    kind = b"text/event-stream" if is_stream else b"application/json"
    headers = [(b"content-type", kind)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if not is_stream:
        await send({"type": "http.response.body", "body": orjson.dumps(answer)})
        return
    for number in range(tokens):
        data = _chunk({"content": f"t{number}:{mark}:{read_ns}:{time.monotonic_ns()} "})
        await send({"type": "http.response.body", "body": data, "more_body": True})
        await asyncio.sleep(gap_s)
    end = _chunk({}, "stop") + b"data: [DONE]\n\n"
    await send({"type": "http.response.body", "body": end})


if __name__ == "__main__":
    uvicorn.run(
        provider, port=int(sys.argv[1]), log_level="error", access_log=False, lifespan="off"
    )
