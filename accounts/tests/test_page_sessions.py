"""Looking at many page sessions at once decides as Django does for one."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from accounts.access import Caller, signed_in, user_of_page_session
from accounts.models import User
from accounts.tokens import open_session


def key_of(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def agreed(key: str) -> bool:
    """Whether it still is somebody's, once both ways have said the same."""
    found = Caller("", key) in signed_in([Caller("", key)])
    assert found == (user_of_page_session(key) is not None)
    return found


def test_a_session_is_live_until_it_ends(alice: User) -> None:
    key = key_of(alice)
    assert agreed(key)
    Session.objects.filter(pk=key).update(expire_date=timezone.now() - timedelta(seconds=1))
    assert not agreed(key)


def test_a_new_password_ends_it(alice: User) -> None:
    key = key_of(alice)
    alice.set_password("another-password-123")
    alice.save()
    assert Caller("", key) not in signed_in([Caller("", key)])


def test_a_deactivated_account_ends_it(alice: User) -> None:
    key = key_of(alice)
    alice.is_active = False
    alice.save()
    assert not agreed(key)


def test_a_changed_secret_with_its_predecessor_kept_does_not(alice: User, settings: Any) -> None:
    key = key_of(alice)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "x" * 60
    assert Caller("", key) in signed_in([Caller("", key)])


@pytest.mark.parametrize("key", ["", "forged", "x" * 200])
def test_what_is_no_session_is_nobody(db: None, key: str) -> None:
    assert not agreed(key)


def test_an_anonymous_session_is_nobody(db: None, client: Client) -> None:
    session = client.session
    session["anything"] = 1
    session.save()
    assert not agreed(session.session_key or "")


def test_many_cost_two_queries(alice: User, bob: User, django_assert_num_queries: Any) -> None:
    callers = [Caller("", key_of(user)) for user in (alice, bob) for _each in range(5)]
    with django_assert_num_queries(2):
        assert signed_in(callers) == set(callers)


def test_tokens_are_looked_at_too(alice: User) -> None:
    good = Caller(open_session(user=alice, request=None).access, "")
    assert signed_in([good, Caller("forged", "")]) == {good}
