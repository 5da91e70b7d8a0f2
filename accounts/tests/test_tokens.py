"""Refresh tokens: single use, one family, grace for parallel tabs. Access tokens: only our own."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import jwt
import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connection
from django.db.models import QuerySet
from django.test import Client
from django.utils import timezone

from accounts import services, tokens
from accounts.models import AuthSession, RefreshToken, User
from accounts.tasks import forget
from llmplatform.celery import app


def test_it_rotates_once_and_gives_parallel_callers_the_same_successor(alice: User) -> None:
    first = tokens.open_session(user=alice, request=None)
    second = tokens.rotate(secret=first.refresh)
    again = tokens.rotate(secret=first.refresh)
    assert second.refresh == again.refresh != first.refresh


def test_reuse_after_the_grace_time_ends_the_family(alice: User) -> None:
    first = tokens.open_session(user=alice, request=None)
    second = tokens.rotate(secret=first.refresh)
    RefreshToken.objects.filter(used_at__isnull=False).update(
        used_at=timezone.now() - timedelta(seconds=11)
    )
    with pytest.raises(tokens.RefreshRefused):
        tokens.rotate(secret=first.refresh)
    with pytest.raises(tokens.RefreshRefused):
        tokens.rotate(secret=second.refresh)
    assert tokens.user_of_access_token(second.access) is None


def test_a_deactivated_user_has_no_token_left(alice: User, admin_user: User) -> None:
    pair = tokens.open_session(user=alice, request=None)
    assert tokens.user_of_access_token(pair.access) == alice
    services.deactivate(user=alice, actor=admin_user)
    assert tokens.user_of_access_token(pair.access) is None
    with pytest.raises(tokens.RefreshRefused):
        tokens.rotate(secret=pair.refresh)


def test_an_absolute_end_limits_rotation(alice: User) -> None:
    pair = tokens.open_session(user=alice, request=None)
    AuthSession.objects.update(expires_at=timezone.now())
    with pytest.raises(tokens.RefreshRefused):
        tokens.rotate(secret=pair.refresh)


@pytest.mark.parametrize("raw", ["", "x", "a.b.c", "é", "\x00", "eyJhbGciOiJub25lIn0.e30."])
def test_forged_access_tokens_are_refused(db: None, raw: str) -> None:
    assert tokens.user_of_access_token(raw) is None


def test_the_database_holds_nothing_that_works_as_a_token(alice: User) -> None:
    pair = tokens.open_session(user=alice, request=None)
    stored: list[Any] = list(RefreshToken.objects.values()) + list(AuthSession.objects.values())
    assert pair.refresh not in str(stored)
    assert pair.access not in str(stored)


def test_parallel_refreshes_make_one_pair(
    transactional_db: None, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tokens.open_session(user=alice, request=None)
    all_read = Barrier(20)
    find = QuerySet.first

    def find_together(rows: QuerySet[Any]) -> Any:
        found = find(rows)
        if rows.model is RefreshToken:
            all_read.wait(timeout=20)
        return found

    def refresh(_number: int) -> str:
        try:
            return tokens.rotate(secret=first.refresh).refresh
        finally:
            connection.close()

    monkeypatch.setattr(QuerySet, "first", find_together)
    with ThreadPoolExecutor(20) as threads:
        successors = set(threads.map(refresh, range(20)))
    assert len(successors) == 1 and first.refresh not in successors
    assert RefreshToken.objects.count() == 2


def test_an_expired_refresh_token_is_refused(alice: User) -> None:
    pair = tokens.open_session(user=alice, request=None)
    RefreshToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(tokens.RefreshRefused):
        tokens.rotate(secret=pair.refresh)
    assert RefreshToken.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "key", "algorithm"),
    [
        ({"aud": "another-api"}, None, "HS256"),
        ({"aud": None}, None, "HS256"),
        ({"iss": "another platform"}, None, "HS256"),
        ({"iss": None}, None, "HS256"),
        ({"exp": 1_000_000_000}, None, "HS256"),
        ({"exp": None}, None, "HS256"),
        ({"token_type": "refresh"}, None, "HS256"),
        ({"sub": "0"}, None, "HS256"),
        ({}, "another key" * 8, "HS256"),
        ({}, None, "HS512"),
        ({}, "", "none"),
    ],
)
def test_signed_tokens_of_others_are_refused(
    alice: User, changes: dict[str, Any], key: str | None, algorithm: str
) -> None:
    pair = tokens.open_session(user=alice, request=None)
    claims = jwt.decode(pair.access, options={"verify_signature": False})
    same = jwt.encode(claims, settings.SECRET_KEY, "HS256")
    assert tokens.user_of_access_token(same) == alice, "the changes alone are what is refused"
    changed = {name: value for name, value in (claims | changes).items() if value is not None}
    forged = jwt.encode(changed, settings.SECRET_KEY if key is None else key, algorithm)
    assert tokens.user_of_access_token(forged) is None


@pytest.mark.parametrize("action", ["refresh", "logout"])
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_other_sites_do_not_send_the_cookie(alice: User, action: str, site: str) -> None:
    client = Client()
    pair = tokens.open_session(user=alice, request=None)
    client.cookies["refresh_token"] = pair.refresh
    url = f"/api/v1/auth/{action}"
    refused = client.post(url, headers={"Sec-Fetch-Site": site})
    assert refused.status_code == 403 and refused.json()["error"]["code"] == "origin_refused"
    assert tokens.user_of_access_token(pair.access) == alice
    assert client.post(url, headers={"Sec-Fetch-Site": "same-origin"}).status_code in (200, 204)


def test_a_readable_successor_is_erased_after_the_grace_time(alice: User) -> None:
    pair = tokens.open_session(user=alice, request=None)
    tokens.rotate(secret=pair.refresh)
    forget()
    tokens.rotate(secret=pair.refresh)
    late = timezone.now() - timedelta(seconds=11)
    RefreshToken.objects.filter(used_at__isnull=False).update(used_at=late)
    forget()
    assert set(RefreshToken.objects.values_list("successor_secret", flat=True)) == {""}
    with pytest.raises(tokens.RefreshRefused):
        tokens.rotate(secret=pair.refresh)
    assert AuthSession.objects.get().revoke_reason == "reuse of a rotated token"


def test_what_ended_long_ago_is_deleted(alice: User) -> None:
    now, day = timezone.now(), timedelta(days=1)
    for ended in (-day, 6 * day, 8 * day):
        tokens.open_session(user=alice, request=None)
        newest = AuthSession.objects.latest("created_at")
        AuthSession.objects.filter(pk=newest.pk).update(expires_at=now - ended)
        revoked = AuthSession.objects.create(user=alice, expires_at=now + day)
        AuthSession.objects.filter(pk=revoked.pk).update(revoked_at=now - ended)
        session = AuthSession.objects.create(user=alice, expires_at=now + day)
        RefreshToken.objects.create(session=session, sha256=str(ended), expires_at=now - ended)
    Client().force_login(alice)
    Session.objects.create(session_key="old", session_data="", expire_date=now - day)
    forget()
    assert AuthSession.objects.count() == 7
    assert RefreshToken.objects.count() == 4
    assert not Session.objects.filter(session_key="old").exists() and Session.objects.exists()


def test_forgetting_is_scheduled() -> None:
    app.loader.import_default_modules()
    for entry in settings.CELERY_BEAT_SCHEDULE.values():
        assert entry["task"] in app.tasks
    assert settings.CELERY_BEAT_SCHEDULE["accounts.forget"]["schedule"] == 3600
