"""What every answer carries: a request id, and a page where a browser would show nothing."""

import re
import uuid
from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.deprecation import MiddlewareMixin

ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestIdMiddleware:
    """So that a person's report and a log line can meet."""

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


class WrongMethodMiddleware(MiddlewareMixin):
    """Whoever opens the address that a form is sent to (a refused form stays there) gets a page."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if not isinstance(response, HttpResponseNotAllowed) or response.content:
            return response
        if request.method != "GET" or not request.accepts("text/html"):
            return response
        page = render(request, "405.html", status=405)
        page.headers["Allow"] = response.headers["Allow"]
        return page
