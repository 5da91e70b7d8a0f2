"""Requests on their way through Django."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import iscoroutinefunction
from asgiref.testing import ApplicationCommunicator
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, get_resolver, path
from django.utils.deprecation import MiddlewareMixin

from llmplatform.handlers import AWAITED, OneThreadHandler
from tests.routes import Route

threads: list[int] = []


class Recorder(MiddlewareMixin):
    def process_request(self, request: HttpRequest) -> None:
        threads.append(threading.get_ident())

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        threads.append(threading.get_ident())
        return response


def view(request: HttpRequest) -> HttpResponse:
    threads.append(threading.get_ident())
    return HttpResponse("done")


async def waiting(request: HttpRequest, **_values: Any) -> HttpResponse:
    threads.append(threading.get_ident())
    return HttpResponse("done")


urlpatterns = [path("", view), path("api/v1/chat/sessions/<uuid:id>/messages", waiting)]


async def asked(address: str, settings: Any) -> None:
    threads.clear()
    settings.ROOT_URLCONF, settings.ALLOWED_HOSTS = __name__, ["*"]
    settings.MIDDLEWARE = [f"{__name__}.Recorder"] * 3
    headers = [(b"host", b"testserver")]
    scope = {"type": "http", "method": "GET", "path": address, "headers": headers}
    client = ApplicationCommunicator(OneThreadHandler(), scope)
    await client.send_input({"type": "http.request"})
    assert (await client.receive_output(10))["status"] == 200


async def test_middleware_and_view_share_a_thread(settings: Any) -> None:
    await asked("/", settings)
    assert len(threads) == 7 and len(set(threads)) == 1
    assert threads[0] != threading.get_ident()


async def test_who_waits_for_a_model_holds_no_thread(settings: Any) -> None:
    await asked("/api/v1/chat/sessions/6f1a3c1e-3f0a-4a54-9a55-0d6c9e9a3a10/messages", settings)
    assert threads[3] == threading.get_ident()


def _views(resolver: URLResolver, before: str = "") -> Iterator[tuple[str, Any]]:
    for pattern in resolver.url_patterns:
        template = before + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield template, pattern.callback
        else:
            yield from _views(pattern, template)


def test_all_views_that_wait_are_known() -> None:
    views = list(_views(get_resolver()))
    awaited = {template for template, callback in views if iscoroutinefunction(callback)}
    known = {template for template, _view in views if AWAITED.fullmatch(Route(template).url())}
    assert awaited and awaited == known


@pytest.mark.parametrize("address", ["/api/v1/chat/sessions/x/messages/y", "/chat/x/messages/"])
def test_its_neighbours_share_a_thread(address: str) -> None:
    assert not AWAITED.fullmatch(address)
