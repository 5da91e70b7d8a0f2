"""A request id on every answer, so that a person's report and a log line can meet."""

import re
import uuid
from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestIdMiddleware:
    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], object]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> object:
        given = request.headers.get("X-Request-Id", "")
        request_id = given if ACCEPTED.fullmatch(given) else uuid.uuid4().hex
        request.request_id = request_id  # type: ignore[attr-defined]
        answer = self.get_response(request)
        if isinstance(answer, Awaitable):
            return self._stamp_later(answer, request_id)
        return self._stamp(answer, request_id)

    @staticmethod
    def _stamp(response: object, request_id: str) -> object:
        assert isinstance(response, HttpResponseBase)
        response.headers["X-Request-Id"] = request_id
        return response

    async def _stamp_later(self, answer: Awaitable[object], request_id: str) -> object:
        return self._stamp(await answer, request_id)
