"""What callers of a deployment talk to: an ASGI application that checks the key, counts who is
there, and hands requests on to the process with the model once that is ready."""

import asyncio
import hmac
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import httpx
from keeper import LOOK_EVERY_S, Keeper, NotServing

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
BODY_MAX_BYTES = 20 * 1024**2
# So many callers may wait for each that is answered; more are told to come back.
WAITING_PER_PLACE = 16
# Until its keeper has noticed that a model has gone.
CONNECT_ATTEMPTS = 5
PASSED_ON = (b"content-type", b"retry-after")


class Front:
    """`concurrency`: how many requests the model answers at the same time."""

    def __init__(self, keeper: Keeper, *, key: str, model_name: str, concurrency: int) -> None:
        self.keeper, self._key = keeper, key.encode()
        self._model_name, self._concurrency = model_name, concurrency
        self._places = asyncio.Semaphore(concurrency)
        self._served = 0

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if not self._is_signed_in(scope):
            await refuse(send, 401, "invalid_api_key", "Invalid API key.")
        elif scope["path"] == "/health":
            await reply(send, 200, self._health())
        elif scope["path"] == "/v1/models" and scope["method"] == "GET":
            card = {"id": self._model_name, "object": "model", "created": 0, "owned_by": "owner"}
            await reply(send, 200, {"object": "list", "data": [card]})
        else:
            await self._hand_on(scope, receive, send)

    def _is_signed_in(self, scope: MutableMapping[str, Any]) -> bool:
        given = dict(scope["headers"]).get(b"authorization", b"")
        return hmac.compare_digest(given, b"Bearer " + self._key)

    def _health(self) -> dict[str, Any]:
        keeper = self.keeper
        return {
            "state": keeper.state,
            "active": min(keeper.active, self._concurrency),
            "waiting": max(0, keeper.active - self._concurrency),
            "served": self._served,
            "crashes": keeper.crashes,
            "last_request_at": keeper.last_request_at,
        }

    async def _hand_on(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        keeper = self.keeper
        if keeper.active >= self._concurrency * (1 + WAITING_PER_PLACE):
            words = "Too many requests are waiting for this model."
            await refuse(send, 429, "overloaded", words, retry_after_s=5)
            return
        body = await read_body(receive)
        if body is None:
            await refuse(send, 413, "too_large", "The request is too large.")
            return
        keeper.active += 1
        try:
            await unless_gone(receive, self._answer(scope, body, send))
        finally:
            keeper.active -= 1
            keeper.last_request_at = time.time()

    async def _answer(self, scope: MutableMapping[str, Any], body: bytes, send: Send) -> None:
        async with self._places:
            try:
                has_begun = await self._ask(scope, body, send)
            except NotServing as error:
                wait = error.retry_after_s
                await refuse(send, 503, "model_not_ready", str(error), retry_after_s=wait)
                return
        if not has_begun:
            words = "The model's process broke off; it is being started again."
            await refuse(send, 503, "model_not_ready", words, retry_after_s=5)

    async def _ask(self, scope: MutableMapping[str, Any], body: bytes, send: Send) -> bool:
        """Whether an answer has begun. Raises NotServing."""
        for _attempt in range(CONNECT_ATTEMPTS):
            await self.keeper.wait_until_ready()
            try:
                return await self._forward(scope, body, send)
            except httpx.ConnectError:
                # It has gone, and its keeper has not noticed yet. Nothing was asked so far.
                await asyncio.sleep(LOOK_EVERY_S)
        return False

    async def _forward(self, scope: MutableMapping[str, Any], body: bytes, send: Send) -> bool:
        """Whether an answer has begun. Raises ConnectError."""
        headers = {"content-type": dict(scope["headers"]).get(b"content-type", b"").decode()}
        url = self.keeper.url + scope["path"]
        has_begun = False
        try:
            async with self.keeper.client.stream(
                scope["method"], url, content=body, headers=headers
            ) as answer:
                kept = [(n.lower(), v) for n, v in answer.headers.raw if n.lower() in PASSED_ON]
                has_begun = True
                await send(
                    {"type": "http.response.start", "status": answer.status_code, "headers": kept}
                )
                async for chunk in answer.aiter_bytes():
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
                self._served += 1
        except httpx.ConnectError:
            raise
        except httpx.HTTPError:
            if has_begun:  # a broken stream must not look like a whole one
                raise
        return has_begun


async def read_body(receive: Receive) -> bytes | None:
    """None when it is too large."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > BODY_MAX_BYTES:
            return None
        if not message.get("more_body"):
            return body


async def unless_gone(receive: Receive, work: Awaitable[None]) -> None:
    """Do the work; give it up when the caller leaves."""

    async def left() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    doing, leaving = asyncio.ensure_future(work), asyncio.ensure_future(left())
    try:
        await asyncio.wait({doing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            doing.result()
    finally:
        for task in (doing, leaving):
            task.cancel()
        await asyncio.gather(doing, leaving, return_exceptions=True)


async def reply(
    send: Send, status: int, content: Any, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    body = json.dumps(content).encode()
    sent = [(b"content-type", b"application/json"), *(headers or [])]
    sent.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": sent})
    await send({"type": "http.response.body", "body": body})


async def refuse(
    send: Send, status: int, code: str, words: str, *, retry_after_s: int | None = None
) -> None:
    """In the shape of OpenAI's errors."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    error = {"message": words, "type": kind, "code": code}
    after = [] if retry_after_s is None else [(b"retry-after", str(retry_after_s).encode())]
    await reply(send, status, {"error": error}, after)
