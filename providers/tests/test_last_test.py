"""What the latest test of a connection found stays with it: list, page, API and console."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from providers import services
from providers.models import Provider
from providers.tests.office import Office

KEY = "sk-1234567890"
Pages = Callable[[User], Client]


@pytest.fixture
def acme(db: None, admin_user: User, settings: Any) -> Iterator[Provider]:
    settings.ALLOW_PRIVATE_PROVIDER_URLS = True
    office = Office()
    office.accepted = {KEY}
    yield services.create_provider(
        actor=admin_user, kind="openai", name="Acme", base_url=office.url, api_key=KEY
    )
    office.stop()


def nowhere(provider: Provider) -> None:
    """Nothing listens at this port."""
    Provider.objects.filter(pk=provider.pk).update(base_url="http://127.0.0.1:9/v1")


def test_it_is_kept_and_shown(
    acme: Provider, admin_user: User, client_for: Pages, api: Any
) -> None:
    client, path = client_for(admin_user), f"/providers/{acme.pk}/"
    assert api(admin_user).get(f"providers/{acme.pk}").json()["last_test"] is None
    assert "Answers," not in client.get("/providers/").text
    client.post(path + "test/")
    acme.refresh_from_db()
    shown = f"Answers, {acme.test_latency_ms} ms"
    for page in ("/providers/", path, reverse("admin:providers_provider_changelist")):
        assert shown in client.get(page).text
    told = api(admin_user).get(f"providers/{acme.pk}").json()["last_test"]
    assert told["ok"] is True and told["error"] == "" and told["at"]
    assert told["latency_ms"] == acme.test_latency_ms


def test_a_failure_says_what_to_do(
    acme: Provider, admin_user: User, client_for: Pages, api: Any
) -> None:
    nowhere(acme)
    assert api(admin_user).post(f"providers/{acme.pk}/test").json()["ok"] is False
    told = api(admin_user).get("providers").json()["items"][0]["last_test"]
    assert (told["ok"], told["error"]) == (False, "unavailable")
    client = client_for(admin_user)
    assert "No answer" in client.get("/providers/").text
    assert (
        "The provider does not answer. Check its address"
        in client.get(f"/providers/{acme.pk}/").text
    )
    console = client.get(reverse("admin:providers_provider_change", args=[acme.pk]))
    assert "No answer" in console.text


def test_a_connection_that_never_worked_says_so_from_the_start(
    admin_user: User, client_for: Pages, settings: Any
) -> None:
    settings.ALLOW_PRIVATE_PROVIDER_URLS = True
    client = client_for(admin_user)
    body = {"name": "Nowhere", "base_url": "http://127.0.0.1:9/v1", "api_key": KEY}
    page = client.post("/providers/new/custom/", body, follow=True)
    assert "The provider does not answer. Check its address" in page.text
    assert "No answer" in client.get("/providers/").text


def test_a_refresh_tells_as_much_as_a_test(acme: Provider, admin_user: User) -> None:
    acme.note_test(5, "unavailable")
    services.refresh_models(provider=acme, actor=admin_user)
    acme.refresh_from_db()
    assert acme.is_test_passed


@pytest.mark.parametrize(
    ("change", "is_kept"),
    [
        ({"name": "Other"}, True),
        ({"is_enabled": False}, True),
        ({"api_key": "sk-another-key-123"}, False),
        ({"drop_params": ["seed"]}, False),
        ({"base_url": "https://api.example.com/v1", "api_key": "sk-another-key-123"}, False),
    ],
)
def test_another_connection_is_an_untested_one(
    acme: Provider, admin_user: User, change: dict[str, Any], is_kept: bool
) -> None:
    assert services.check_connection(acme).ok
    services.change_provider(provider=acme, actor=admin_user, **change)
    acme.refresh_from_db()
    assert (acme.is_test_passed is True) == is_kept
    assert (acme.tested_at is not None) == is_kept


def test_what_changed_while_it_was_asked_is_not_called_tested(acme: Provider) -> None:
    old = Provider.objects.get(pk=acme.pk)
    nowhere(acme)
    assert services.check_connection(old).ok, "the address that it had"
    acme.refresh_from_db()
    assert acme.tested_at is None and acme.base_url == "http://127.0.0.1:9/v1"


def test_unsaved_values_can_be_tested(
    acme: Provider, admin_user: User, client_for: Pages, api: Any
) -> None:
    """By page and by API: what would be there, and nothing of it is saved."""
    client, before = client_for(admin_user), Provider.objects.count()
    form = {"name": "New", "base_url": acme.base_url, "api_key": KEY, "try": "1"}
    page = client.post("/providers/new/custom/", form)
    assert page.status_code == 200 and "It has 1 model." in page.text
    assert "Nothing is saved yet" in page.text and 'value="New"' in page.text
    assert KEY not in page.text
    wrong = client.post("/providers/new/custom/", form | {"api_key": "sk-wrong-key-12345"})
    assert "refuses the API key" in wrong.text
    odd = client.post("/providers/new/custom/", form | {"base_url": "nonsense"})
    assert odd.status_code == 422
    body = {"kind": "openai", "name": "New", "base_url": acme.base_url, "api_key": KEY}
    told = api(admin_user).post("providers/test", **body).json()
    assert told["ok"] and told["models"] == [
        {"model_id": "m", "types": ["chat"], "evidence": "name", "was": None}
    ]
    assert not api(admin_user).post("providers/test", **body | {"api_key": "sk-x"}).json()["ok"]
    assert Provider.objects.count() == before


def test_unsaved_changes_are_tested_with_the_stored_key(
    acme: Provider, admin_user: User, client_for: Pages
) -> None:
    client, path = client_for(admin_user), f"/providers/{acme.pk}/edit/"
    form = {"name": "Renamed", "base_url": acme.base_url, "try": "1"}
    assert "It has 1 model." in client.post(path, form).text
    elsewhere = client.post(path, form | {"base_url": "http://127.0.0.1:9/v1"})
    assert elsewhere.status_code == 422 and "Enter the key again" in elsewhere.text
    acme.refresh_from_db()
    assert acme.name == "Acme" and acme.tested_at is None
