"""A provider of the OpenAI dialect that writes one long answer: 20,000 tokens, 300 blocks of code.

`python -m benchmarks._long_answer <port> <tokens a second>`.
"""

import asyncio
import re
import sys
import time
from typing import Any

import orjson
import uvicorn

TOKENS, BLOCKS = 20_000, 300
# About what a tokenizer makes of prose and of code: a word, or a piece of a sign or number.
TOKEN = re.compile(r"\s*(?:\w{1,6}|[^\w\s]{1,2})|\s+")
LANGUAGES = ("python", "javascript", "sql", "bash", "java", "")
LINES = (
    "def handle(request, limit=100):  # the smallest",
    '    return sorted(request.rows, key=size)["name"]',
)


def _section(number: int) -> str:
    """A heading, prose, a block of code; here and there a list, a table, a formula, long code."""
    code = "\n".join(LINES * (24 if number % 60 == 7 else 1))
    parts = [f"## Step {number}", "Some **bold** words about `names` first."]
    if number % 10 == 3:
        parts.append("| name | size |\n|------|-----:|\n| `a`  | 1    |\n| `b`  | 20   |")
    if number % 10 == 6:
        parts.append("- one\n- two\n\n$$\n\\frac{a + b}{c_1} = \\sum_{i=1}^n x_i\n$$")
    parts.append(f"```{LANGUAGES[number % len(LANGUAGES)]}\n{code}\n```")
    return "\n\n".join(parts)


def answer() -> list[str]:
    """Its tokens."""
    tokens = TOKEN.findall("\n\n".join(_section(number) for number in range(BLOCKS)) + "\n\n")
    prose = TOKEN.findall("And so it goes on, word for word, until the end of the answer.\n\n")
    while len(tokens) < TOKENS:
        tokens += prose
    return tokens[:TOKENS]


def _event(delta: dict[str, str], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    whole = {"id": "up", "object": "chat.completion.chunk", "created": 1, "model": "long"}
    return b"data: " + orjson.dumps(whole | {"choices": [choice]}) + b"\n\n"


async def provider(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    is_list = scope["method"] == "GET"
    kind = b"application/json" if is_list else b"text/event-stream"
    headers = [(b"content-type", kind)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if is_list:
        models = orjson.dumps({"data": [{"id": "long"}]})
        await send({"type": "http.response.body", "body": models})
        return
    started, per_s = time.monotonic(), float(sys.argv[2])
    for number, token in enumerate(answer()):
        data = _event({"content": token})
        await send({"type": "http.response.body", "body": data, "more_body": True})
        await asyncio.sleep(max(0.0, started + number / per_s - time.monotonic()))
    await send({"type": "http.response.body", "body": _event({}, "stop") + b"data: [DONE]\n\n"})


if __name__ == "__main__":
    uvicorn.run(
        provider, port=int(sys.argv[1]), log_level="error", access_log=False, lifespan="off"
    )
