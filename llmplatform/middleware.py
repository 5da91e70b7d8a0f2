"""What every answer carries: a request id, and an error in the shape of its place."""

import re
import uuid
from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import (
    HttpRequest,
    HttpResponseNotAllowed,
    HttpResponseNotFound,
    JsonResponse,
)
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext as _

from llmplatform.errors import error_body

API_PREFIX = "/api/"
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


class ErrorShapeMiddleware(MiddlewareMixin):
    """Under the API each error has the API's shape, also where no operation was found. In a
    browser, the address that a form is sent to is a page (a refused form stays there)."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        is_refused = isinstance(response, HttpResponseNotAllowed)
        if request.path_info.startswith(API_PREFIX):
            if is_refused:
                text = _("This address does not take %(method)s.") % {"method": request.method}
                return _api_error(response, "method_not_allowed", text)
            if isinstance(response, HttpResponseNotFound):
                return _api_error(response, "not_found", _("There is nothing here."))
            return response
        is_page = request.method == "GET" and request.accepts("text/html")
        if not is_refused or not is_page:
            return response
        page = render(request, "405.html", status=405)
        page.headers["Allow"] = response.headers["Allow"]
        return page


def _api_error(response: HttpResponseBase, code: str, message: str) -> HttpResponseBase:
    answer = JsonResponse(error_body(code, message), status=response.status_code)
    if "Allow" in response.headers:
        answer.headers["Allow"] = response.headers["Allow"]
    return answer
