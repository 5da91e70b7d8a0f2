"""Home, palette, language and theme."""

from collections.abc import Callable

import pytest
from django.test import Client, RequestFactory

from accounts.models import User
from llmplatform import home

ClientFor = Callable[[User], Client]


def test_home_shows_where_to_go(alice: User, client_for: ClientFor) -> None:
    page = client_for(alice).get("/").content.decode()
    for step in home.STEPS:
        assert step.url in page


def test_a_card_without_content_is_left_out(
    alice: User, rf: RequestFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards = (
        home.Card("a.html", lambda request: None),
        home.Card("b.html", lambda request: {"n": 1}),
    )
    monkeypatch.setattr(home, "CARDS", cards)
    request = rf.get("/")
    request.user = alice
    assert home.shown(request)["cards"] == [{"template": "b.html", "content": {"n": 1}}]


def test_the_palette_finds_pages_by_part_of_their_name(
    alice: User, admin_user: User, client_for: ClientFor
) -> None:
    found = client_for(alice).get("/palette/?q=PROV").json()["items"]
    assert [item["url"] for item in found] == ["/providers/", "/providers/new/"]
    assert client_for(alice).get("/palette/?q=console").json()["items"] == []
    assert client_for(admin_user).get("/palette/?q=console").json()["items"] != []


def test_the_palette_speaks_chinese(alice: User, client_for: ClientFor) -> None:
    client = client_for(alice)
    client.cookies["django_language"] = "zh-hans"
    assert client.get("/palette/?q=供应商").json()["items"] != []


def test_the_language_is_kept_for_a_stranger_and_a_person(
    alice: User, client: Client, client_for: ClientFor
) -> None:
    assert client.post("/language/", {"language": "zh-hans"}).status_code == 302
    assert "登录" in client.get("/accounts/login/").content.decode()
    client_for(alice).post("/language/", {"language": "zh-hans"})
    alice.refresh_from_db()
    assert alice.language == "zh-hans"


def test_the_theme_is_kept_for_a_stranger_and_a_person(
    alice: User, client: Client, client_for: ClientFor
) -> None:
    client.post("/theme/", {"theme": "dark"})
    assert 'data-theme="dark"' in client.get("/accounts/login/").content.decode()
    answer = client_for(alice).post("/theme/", {"theme": "light"}, headers={"HX-Request": "true"})
    assert answer.status_code == 204
    alice.refresh_from_db()
    assert alice.theme == "light"


@pytest.mark.parametrize("path", ["/language/", "/theme/"])
def test_unknown_choices_are_refused(client: Client, path: str) -> None:
    assert client.post(path, {"language": "tlh", "theme": "pink"}).status_code == 400
    assert client.get(path).status_code == 405


def test_the_address_of_a_form_opened_in_a_browser_is_a_page(client: Client) -> None:
    page = client.get("/theme/", headers={"Accept": "text/html"})
    assert page.status_code == 405
    assert page.headers["Allow"] == "POST"
    assert "takes forms only" in page.content.decode()
    assert client.get("/theme/", headers={"Accept": "application/json"}).content == b""


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/accounts/login/?next=/", "/accounts/login/?next=/"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
    ],
)
def test_they_lead_back_to_this_site_only(client: Client, target: str, expected: str) -> None:
    answer = client.post("/theme/", {"theme": "dark", "next": target})
    assert answer.headers["Location"] == expected


def test_an_unknown_theme_cookie_is_ignored(client: Client, db: None) -> None:
    client.cookies["theme"] = '"><script>'
    page = client.get("/accounts/login/").content.decode()
    assert 'data-theme="system"' in page and "<script>" not in page
