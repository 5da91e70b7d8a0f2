"""What can be fetched can be asked about: HEAD answers every page as GET does."""

from collections.abc import Callable

import pytest
from django.test import Client

from accounts.models import User
from tests.routes import http_routes, name_of, send

PAGES = [route for route in http_routes() if not (route.is_api or route.is_console)]


def test_head_answers_every_page(alice: User, client_for: Callable[[User], Client]) -> None:
    client = client_for(alice)
    wrong = {}
    for route in PAGES:
        fetched = send(client, "GET", route.url()).status_code
        asked = send(client, "HEAD", route.url()).status_code
        if asked != fetched:
            wrong[name_of(route)] = (fetched, asked)
    assert wrong == {}


@pytest.mark.parametrize("path", ["/accounts/login/", "/accounts/register/"])
def test_head_answers_without_a_sign_in(db: None, client: Client, path: str) -> None:
    assert client.head(path).status_code == 200
