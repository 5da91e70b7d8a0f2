"""Which of many page sessions somebody is still signed in with: two queries for all of them."""

from collections.abc import Collection, Iterator
from typing import Any

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from accounts.models import User

AT_ONCE = 500


def live_page_sessions(keys: Collection[str]) -> set[str]:
    """As `django.contrib.auth.get_user` decides for one request."""
    live: set[str] = set()
    for some in _parts(sorted(keys)):
        rows = Session.objects.filter(session_key__in=some, expire_date__gt=timezone.now())
        said = {row.session_key: row.get_decoded() for row in rows}
        ids = {data[SESSION_KEY] for data in said.values() if SESSION_KEY in data}
        users = {str(user.pk): user for user in User.objects.filter(pk__in=ids, is_active=True)}
        live |= {
            key for key, data in said.items() if _is_of(users.get(str(data.get(SESSION_KEY))), data)
        }
    return live


def _is_of(user: User | None, data: dict[str, Any]) -> bool:
    """Signed in with the password of now."""
    if user is None:
        return False
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return any(constant_time_compare(data.get(HASH_SESSION_KEY, ""), each) for each in hashes)


def _parts(keys: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(keys), AT_ONCE):
        yield keys[start : start + AT_ONCE]
