"""How often somebody may try: counted before the work, so that parallel tries count as well."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client, RequestFactory

from accounts import services, throttle
from accounts.models import AuditEvent, PlatformSettings, User
from accounts.throttle import TooManyAttempts
from conftest import PASSWORD, ApiClient

LOGIN = "/api/v1/auth/login"
NEW_PASSWORD = "another long password"


def sign_in(email: str, password: str, address: str = "192.0.2.1") -> User | None:
    request = RequestFactory().post("/", REMOTE_ADDR=address)
    return services.check_password(email=email, password=password, request=request)


def throttled() -> int:
    return AuditEvent.objects.filter(action="session.throttled").count()


def test_parallel_tries_are_counted_before_they_are_hashed(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    all_looked = Barrier(40)

    def hash_slowly(request: Any, **credentials: str) -> None:
        hashed.append(credentials["username"])
        all_looked.wait(timeout=10)

    def attempt(_number: int) -> bool:
        try:
            sign_in("alice@example.com", "wrong")
        except TooManyAttempts:
            all_looked.wait(timeout=10)
            return False
        finally:
            connection.close()
        return True

    monkeypatch.setattr(services, "authenticate", hash_slowly)
    with ThreadPoolExecutor(40) as threads:
        allowed = list(threads.map(attempt, range(40)))
    assert len(hashed) == sum(allowed) == 10
    assert throttled() == 1


def test_right_passwords_count_for_nothing(alice: User) -> None:
    for _time in range(9):
        assert sign_in(alice.email, "wrong") is None
    for _time in range(3):
        assert sign_in(alice.email, PASSWORD) == alice
    assert sign_in(alice.email, "wrong") is None
    with pytest.raises(TooManyAttempts):
        sign_in(alice.email, PASSWORD)
    assert sign_in(alice.email, PASSWORD, "192.0.2.2") == alice


def test_an_account_is_limited_from_everywhere(alice: User, bob: User) -> None:
    for number in range(50):
        assert sign_in(alice.email, "wrong", f"192.0.2.{number}") is None
    with pytest.raises(TooManyAttempts) as refused:
        sign_in(alice.email, PASSWORD, "192.0.2.200")
    assert refused.value.retry_after_s == 3600
    assert sign_in(bob.email, PASSWORD, "192.0.2.200") == bob


def test_an_address_is_limited_for_all_accounts(bob: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "authenticate", lambda *args, **kwargs: None)
    for number in range(100):
        assert sign_in(f"user{number}@example.com", "wrong") is None
    monkeypatch.undo()
    with pytest.raises(TooManyAttempts) as refused:
        sign_in(bob.email, PASSWORD)
    assert refused.value.retry_after_s == 3600
    assert sign_in(bob.email, PASSWORD, "192.0.2.2") == bob


def test_refused_tries_keep_nobody_else_out(alice: User, bob: User) -> None:
    for _time in range(10):
        sign_in(alice.email, "wrong")
    for _time in range(100):
        with pytest.raises(TooManyAttempts):
            sign_in(alice.email, "wrong")
    assert sign_in(alice.email, PASSWORD, "192.0.2.2") == alice
    assert sign_in(bob.email, PASSWORD) == bob
    assert throttled() == 1


def test_many_tries_elsewhere_do_not_make_it_forget(alice: User) -> None:
    for _time in range(10):
        assert sign_in(alice.email, "wrong") is None
    for number in range(2000):
        throttle.take(throttle.of_passwords(f"{number}@example.com", f"192.0.2.{number}"))
    with pytest.raises(TooManyAttempts):
        sign_in(alice.email, PASSWORD)


def test_a_counter_always_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis: between the steps of one addition the window can end."""
    limits = throttle.of_registrations("192.0.2.1")
    touched: list[str] = []
    monkeypatch.setattr(cache, "incr", lambda key: 1)
    monkeypatch.setattr(cache, "touch", lambda key, timeout: touched.append(key))
    throttle.take(limits)
    assert touched == [limits[0].key]


def test_the_api_says_when_to_come_back(alice: User, client: Client) -> None:
    body = {"email": alice.email, "password": "wrong"}
    for _time in range(10):
        assert client.post(LOGIN, body, content_type="application/json").status_code == 401
    answer = client.post(LOGIN, body, content_type="application/json")
    assert answer.status_code == 429 and answer.headers["Retry-After"] == "300"
    assert answer.json()["error"]["code"] == "too_many_attempts"


def test_the_current_password_cannot_be_guessed_on_the_page(
    alice: User, client_for: Callable[[User], Client]
) -> None:
    client = client_for(alice)
    form = {"old_password": "wrong", "new_password": NEW_PASSWORD}
    for _time in range(10):
        assert client.post("/accounts/password/", form).status_code == 422
    answer = client.post("/accounts/password/", form | {"old_password": PASSWORD})
    assert answer.status_code == 429 and answer.headers["Retry-After"] == "300"
    assert "Too many attempts" in answer.text
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)
    assert throttled() == 1


def test_the_current_password_cannot_be_guessed_by_api(
    alice: User, api: Callable[[User], ApiClient]
) -> None:
    client = api(alice)
    for _time in range(10):
        refused = client.post("auth/password", old_password="wrong", new_password=NEW_PASSWORD)
        assert refused.status_code == 422
    answer = client.post("auth/password", old_password=PASSWORD, new_password=NEW_PASSWORD)
    assert answer.status_code == 429 and answer.headers["Retry-After"] == "300"


def test_a_weak_new_password_is_no_guess(alice: User) -> None:
    for _time in range(12):
        with pytest.raises(services.ValidationError) as refused:
            services.change_password(user=alice, old_password=PASSWORD, new_password="short")
        assert "new_password" in refused.value.message_dict
    services.change_password(user=alice, old_password=PASSWORD, new_password=NEW_PASSWORD)


def test_registrations_are_limited_per_address(db: None, client: Client) -> None:
    PlatformSettings.objects.create(registration="approval")
    url = "/api/v1/auth/register"
    body = {"email": "taken@example.com", "password": "short"}
    for _time in range(25):
        answer = client.post(url, body, content_type="application/json")
        assert answer.status_code == 422, "nothing was told about accounts"
    body["password"] = NEW_PASSWORD
    answers = [client.post(url, body, content_type="application/json") for _time in range(21)]
    assert [answer.status_code for answer in answers] == [201] + [422] * 19 + [429]
    assert answers[-1].headers["Retry-After"] == "3600"
    form = {"email": "new@example.com", "password": NEW_PASSWORD}
    page = client.post("/accounts/register/", form)
    assert page.status_code == 429 and page.headers["Retry-After"] == "3600"
    assert "Too many attempts" in page.text
    elsewhere = client.post("/accounts/register/", form, REMOTE_ADDR="192.0.2.2")
    assert elsewhere.status_code == 200
    assert AuditEvent.objects.filter(action="registration.throttled").count() == 1
