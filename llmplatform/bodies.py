"""How large the body of a request may be: asked before Django writes it to the disk, which it does
before it asks who sends it."""

import io
from typing import Any

import orjson
from channels.db import database_sync_to_async
from django.conf import settings
from django.core.handlers.asgi import ASGIRequest

from accounts.access import authenticate_token, user_of_page_session
from llmplatform.errors import error_body

TOO_LARGE = error_body("too_large", "The request is too large.")


def with_limited_bodies(application: Any) -> Any:
    """Files of any size that is allowed are for people and programs that are known here."""

    async def limited(scope: Any, receive: Any, send: Any) -> None:
        size = _size(scope)
        if size is not None and size <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            await application(scope, receive, send)
            return
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        if await database_sync_to_async(_is_known)(scope):
            limit += settings.UPLOAD_MAX_BYTES
        if size is not None and size > limit:
            await _refuse(send)
            return
        counted = Counted(receive, send, limit)
        await application(scope, counted.receive, counted.send)

    return limited


def _size(scope: Any) -> int | None:
    """What the head says. None: nobody knows before it has come."""
    headers = dict(scope["headers"])
    if b"transfer-encoding" in headers:
        return None
    told = headers.get(b"content-length", b"0")
    return int(told) if told.isdigit() and len(told) < 20 else None


def _is_known(scope: Any) -> bool:
    request = ASGIRequest(scope, io.BytesIO())
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return authenticate_token(token.strip()) is not None
    session_key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    return user_of_page_session(session_key) is not None


class Counted:
    """A body whose size nobody told. Past `limit` the sender is refused, and for the application
    has gone away."""

    def __init__(self, receive: Any, send: Any, limit: int) -> None:
        self._receive, self._send, self._left = receive, send, limit

    async def receive(self) -> Any:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left >= 0:
            return message
        await _refuse(self._send)
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if self._left >= 0:
            await self._send(message)


async def _refuse(send: Any) -> None:
    """In the API's shape, and with the connection: nobody wants to read the rest."""
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": orjson.dumps(TOO_LARGE)})
