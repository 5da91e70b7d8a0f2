"""A stand-in for a provider of the OpenAI dialect, with everything that goes wrong with one."""

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

from conftest import free_port
from providers.tests.wire import EXAMPLES, body_of

Send = Callable[[dict[str, Any]], Awaitable[None]]
# Part of a key, as several providers show it in their error messages.
LEAK = "sk-stored-key"
USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 3,
    "total_tokens": 12,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 1},
}
STATUSES: dict[str, tuple[int, dict[str, str]]] = {
    "400": (400, {}),
    "401": (401, {}),
    "403": (403, {}),
    "429": (429, {"retry-after": "7"}),
    "429-date": (429, {"retry-after": "Wed, 21 Oct 2099 07:28:00 GMT"}),
    "500": (500, {}),
    "overloaded": (503, {}),
    "redirect": (302, {"location": "http://127.0.0.1:9/"}),
}


def chunk(delta: dict[str, Any], finish: str | None = None, **fields: Any) -> dict[str, Any]:
    whole = {"id": "up-1", "object": "chat.completion.chunk", "created": 1, "model": "up-model"}
    return whole | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]} | fields


def sse(*payloads: Any) -> bytes:
    texts = [each if isinstance(each, str) else json.dumps(each) for each in payloads]
    return "".join(f"data: {text}\n\n" for text in texts).encode()


def text_chunks(*words: str) -> list[dict[str, Any]]:
    return [chunk({"content": word}) for word in words]


CALL = {"name": "Weather", "arguments": '{"city": "Bern"}'}
TOOL_CALLS = [{"index": 0, "id": "c1", "type": "function", "function": CALL}]
STREAMS: dict[str, bytes] = {
    "ok": sse(
        *text_chunks("one ", "two ", "three"), chunk({}, "stop"), chunk({}, usage=USAGE, choices=[])
    )
    + sse("[DONE]"),
    # LLaMA-Factory: no object, no created, no usage.
    "bare": sse(
        {"id": "lf", "model": "m", "choices": [{"index": 0, "delta": {"content": "hi"}}]},
        {"id": "lf", "model": "m", "choices": [{"delta": {}, "finish_reason": "stop"}]},
        "[DONE]",
    ),
    "reasoning": sse(
        chunk({"role": "assistant", "content": None, "reasoning_content": "two and two"}),
        chunk({"content": "4"}),
        chunk({}, "stop", usage=USAGE),
        "[DONE]",
    ),
    "tools": sse(
        chunk({"role": "assistant", "content": None, "tool_calls": TOOL_CALLS}),
        chunk({}, "tool_calls", usage=USAGE),
        "[DONE]",
    ),
    "think": sse(*text_chunks("<think>hm", "</think>", "yes"), chunk({}, "stop"), "[DONE]"),
    "no-usage": sse(*text_chunks("你好", " world"), chunk({}, "stop"), "[DONE]"),
    "no-done": sse(*text_chunks("whole"), chunk({}, "stop")),
    "silent-end": sse(*text_chunks("part")),
    "empty": b"",
    "error-event": sse(
        *text_chunks("Hal"), {"error": {"code": 502, "message": f"gone {LEAK}"}}, "[DONE]"
    ),
    "minimax": sse({"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}),
    "noise": b": keep-alive\r\n\r\ndata: {oops\r\n\r\n" + sse(*text_chunks("ok")) + sse("[DONE]"),
    "garbage": b"data: nonsense\n\n" * 20,
    "separators": sse(*text_chunks("a\u2028b\u0085c")) + sse(chunk({}, "stop"), "[DONE]"),
}
WHOLE = {
    "id": "up-2",
    "object": "chat.completion",
    "created": 1,
    "model": "up-model",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
    ],
    "usage": USAGE,
}

CALLING = {"role": "assistant", "content": None, "tool_calls": TOOL_CALLS}
WHOLE_CALL = {"index": 0, "message": CALLING, "finish_reason": "tool_calls"}


class StandIn:
    """`mode` names what the next request meets; `seen` are the bodies, `headers` the headers."""

    def __init__(self) -> None:
        self.mode = "ok"
        self.think_s = 0.0
        self.seen: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.has_left = threading.Event()
        self.port = free_port()
        config = uvicorn.Config(
            self, host="127.0.0.1", port=self.port, log_level="critical", lifespan="off"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.02)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=10)

    async def __call__(self, scope: Any, receive: Any, send: Send) -> None:
        raw = b""
        while True:
            event = await receive()
            raw += event.get("body", b"")
            if not event.get("more_body"):
                break
        body = json.loads(raw)
        self.seen.append(body)
        self.headers.append({k.decode(): v.decode() for k, v in scope["headers"]})
        await asyncio.sleep(self.think_s)
        await self._respond(body, receive, send)

    async def _respond(self, body: dict[str, Any], receive: Any, send: Send) -> None:
        if self.mode in STATUSES:
            status, headers = STATUSES[self.mode]
            text = json.dumps({"error": {"message": f"Incorrect key {LEAK}***"}})
            await self._answer(send, status, text.encode(), "application/json", headers)
        elif self.mode == "html":
            await self._answer(send, 200, b"<html>Sign in</html>", "text/html", {})
        elif self.mode in ("hang", "endless", "cut", "long-line", "bytes", "open"):
            await self._odd(receive, send)
        elif body.get("stream"):
            stream = STREAMS.get(self.mode, STREAMS["ok"])
            await self._answer(send, 200, stream, "text/event-stream", {})
        else:
            await self._whole(send)

    async def _whole(self, send: Send) -> None:
        answers: dict[str, Any] = {
            "bare": {"choices": [{"message": {"role": "assistant", "content": "hi"}}]},
            "tools": WHOLE | {"choices": [WHOLE_CALL]},
            "not-json": "oops",
            "list": [],
            "empty": {"choices": []},
            "error-event": {"error": f"no {LEAK}"},
        }
        answer = answers.get(self.mode, WHOLE)
        text = answer if isinstance(answer, str) else json.dumps(answer)
        await self._answer(send, 200, text.encode(), "application/json", {})

    async def _answer(
        self, send: Send, status: int, body: bytes, kind: str, headers: dict[str, str]
    ) -> None:
        await self._start(send, status, kind, headers)
        await send({"type": "http.response.body", "body": body})

    async def _start(self, send: Send, status: int, kind: str, headers: dict[str, str]) -> None:
        pairs = {"content-type": kind} | headers
        raw = [(key.encode(), value.encode()) for key, value in pairs.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})

    async def _odd(self, receive: Any, send: Send) -> None:
        watch = asyncio.ensure_future(self._until_left(receive))
        if self.mode == "hang":
            await watch
            return
        await self._start(send, 200, "text/event-stream", {})
        if self.mode == "endless":
            while not watch.done():
                await self._piece(send, sse(*text_chunks("tick ")))
                await asyncio.sleep(0.02)
            return
        if self.mode == "open":  # says that it is done, and closes nothing
            await self._piece(send, STREAMS["ok"])
            await watch
            return
        if self.mode == "long-line":
            for _each in range(90):
                await self._piece(send, b"x" * 65_536)
        elif self.mode == "bytes":
            for byte in STREAMS["no-usage"]:
                await self._piece(send, bytes([byte]))
            await send({"type": "http.response.body", "body": b""})
            return
        await self._piece(send, sse(*text_chunks("half")) + b'data: {"cho')
        raise ConnectionAbortedError  # uvicorn drops the connection in the middle of the body

    @staticmethod
    async def _piece(send: Send, data: bytes) -> None:
        await send({"type": "http.response.body", "body": data, "more_body": True})

    async def _until_left(self, receive: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.has_left.set()


class Replay(StandIn):
    """`mode` names the wire example that answers; statuses are those of every stand-in. Where it
    `is_held`, only its beginning comes, and then nothing until the client leaves."""

    is_held = False

    async def _respond(self, body: dict[str, Any], receive: Any, send: Send) -> None:
        if self.mode in STATUSES or self.mode == "hang":
            await super()._respond(body, receive, send)
            return
        kind = "text/event-stream" if "stream" in EXAMPLES[self.mode] else "application/json"
        whole = body_of(self.mode)
        if self.is_held:
            await self._start(send, 200, kind, {})
            await self._piece(send, whole[: len(whole) * 2 // 3])
            await self._until_left(receive)
        else:
            await self._answer(send, 200, whole, kind, {})
