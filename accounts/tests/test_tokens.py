"""Refresh tokens: single use, one family, grace for parallel tabs."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts import services, tokens
from accounts.models import AuthSession, RefreshToken, User


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
