"""The accounts API: tokens, keys, errors in one shape."""

from collections.abc import Callable
from decimal import Decimal

from django.test import Client

from accounts.models import ApiKey, AuditEvent, User, UserLimits
from conftest import PASSWORD, ApiClient
from providers.aliases import create_alias
from providers.services import create_provider, delete_provider

Api = Callable[[User], ApiClient]


def test_login_gives_a_pair_and_refresh_rotates_it(alice: User) -> None:
    client = Client()
    body = {"email": alice.email, "password": PASSWORD}
    answer = client.post("/api/v1/auth/login", body, content_type="application/json")
    assert answer.status_code == 200
    assert answer.json()["expires_in"] == 900
    cookie = answer.cookies["refresh_token"]
    assert cookie["httponly"] and cookie["samesite"] == "Strict"
    refreshed = client.post("/api/v1/auth/refresh")
    assert refreshed.status_code == 200
    assert refreshed.cookies["refresh_token"].value != cookie.value


def test_refresh_refuses_other_origins(alice: User) -> None:
    client = Client()
    body = {"email": alice.email, "password": PASSWORD}
    client.post("/api/v1/auth/login", body, content_type="application/json")
    foreign = client.post("/api/v1/auth/refresh", headers={"Origin": "https://evil.example"})
    assert foreign.status_code == 403
    assert client.get("/api/v1/auth/refresh").status_code == 405


def test_logout_ends_the_access_token(alice: User) -> None:
    client = Client()
    body = {"email": alice.email, "password": PASSWORD}
    login = client.post("/api/v1/auth/login", body, content_type="application/json").json()
    bearer = ApiClient(login["access_token"])
    assert bearer.get("auth/me").json()["email"] == alice.email
    assert client.post("/api/v1/auth/logout").status_code == 204
    assert bearer.get("auth/me").status_code == 401


def test_register_answers_in_the_contract(db: None, client: Client) -> None:
    body = {"email": "new@example.com", "password": "a quite long password"}
    answer = client.post("/api/v1/auth/register", body, content_type="application/json")
    assert answer.status_code == 201
    assert answer.json().keys() == {"id", "email", "role"}
    again = client.post("/api/v1/auth/register", body, content_type="application/json")
    assert again.status_code == 422
    assert again.json()["error"]["fields"]["email"]


def test_an_account_needs_an_address(db: None, client: Client) -> None:
    for wrong in ("notmail", "a@b", "two@example.com,three@example.com"):
        body = {"email": wrong, "password": "a quite long password"}
        answer = client.post("/api/v1/auth/register", body, content_type="application/json")
        assert answer.status_code == 422 and answer.json()["error"]["fields"]["email"]
    assert not User.objects.exists()


def test_unknown_fields_and_bad_characters_are_refused(db: None, client: Client) -> None:
    body = {"email": "a@example.com", "password": "a quite long password", "role": "admin"}
    answer = client.post("/api/v1/auth/register", body, content_type="application/json")
    assert answer.status_code == 422 and "role" in answer.json()["error"]["fields"]
    nul = '{"email": "a\\u0000@example.com", "password": "a quite long password"}'
    assert (
        client.post("/api/v1/auth/register", nul, content_type="application/json").status_code
        == 422
    )
    assert not User.objects.exists()


def test_keys_are_created_used_and_revoked(alice: User, bob: User, api: Api) -> None:
    create_provider(actor=alice, preset="echo", name="Mine")
    created = api(alice).post("keys", name="ci", models=["echo"], rpm=60)
    assert created.status_code == 201
    key = created.json()
    assert ApiClient(key["key"]).get("auth/me").json()["email"] == alice.email
    assert "key" not in api(alice).get("keys").json()["items"][0]
    assert api(bob).get("keys").json()["count"] == 0
    assert api(bob).delete(f"keys/{key['id']}").status_code == 404
    assert api(alice).delete(f"keys/{key['id']}").status_code == 204
    assert ApiClient(key["key"]).get("auth/me").status_code == 401
    assert ApiKey.objects.count() == 1


def test_keys_are_changed(alice: User, bob: User, api: Api) -> None:
    create_provider(actor=alice, preset="echo", name="Mine")
    limits = {"rpm": 60, "tpm": 9000, "max_parallel": 2, "budget_day_usd": "0.5"}
    created = api(alice).post("keys", name="ci", models=["echo"], budget_month_usd=10, **limits)
    path = f"keys/{created.json()['id']}"
    assert api(bob).patch(path, rpm=1).status_code == 404
    changed = api(alice).patch(path, rpm=None, tpm=8000, models=[], name=None)
    assert changed.status_code == 200
    row = changed.json()
    assert (row["name"], row["models"], row["rpm"], row["tpm"]) == ("ci", [], None, 8000)
    assert (row["max_parallel"], row["budget_usd"]) == (2, None)
    assert Decimal(row["budget_day_usd"]) == Decimal("0.5")
    [event] = AuditEvent.objects.filter(action="key.update")
    assert event.before == {"rpm": 60, "tpm": 9000, "allowed_models": ["echo"]}
    for wrong in ({"rpm": 0}, {"tpm": -1}, {"budget_usd": -1}, {"user": 1}, {"models": [""]}):
        assert api(alice).patch(path, **wrong).status_code == 422, wrong
    past = api(alice).patch(path, expires_at="2020-01-01T00:00:00Z")
    assert past.status_code == 422 and past.json()["error"]["fields"]["expires_at"]


def test_a_key_is_for_models_that_its_owner_can_see(alice: User, bob: User, api: Api) -> None:
    provider = create_provider(actor=alice, preset="echo", name="Mine")
    create_alias(actor=bob, name="of-bob")
    create_alias(actor=alice, name="default")
    good = ["echo", "Mine/echo", f"Mine#{provider.pk}/echo", "default"]
    key = api(alice).post("keys", name="ci", models=good).json()
    assert key["models"] == good, "as they were written"
    for name in ("gpt-9", "Mine/gpt-9", "Yours/echo", "of-bob", f"Mine#{provider.pk + 1}/echo"):
        refused = api(alice).post("keys", name="ci", models=["echo", name])
        assert refused.status_code == 422, name
        assert name in refused.json()["error"]["fields"]["models"][0]
    assert api(bob).post("keys", name="ci", models=["echo"]).status_code == 422
    delete_provider(provider=provider, actor=alice)
    path = f"keys/{key['id']}"
    assert api(alice).patch(path, models=["echo"]).status_code == 200, "it was there"
    assert api(alice).patch(path, models=["echo", "Mine/echo"]).status_code == 422


def test_a_key_gets_no_more_than_its_user_has(alice: User, api: Api) -> None:
    UserLimits.objects.create(user=alice, rpm=60, budget_day_usd=2)
    refused = api(alice).post("keys", name="ci", rpm=61, budget_day_usd="2.5")
    assert refused.status_code == 422
    assert refused.json()["error"]["fields"].keys() == {"rpm", "budget_day_usd"}
    key = api(alice).post("keys", name="ci", rpm=60).json()
    assert api(alice).patch(f"keys/{key['id']}", rpm=100).status_code == 422


def test_the_session_cookie_needs_csrf(alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    assert client.get("/api/v1/auth/me").status_code == 200
    answer = client.post("/api/v1/keys", {"name": "x"}, content_type="application/json")
    assert answer.status_code == 403


def test_audit_is_for_administrators(alice: User, admin_user: User, api: Api) -> None:
    api(alice).post("keys", name="ci")
    assert api(alice).get("audit").status_code == 403
    items = api(admin_user).get("audit").json()["items"]
    assert "key.create" in [item["action"] for item in items]


def test_anonymous_calls_get_the_error_shape(db: None, client: Client) -> None:
    answer = client.post("/api/v1/keys", "not json", content_type="application/json")
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "unauthenticated"
