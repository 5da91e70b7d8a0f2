"""Console: providers, models and calls."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, User
from providers.models import CallRecord, Provider, ProviderModel
from providers.services import create_provider, publish_model

LIST = "admin:providers_provider_changelist"
MODELS = "admin:providers_providermodel_changelist"


@pytest.fixture
def console(admin_user: User, client_for: Callable[[User], Client]) -> Client:
    return client_for(admin_user)


@pytest.fixture
def acme(admin_user: User) -> Provider:
    return create_provider(
        actor=admin_user,
        kind="openai",
        name="Acme",
        base_url="https://acme.example/v1",
        api_key="sk-secret-value-1234",
        is_shared=True,
    )


@pytest.fixture
def echo(admin_user: User) -> Provider:
    return create_provider(actor=admin_user, preset="echo", is_shared=True)


def do(client: Client, name: str, action: str, *rows: Any) -> Any:
    body = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(reverse(name), body, follow=True)


def actions() -> list[str]:
    return list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))


def change_url(provider: Provider) -> str:
    return reverse("admin:providers_provider_change", args=[provider.pk])


def test_it_adds_a_provider_for_everyone(console: Client) -> None:
    body = {"name": "Acme", "kind": "openai", "base_url": "https://acme.example/v1"}
    url = reverse("admin:providers_provider_add")
    assert console.post(url, body | {"api_key": "sk-secret-value-1234"}).status_code == 302
    provider = Provider.objects.get()
    assert provider.owner is None and provider.key_hint == "…1234"
    assert actions() == ["provider.create"]
    assert "sk-secret" not in str(AuditEvent.objects.get().after)


@pytest.mark.parametrize(
    ("fields", "name"),
    [({"base_url": "nonsense"}, "base_url"), ({"name": "a/b"}, "name"), ({"name": ""}, "name")],
)
def test_what_the_service_refuses_belongs_to_the_form(
    console: Client, fields: dict[str, str], name: str
) -> None:
    body = {"name": "Acme", "kind": "openai", "base_url": "https://acme.example/v1", **fields}
    response = console.post(reverse("admin:providers_provider_add"), body)
    assert name in response.context["adminform"].form.errors
    assert not Provider.objects.exists() and actions() == []


def test_the_key_is_not_shown_and_stays_unless_entered(console: Client, acme: Provider) -> None:
    page = console.get(change_url(acme)).text
    assert "sk-secret" not in page and acme.credential not in page and "…1234" in page
    body = {"name": "Acme 2", "base_url": acme.base_url, "is_enabled": "on", "api_key": ""}
    assert console.post(change_url(acme), body).status_code == 302
    row = Provider.objects.get()
    assert (row.name, row.key_hint) == ("Acme 2", "…1234")
    assert actions() == ["provider.create", "provider.update"]


def test_a_new_host_needs_the_key_again(console: Client, acme: Provider) -> None:
    body = {"name": "Acme", "base_url": "https://other.example/v1", "is_enabled": "on"}
    response = console.post(change_url(acme), body)
    assert "api_key" in response.context["adminform"].form.errors


def test_an_unreadable_key_is_said(console: Client, acme: Provider) -> None:
    Provider.objects.filter(pk=acme.pk).update(credential="not a token")
    assert "It cannot be read" in console.get(change_url(acme)).text


def test_managed_ones_are_only_looked_at(console: Client, alice: User) -> None:
    model = publish_model(
        name="maple", base_url="http://127.0.0.1:1/v1", api_key="k", model_id="m", owner=alice
    )
    url = change_url(model.provider)
    assert console.get(url).status_code == 200
    assert console.post(url, {"name": "x"}).status_code == 403
    delete = reverse("admin:providers_provider_delete", args=[model.provider_id])
    assert console.post(delete, {"post": "yes"}).status_code == 403
    do(console, LIST, "disable", model.provider)
    assert Provider.objects.get().is_enabled


def test_it_deletes_one_and_many(console: Client, acme: Provider, echo: Provider) -> None:
    url = reverse("admin:providers_provider_delete", args=[acme.pk])
    assert console.post(url, {"post": "yes"}).status_code == 302
    body = {"action": "delete_selected", "_selected_action": [echo.pk], "post": "yes"}
    console.post(reverse(LIST), body)
    assert not Provider.objects.exists()
    assert actions().count("provider.delete") == 2


def test_actions_switch_test_and_refresh(console: Client, echo: Provider) -> None:
    do(console, LIST, "disable", echo)
    assert not Provider.objects.get().is_enabled
    do(console, LIST, "enable", echo)
    assert Provider.objects.get().is_enabled
    assert "The provider answers" in do(console, LIST, "test", echo).text
    assert "0 models added" in do(console, LIST, "refresh", echo).text
    assert actions()[-3:] == ["provider.update", "provider.update", "provider.refresh"]


def test_a_provider_that_does_not_answer_gets_advice(console: Client, acme: Provider) -> None:
    Provider.objects.update(base_url="https://127.0.0.1:9/v1")
    for action in ("test", "refresh"):
        page = do(console, LIST, action, acme)
        levels = [message.level_tag for message in page.context["messages"]]
        assert "error" in levels


def test_models_are_edited_and_remember_it(console: Client, echo: Provider) -> None:
    model = echo.models.get()
    url = reverse("admin:providers_providermodel_change", args=[model.pk])
    body = {"name": "Echo!", "is_enabled": "on", "temperature": "0.5", "context_tokens": "100"}
    assert console.post(url, body).status_code == 302
    model.refresh_from_db()
    assert (model.name, model.temperature) == ("Echo!", 0.5)
    assert {"name", "temperature"} <= set(model.edited)
    count = len(actions())
    assert actions()[-1] == "model.update"
    console.post(url, body)
    assert len(actions()) == count


def test_model_actions(console: Client, echo: Provider) -> None:
    do(console, MODELS, "disable", echo.models.get())
    assert not ProviderModel.objects.get().is_enabled
    do(console, MODELS, "enable", echo.models.get())
    assert ProviderModel.objects.get().is_enabled


def test_calls_are_only_looked_at(console: Client, echo: Provider, alice: User) -> None:
    call = CallRecord.objects.create(
        user=alice, model=echo.models.get(), model_label="echo", source="chat", status="done"
    )
    calls = reverse("admin:providers_callrecord_changelist")
    assert "echo" in console.get(calls).text
    url = reverse("admin:providers_callrecord_change", args=[call.pk])
    assert console.get(url).status_code == 200
    assert console.post(url, {"status": "failed"}).status_code == 403


@pytest.mark.parametrize(
    ("language", "words"), [("en", "Title of a chat"), ("zh-hans", "对话标题")]
)
def test_who_called_is_said_in_words(
    console: Client, admin_user: User, language: str, words: str
) -> None:
    call = CallRecord.objects.create(user=admin_user, source="title", status="done")
    console.cookies["django_language"] = language
    calls = reverse("admin:providers_callrecord_changelist")
    assert words in console.get(f"{calls}?source=title").text
    assert f"/{call.pk}/change/" in console.get(f"{calls}?source=title").text
    assert f"/{call.pk}/change/" not in console.get(f"{calls}?source=chat").text
    assert words in console.get(reverse("admin:providers_callrecord_change", args=[call.pk])).text
