"""What every HTML page tells the browser to refuse."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from tests.belongings import NOBODYS, maker_of
from tests.routes import Route, http_routes, name_of

NONCE = re.compile(r"'nonce-([^']+)'")
# Scripts without a source (data blocks are fine), style elements, handler and style attributes.
INLINE = re.compile(
    r"<script(?![^>]*(?:\bsrc=|application/json))[^>]*>|<style[^>]*>|\s(?:on\w+|style)=[\"']", re.I
)
PAGES = [route for route in http_routes() if not route.is_api]


def _policy(response: Any) -> dict[str, list[str]]:
    parts = [part.split() for part in response.headers["Content-Security-Policy"].split(";")]
    return {part[0]: part[1:] for part in parts if part}


def _is_page(response: Any) -> bool:
    return str(response.headers.get("Content-Type", "")).startswith("text/html")


def _get(client: Client, owner: User, route: Route) -> Any:
    make = maker_of(route)
    values = make(owner) if make else NOBODYS.get(route.template, {})
    return client.get(route.url(**values))


@pytest.mark.parametrize("route", PAGES, ids=name_of)
def test_pages_forbid_what_they_do_not_need(
    admin_user: User, client_for: Callable[[User], Client], route: Route
) -> None:
    client = client_for(admin_user)
    response = _get(client, admin_user, route)
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert response.headers["X-Request-Id"]
    if not _is_page(response):
        return
    policy = _policy(response)
    assert policy["frame-ancestors"] == ["'none'"]
    assert policy["base-uri"] == ["'none'"]
    assert policy["default-src"] == ["'none'"]
    sources = [*policy["script-src"], *policy.get("style-src", []), *policy["connect-src"]]
    assert not {"*", "http:", "https:", "data:"} & set(sources)
    if not route.is_console:
        assert not {"'unsafe-inline'", "'unsafe-eval'"} & set(sources)


@pytest.mark.parametrize("route", [r for r in PAGES if not r.is_console], ids=name_of)
def test_pages_hold_no_inline_code(
    admin_user: User, client_for: Callable[[User], Client], route: Route
) -> None:
    """The policy would block it in the browser, silently."""
    response = _get(client_for(admin_user), admin_user, route)
    if _is_page(response) and response.status_code == 200:
        found = INLINE.findall(response.content.decode())
        assert not [tag for tag in found if "nonce=" not in tag], f"inline code: {found}"


@pytest.mark.parametrize("path", ["/", "/accounts/login/", "/nothing/here/"])
def test_the_nonce_is_new_every_time(
    alice: User, client_for: Callable[[User], Client], path: str
) -> None:
    client = client_for(alice) if path != "/accounts/login/" else Client()
    nonces = [
        NONCE.search(client.get(path).headers["Content-Security-Policy"]) for _attempt in range(2)
    ]
    first, second = (found and found[1] for found in nonces)
    # A page without a nonce in its markup has none in its policy: nothing to reuse.
    assert first is None or (first != second and len(first) >= 16)


def test_refusals_are_guarded_too(client: Client, db: None) -> None:
    for path in ("/nothing/here/", "/accounts/login/", "/api/v1/keys"):
        response = client.get(path)
        assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_the_api_is_not_shared_with_other_origins(client: Client, db: None) -> None:
    response = client.get("/api/v1/keys", headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in response.headers


def test_page_answers_to_people_are_private(
    alice: User, client_for: Callable[[User], Client]
) -> None:
    """A shared cache must not hand one person's page to another."""
    response = client_for(alice).get("/")
    assert "Cookie" in response.headers["Vary"]
