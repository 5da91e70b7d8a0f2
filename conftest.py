"""Fixtures of the whole suite: the cast, clients, a live server and a browser."""

import asyncio
import os
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from shutil import which
from typing import Any

import pytest
from django.conf import settings
from django.db import connections
from django.db.backends.base.operations import BaseDatabaseOperations as DatabaseOperations
from django.test import Client
from django.utils import translation

from accounts.models import Role, User
from llmplatform.catalogs import catalogs, compile_catalog

PASSWORD = "correct horse battery staple"
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_configure(config: pytest.Config) -> None:
    """Translations are compiled once, before the processes of the suite start."""
    # Trainings run side by side here, and OpenMP's threads wait for one another by spinning: on two
    # cores a pair of trainings takes 31 s with one thread each, 70 s with two, 23 s alone.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if not hasattr(config, "workerinput"):
        for catalog in catalogs(settings.BASE_DIR):
            compile_catalog(catalog)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests last: while Playwright's loop runs in this thread, nothing else may use one.

    `services`: whatever could come out otherwise with another database or with Redis. What calls
    neither says the same beside them.
    """
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)
    for item in items:
        names = getattr(item, "fixturenames", ())
        asks = any(name in ("db", "transactional_db") or "redis" in name for name in names)
        is_whole = item.path.parent.name == "tests" and item.path.parent.parent == settings.BASE_DIR
        is_whole = is_whole and item.get_closest_marker("sources") is None
        if asks or is_whole or item.get_closest_marker("django_db") is not None:
            item.add_marker("services")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Playwright leaves its loop running in this thread; coroutine tests need one of their own."""
    if item.get_closest_marker("asyncio") is None:
        return (yield)
    loop = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        return (yield)
    finally:
        asyncio._set_running_loop(loop)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed browser test says what its page showed; the trace alone seldom tells why."""
    report = yield
    page = getattr(item, "funcargs", {}).get("page")
    if report.when == "call" and report.failed and page is not None:
        with suppress(Exception):
            shown = page.locator("body").inner_text(timeout=2000)
            report.sections.append(("page", f"{page.url}\n{page.title()}\n{shown[:4000]}"))
    return report


def _url_of(database: dict[str, Any]) -> str:
    engine = database["ENGINE"].rsplit(".", 1)[-1]
    if engine == "sqlite3":
        return f"sqlite:///{database['NAME']}"
    scheme = {"postgresql": "postgres", "mysql": "mysql"}[engine]
    user = f"{database['USER']}:{database['PASSWORD']}@" if database["USER"] else ""
    port = f":{database['PORT']}" if database["PORT"] else ""
    return f"{scheme}://{user}{database['HOST']}{port}/{database['NAME']}"


def _by_deleting(
    operations: DatabaseOperations, _style: Any, tables: Sequence[str], **_options: Any
) -> list[str]:
    """What empties the tables after a test, in one transaction. PostgreSQL's TRUNCATE takes half a
    second for a hundred of them, of which a test fills a few."""
    if not tables:
        return []
    unchecked = "SET LOCAL session_replication_role = replica"
    return [unchecked, *(f"DELETE FROM {operations.quote_name(table)}" for table in tables)]


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """Processes that a test starts (workers, shims) use the test database too."""
    if connections["default"].vendor == "postgresql":
        type(connections["default"].ops).sql_flush = _by_deleting  # type: ignore[assignment,method-assign]
    wanted = {
        "DATABASE_URL": _url_of(connections["default"].settings_dict),
        # With the suite's own settings each of them would make itself another data folder.
        "DJANGO_SETTINGS_MODULE": "llmplatform.settings",
    }
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    yield
    for name, value in before.items():
        os.environ.pop(name)
        if value is not None:
            os.environ[name] = value


@pytest.fixture
def make_user(db: None) -> Callable[..., User]:
    def make(name: str, **fields: Any) -> User:
        return User.objects.create_user(f"{name}@example.com", PASSWORD, **fields)

    return make


@pytest.fixture
def alice(make_user: Callable[..., User]) -> User:
    """Owns things."""
    return make_user("alice")


@pytest.fixture
def bob(make_user: Callable[..., User]) -> User:
    """A stranger to Alice's things."""
    return make_user("bob")


@pytest.fixture
def admin_user(make_user: Callable[..., User]) -> User:
    return make_user("admin", role=Role.ADMIN)


@pytest.fixture
def client_for() -> Callable[[User], Client]:
    """A browser-like client, signed in."""

    def make(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return make


class ApiClient:
    """JSON in, JSON out, with a bearer token: `api(alice).post("keys", name="laptop")`."""

    def __init__(self, token: str) -> None:
        self.client = Client(headers={"Authorization": f"Bearer {token}"})

    def _send(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        url = f"/api/v1/{path}"
        if body is None:
            return getattr(self.client, method)(url)
        return getattr(self.client, method)(url, body, content_type="application/json")

    def get(self, path: str) -> Any:
        return self._send("get", path, None)

    def post(self, path: str, **body: Any) -> Any:
        return self._send("post", path, body)

    def patch(self, path: str, **body: Any) -> Any:
        return self._send("patch", path, body)

    def delete(self, path: str) -> Any:
        return self._send("delete", path, None)


@pytest.fixture
def api() -> Callable[[User], ApiClient]:
    from accounts.tokens import open_session

    def make(user: User) -> ApiClient:
        return ApiClient(open_session(user=user, request=None).access)

    return make


@pytest.fixture(autouse=True)
def _no_language_of_before() -> None:
    """Django leaves the language of the last request to whatever this thread does next."""
    translation.deactivate()


@pytest.fixture(autouse=True)
def _clean_cache() -> Iterator[None]:
    from django.core.cache import cache

    from providers.charging import forget_prices

    yield
    cache.clear()
    forget_prices()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(port: int) -> Iterator[str]:
    """The real ASGI application under uvicorn in a thread of this process; its URL."""
    import uvicorn
    from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler

    from llmplatform.asgi import application, django_application
    from llmplatform.server import OneWriteProtocol

    class Static(ASGIStaticFilesHandler):
        """Static files straight from the source folders; sockets pass through."""

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http" and self._should_handle(scope["path"]):
                await super().__call__(scope, receive, send)
            else:
                await application(scope, receive, send)

    config = uvicorn.Config(
        Static(django_application),
        host="127.0.0.1",
        port=port,
        log_level="warning",
        lifespan="off",
        http=OneWriteProtocol,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(timeout=10)


@pytest.fixture
def live_url(transactional_db: None) -> Iterator[str]:
    with serving(free_port()) as url:
        yield url
    connections.close_all()


def _chromium() -> str:
    """The one without a window around its pages costs half the processor time."""
    found = which("chromium-headless-shell") or which("chromium")
    assert found, "Chromium is missing. Debian: apt-get install chromium-headless-shell"
    return found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    # Playwright keeps an event loop in this thread; Django would refuse the ORM beside it.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM") or _chromium(),
            args=CHROMIUM_ARGUMENTS,
        )
        loop = asyncio._get_running_loop()
        yield browser
        asyncio._set_running_loop(loop)  # the last test may have been one with a loop of its own
        browser.close()
    os.environ.pop("DJANGO_ALLOW_ASYNC_UNSAFE")


@pytest.fixture
def page(chromium: Any, live_url: str) -> Iterator[Any]:
    """A fresh browser page with `base_url`; uncaught page errors fail the test."""
    context = chromium.new_context(base_url=live_url, viewport={"width": 1440, "height": 900})
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []


@pytest.fixture
def sign_in(page: Any, live_url: str) -> Callable[[User], Any]:
    """Signs `user` in without the login form and returns the page."""

    def enter(user: User) -> Any:
        client = Client()
        client.force_login(user)
        page.context.add_cookies(
            [
                {
                    "name": settings.SESSION_COOKIE_NAME,
                    "value": client.cookies[settings.SESSION_COOKIE_NAME].value,
                    "url": live_url,
                }
            ]
        )
        return page

    return enter
