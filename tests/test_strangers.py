"""Nobody reaches what somebody else owns: every URL that names an object, every method."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.test import Client

from accounts.models import User
from tests.belongings import BELONGINGS, BODIES, CANARY, NOBODYS, maker_of
from tests.routes import (
    ABSENT,
    METHODS,
    PUBLIC,
    Route,
    body_of,
    http_routes,
    name_of,
    send,
    text_of,
)

ROUTES = http_routes()
OWNED = [
    route
    for route in ROUTES
    if route.parameters and not route.is_console and route.template not in NOBODYS
]
# A path below an object, as of its board, names no object of its own.
NESTED = [route for route in OWNED if len(route.parameters) > 1 and "<path:" not in route.template]
LISTS = [
    route
    for route in ROUTES
    if not route.parameters and not route.is_console and route.template not in PUBLIC
]


def _fingerprint() -> dict[str, list[Any]]:
    """All rows of the platform's own tables but the audit log, where refusals may be noted."""
    rows: dict[str, list[Any]] = {}
    for app in ("accounts", "providers", "prompts", "knowledge", "training", "chat"):
        for model in apps.get_app_config(app).get_models():
            if model._meta.model_name != "auditevent":
                rows[model._meta.label] = list(model._default_manager.order_by("pk").values())
    return rows


def _missing(parameters: dict[str, object]) -> dict[str, object]:
    """Parameters of the same types that name nothing."""
    return {
        name: value + 1_000_000 if isinstance(value, int) else str(uuid.uuid4())
        for name, value in parameters.items()
    }


def _body(route: Route, method: str) -> object:
    return BODIES.get((method, route.template)) or body_of(route, method) or {}


@pytest.mark.parametrize("route", OWNED, ids=name_of)
def test_a_stranger_finds_nothing(
    alice: User, bob: User, client_for: Callable[[User], Client], route: Route
) -> None:
    """404 on every method there is, the same as for an object that does not exist."""
    make = maker_of(route)
    assert make is not None, (
        f"{route.template} names an object: add an entry for it to BELONGINGS (or NOBODYS) in "
        "tests/belongings.py"
    )
    made = make(alice)
    assert set(route.parameters) <= made.keys(), f"{route.template}: the entry lacks a parameter"
    owner, stranger = client_for(alice), client_for(bob)
    url, nowhere = route.url(**made), route.url(**_missing(made))
    before = _fingerprint()
    seen = []
    for method in METHODS:
        body = _body(route, method)
        response = send(stranger, method, url, body)
        assert response.status_code in ABSENT, f"{method} {url}: {response.status_code}"
        absent = send(stranger, method, nowhere, body)
        assert response.status_code == absent.status_code
        if route.is_api:
            assert text_of(response) == text_of(absent)
        assert CANARY not in text_of(response)
        seen.append(response.status_code)
    assert 404 in seen, f"{route.template}: no method looks the object up"
    assert _fingerprint() == before, "a refused call changed a row"
    assert _owner_finds_it(owner, route, url), f"{route.template}: its owner finds nothing either"


def _owner_finds_it(owner: Client, route: Route, url: str) -> bool:
    for method in ("GET", "PATCH", "POST", "PUT", "DELETE"):
        if send(owner, method, url, _body(route, method)).status_code not in ABSENT:
            return True
    return False


@pytest.mark.parametrize("route", NESTED, ids=name_of)
def test_a_child_is_found_below_its_own_parent_only(
    alice: User, bob: User, client_for: Callable[[User], Client], route: Route
) -> None:
    make = maker_of(route)
    assert make is not None, f"{route.template}: see tests/belongings.py"
    hers, his = make(alice), make(bob)
    parent, child = route.parameters[0], route.parameters[-1]
    for mixed in ({**his, child: hers[child]}, {**his, parent: hers[parent]}):
        for method in METHODS:
            url = route.url(**mixed)
            response = send(client_for(bob), method, url, _body(route, method))
            assert response.status_code in ABSENT, f"{method} {url}: {response.status_code}"


@pytest.mark.parametrize("query", ["", "?q=canary", "?owner=1&owner_id=1&all=1&limit=5000"])
def test_lists_hold_nothing_of_others(
    alice: User, bob: User, client_for: Callable[[User], Client], query: str
) -> None:
    for make in dict.fromkeys(BELONGINGS.values()):
        make(alice)
    stranger = client_for(bob)
    for route in LISTS:
        response = stranger.get(route.url() + query)
        assert CANARY not in text_of(response), f"{route.template} shows another user's object"
