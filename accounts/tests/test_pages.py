"""Account pages as a person uses them."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import ApiKey, AuditEvent, PlatformSettings, User, UserLimits
from conftest import PASSWORD
from llmplatform.tests.console_cast import make_call
from providers.models import Alias, ProviderModel
from providers.services import create_provider
from providers.templatetags.key_scopes import (
    example_model,
    of_key,
    scope_groups,
    spent_this_month,
)


def test_registering_signs_in(db: None, client: Client) -> None:
    form = {"email": "New@Example.com", "password": "a quite long password"}
    response = client.post("/accounts/register/", form, follow=True)
    assert response.status_code == 200
    assert User.objects.get().email == "new@example.com"
    assert response.wsgi_request.user.is_authenticated


@pytest.mark.parametrize("password", ["short", "password1234", "123456789012", "x" * 1100])
def test_a_weak_password_is_refused_with_a_reason(db: None, client: Client, password: str) -> None:
    form = {"email": "new@example.com", "password": password}
    response = client.post("/accounts/register/", form)
    assert response.status_code == 422
    assert response.context["form"].errors["password"]
    assert not User.objects.exists()


def test_a_closed_platform_registers_nobody(db: None, client: Client) -> None:
    PlatformSettings.objects.create(registration="closed")
    form = {"email": "new@example.com", "password": "a quite long password"}
    client.post("/accounts/register/", form)
    assert not User.objects.exists()


def test_approval_keeps_new_accounts_out(db: None, client: Client) -> None:
    PlatformSettings.objects.create(registration="approval")
    form = {"email": "new@example.com", "password": "a quite long password"}
    assert b"approve" in client.post("/accounts/register/", form).content
    assert client.post("/accounts/login/", form).status_code == 422


def test_signing_in_and_out_is_audited(alice: User, client: Client) -> None:
    client.post("/accounts/login/", {"email": "ALICE@example.com", "password": PASSWORD})
    client.post("/accounts/logout/")
    assert set(AuditEvent.objects.values_list("action", flat=True)) == {
        "session.start",
        "session.end",
    }


def test_wrong_and_unknown_look_the_same(alice: User, client: Client) -> None:
    wrong = client.post("/accounts/login/", {"email": alice.email, "password": "x"})
    unknown = client.post("/accounts/login/", {"email": "who@example.com", "password": "x"})
    assert wrong.status_code == unknown.status_code == 422
    assert wrong.context["form"].errors == unknown.context["form"].errors


def test_the_eleventh_try_is_throttled(alice: User, client: Client) -> None:
    for _attempt in range(10):
        client.post("/accounts/login/", {"email": alice.email, "password": "wrong"})
    response = client.post("/accounts/login/", {"email": alice.email, "password": PASSWORD})
    assert response.status_code == 429
    assert response.headers["Retry-After"]
    client.post("/accounts/login/", {"email": alice.email, "password": PASSWORD})
    told = AuditEvent.objects.filter(actor_label=alice.email).values_list("action", flat=True)
    assert sorted(told) == ["session.refused"] * 10 + ["session.throttled"]


def test_login_does_not_redirect_elsewhere(alice: User, client: Client) -> None:
    form = {"email": alice.email, "password": PASSWORD, "next": "https://evil.example/"}
    assert client.post("/accounts/login/", form).headers["Location"] == "/"


def test_changing_the_password_ends_other_sessions(
    alice: User, client_for: Callable[[User], Client]
) -> None:
    here, elsewhere = client_for(alice), client_for(alice)
    form = {"old_password": PASSWORD, "new_password": "another long password"}
    assert here.post("/accounts/password/", form).status_code == 302
    assert here.get("/accounts/profile/").status_code == 200
    assert elsewhere.get("/accounts/profile/").status_code == 302


def test_a_wrong_current_password_changes_nothing(
    alice: User, client_for: Callable[[User], Client]
) -> None:
    form = {"old_password": "no", "new_password": "another long password"}
    response = client_for(alice).post("/accounts/password/", form)
    assert response.status_code == 422
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)


def test_a_key_is_shown_once(alice: User, client_for: Callable[[User], Client]) -> None:
    client = client_for(alice)
    response = client.post("/accounts/keys/", {"name": "laptop"})
    text = response.context["new_key"]
    assert text.startswith("llmp_") and text in response.content.decode()
    assert text not in client.get("/accounts/keys/").content.decode()
    assert text.split(".")[1] not in str(ApiKey.objects.values())


def test_a_key_is_limited_and_changed(alice: User, client_for: Callable[[User], Client]) -> None:
    client = client_for(alice)
    create_provider(actor=alice, preset="echo", name="Mine")
    page = client.get("/accounts/keys/").content.decode()
    assert 'value="Mine/echo"' in page
    form = {"name": "ci", "expiry": "30", "allowed_models": ["Mine/echo", "gone"], "rpm": "60"}
    response = client.post("/accounts/keys/", form)
    assert response.status_code == 422 and "this name: gone." in response.content.decode()
    Alias.objects.create(owner=alice, name="gone")
    page = client.post("/accounts/keys/", form).content.decode()
    assert "2 models" in page and "60 requests/min" in page
    Alias.objects.all().delete()
    key = ApiKey.objects.get()
    assert key.expires_at is not None and (key.expires_at - timezone.now()).days in (29, 30)
    url = f"/accounts/keys/{key.pk}/"
    page = client.get(url).content.decode()
    assert 'value="Mine/echo" checked' in page and 'value="gone" checked' in page
    form = {"name": "CI", "expiry": "never", "allowed_models": ["Mine/echo"], "budget_usd": "5"}
    assert client.post(url, form).status_code == 302
    key.refresh_from_db()
    assert (key.name, key.allowed_models, key.rpm) == ("CI", ["Mine/echo"], None)
    assert key.expires_at is None and key.budget_usd == 5
    assert "$5 in all" in client.get("/accounts/keys/").content.decode()


def test_names_on_a_key_stay_as_they_were_written(
    alice: User, client_for: Callable[[User], Client]
) -> None:
    for name in ("Mine", "Other"):
        provider = create_provider(actor=alice, preset="echo", name=name)
        model_id = f"only-{name.lower()}"
        ProviderModel.objects.create(provider=provider, model_id=model_id, types=["chat"])
    names = ["echo", f"Other#{provider.pk}/only-other", "only-mine"]
    key, _text = ApiKey.issue(user=alice, name="laptop", allowed_models=names)
    groups = scope_groups(alice, names)
    assert [group.name for group in groups] == ["Mine", "Other", "Of several providers"]
    checked = [choice.value for group in groups for choice in group.choices if choice.is_chosen]
    assert sorted(checked) == sorted(names)
    form = {"name": "laptop", "expiry": "never", "allowed_models": checked}
    assert client_for(alice).post(f"/accounts/keys/{key.pk}/", form).status_code == 302
    key.refresh_from_db()
    assert sorted(key.allowed_models) == sorted(names)


def test_the_example_names_something_that_answers(alice: User, bob: User) -> None:
    assert example_model(alice) == "your-model"
    [model] = create_provider(actor=alice, preset="echo", name="Mine").models.all()
    assert (example_model(alice), example_model(bob)) == ("Mine/echo", "your-model")
    Alias.objects.create(owner=alice, name="empty")
    assert example_model(alice) == "Mine/echo"
    Alias.objects.create(owner=alice, name="full").members.create(model=model)
    assert example_model(alice) == "full"


def test_an_unknown_cost_is_not_zero(alice: User, client_for: Callable[[User], Client]) -> None:
    for name, costs in (("none", ()), ("priced", ("0.0021",)), ("free", (None, None))):
        key, _text = ApiKey.issue(user=alice, name=name)
        for cost in costs:
            fields = {"cost": cost, "currency": "USD" if cost else "", "api_key": key}
            make_call(None, user=alice, **fields)
    spent = spent_this_month(ApiKey.objects.all())
    shown = {key.name: of_key(spent, key).text for key in ApiKey.objects.all()}
    assert shown == {"none": "$0", "priced": "$0.0021", "free": ""}
    page = client_for(alice).get("/accounts/keys/").content.decode()
    assert "2 unknown" in page and "They count toward no budget." in page and "$0.00<" not in page


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"rpm": "0"}, "rpm"),
        ({"rpm": "61"}, "rpm"),
        ({"budget_day_usd": "-1"}, "budget_day_usd"),
        ({"expiry": "date"}, "expires_at"),
        ({"expiry": "date", "expires_at": "2020-01-01T00:00"}, "expires_at"),
        ({"allowed_models": ["x" * 400]}, "allowed_models"),
    ],
)
def test_a_key_is_not_changed_to_nonsense(
    alice: User, client_for: Callable[[User], Client], fields: dict[str, object], wrong: str
) -> None:
    UserLimits.objects.create(user=alice, rpm=60)
    key, _text = ApiKey.issue(user=alice, name="laptop")
    answer = client_for(alice).post(f"/accounts/keys/{key.pk}/", {"name": "other", **fields})
    assert answer.status_code == 422 and answer.context["form"].errors.keys() == {wrong}
    assert "Nothing is saved yet" in answer.text
    key.refresh_from_db()
    assert key.name == "laptop"


def test_it_requires_the_owner_to_revoke(
    alice: User, bob: User, client_for: Callable[[User], Client]
) -> None:
    key, _text = ApiKey.issue(user=alice, name="laptop")
    assert client_for(bob).post(f"/accounts/keys/{key.pk}/revoke/").status_code == 404
    assert client_for(alice).post(f"/accounts/keys/{key.pk}/revoke/").status_code == 302
    key.refresh_from_db()
    assert not key.is_live


def test_the_language_follows_the_person(alice: User, client_for: Callable[[User], Client]) -> None:
    client = client_for(alice)
    client.post("/accounts/profile/", {"language": "zh-hans", "theme": "dark"})
    page = client.get("/accounts/profile/").content.decode()
    assert "个人资料" in page and 'data-theme="dark"' in page


def test_design_is_for_staff(
    alice: User, admin_user: User, client_for: Callable[[User], Client]
) -> None:
    assert client_for(alice).get("/design/").status_code == 403
    assert client_for(admin_user).get("/design/").status_code == 200
