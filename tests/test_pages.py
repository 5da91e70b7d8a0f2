"""Every page in a real browser: accessible, nothing blocked by the policy, usable on a phone.

New pages are included by themselves: whatever the urlconf serves without a parameter, and every
page about an object that has an entry in tests/belongings.py.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse

from accounts.models import User
from llmplatform.navigation import GROUPS
from tests.belongings import BELONGINGS, maker_of
from tests.routes import Route, http_routes, name_of

pytestmark = pytest.mark.browser

# Colours depend on the theme alone and texts on the language alone, so two of four are enough.
LOOKS = (("light", "en"), ("dark", "zh-hans"))
DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
# Not pages of their own, or documents that a browser does not show.
NO_PAGE = {"healthz", "readyz", "metrics", "palette/"}
SIGNED_OUT = ("accounts/login/", "accounts/register/")
ROUTES = [
    route
    for route in http_routes()
    if not (route.is_api or route.is_console)
    and route.template not in {*NO_PAGE, *SIGNED_OUT}
    and (not route.parameters or maker_of(route))
]


class Watcher:
    """What the browser complains about."""

    def __init__(self, page: Any) -> None:
        self.complaints: list[str] = []
        page.on("console", self._note)
        page.on("requestfailed", lambda request: self.complaints.append(request.url))

    def _note(self, message: Any) -> None:
        if message.type == "error":
            self.complaints.append(message.text)


def _problems(page: Any) -> list[str]:
    """What axe finds wrong, with the place."""
    found = Axe().run(page, options={"resultTypes": ["violations"]})
    return [
        f"{violation['id']}: {violation['help']} {node['html'][:160]}"
        for violation in found.response["violations"]
        for node in violation["nodes"]
    ]


def _overflow(page: Any) -> list[str]:
    """Elements that make the page wider than the window, inner scrollers left aside."""
    return list(
        page.evaluate(
            """() => {
            const width = document.documentElement.clientWidth;
            if (document.documentElement.scrollWidth <= width) return [];
            return [...document.body.querySelectorAll("*")]
              .filter((each) => each.getBoundingClientRect().right > width + 1)
              .slice(0, 5).map((each) => each.outerHTML.slice(0, 120));
            }"""
        )
    )


def _look_at(page: Any, path: str, theme: str, language: str, live_url: str) -> None:
    watcher = Watcher(page)
    page.context.add_cookies(
        [
            {"name": "django_language", "value": language, "url": live_url},
            {"name": "theme", "value": theme, "url": live_url},
        ]
    )
    page.set_viewport_size(DESK)
    page.goto(path, wait_until="load")
    shown = f"{path} ({theme}, {language})"
    assert page.locator("html").get_attribute("lang") == language
    # Paper is white.
    expected = "light" if page.locator("body.paper").count() else theme
    assert page.locator("html").get_attribute("data-theme") == expected
    assert page.locator("h1").count() == 1, f"{shown}: one main heading"
    assert _problems(page) == [], shown
    page.set_viewport_size(PHONE)
    assert _overflow(page) == [], f"{shown} is wider than a phone"
    assert watcher.complaints == [], shown


def _answer(client: Any, url: str) -> Any:
    """Playwright's loop runs in this thread; a page that asks a provider needs one of its own."""
    loop = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        return client.get(url)
    finally:
        asyncio._set_running_loop(loop)


def _is_page(client: Any, url: str) -> bool:
    """Else it redirects, only takes forms, is a download or a fragment that htmx swaps in."""
    response = _answer(client, url)
    kind = str(response.headers.get("Content-Type", ""))
    is_html = response.status_code == 200 and kind.startswith("text/html")
    is_page = is_html and b"<html" in response.content
    # A page that says why something cannot be shown now is one, but Chromium complains of its code.
    is_excuse = response.status_code == 503 and b"<html" in response.content
    assert is_page or is_excuse or response.status_code in (200, 302, 405), (
        url,
        response.status_code,
    )
    return is_page


@pytest.mark.parametrize("route", ROUTES, ids=name_of)
def test_pages_are_good_to_everybody(
    admin_user: User,
    client_for: Callable[[User], Any],
    sign_in: Callable[[User], Any],
    live_url: str,
    route: Route,
) -> None:
    made: dict[str, object] = {}
    for make in dict.fromkeys(BELONGINGS.values()):
        parameters = make(admin_user)
        made = parameters if make is maker_of(route) else made
    url = route.url(**made)
    if not _is_page(client_for(admin_user), url):
        return
    page = sign_in(admin_user)
    for theme, language in LOOKS:
        admin_user.theme, admin_user.language = theme, language
        admin_user.save()
        _look_at(page, url, theme, language, live_url)


@pytest.mark.parametrize(
    "url_name", [e.url_name for g in GROUPS for e in g.entries if not e.admins_only]
)
def test_pages_teach_when_they_are_empty(
    alice: User,
    client_for: Callable[[User], Any],
    sign_in: Callable[[User], Any],
    live_url: str,
    url_name: str,
) -> None:
    """A new user, who has nothing yet; the same browser checks."""
    url = reverse(url_name)
    assert _is_page(client_for(alice), url)
    theme, language = LOOKS[0]
    alice.theme, alice.language = theme, language
    alice.save()
    _look_at(sign_in(alice), url, theme, language, live_url)


@pytest.mark.parametrize("template", SIGNED_OUT)
def test_pages_before_the_sign_in(page: Any, live_url: str, template: str) -> None:
    for theme, language in LOOKS:
        _look_at(page, f"/{template}", theme, language, live_url)


def test_the_keyboard_reaches_the_content(
    alice: User, sign_in: Callable[[User], Any], live_url: str
) -> None:
    page = sign_in(alice)
    page.goto("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#main"


def test_the_side_bar_opens_on_a_phone(
    alice: User, sign_in: Callable[[User], Any], live_url: str
) -> None:
    page = sign_in(alice)
    page.set_viewport_size(PHONE)
    page.goto("/")
    link = page.locator(".sidebar .nav-item").first
    assert not link.is_visible()
    page.locator("[data-nav-toggle]").click()
    link.wait_for(state="visible")
    link.click()
    page.wait_for_url("**/*/")
