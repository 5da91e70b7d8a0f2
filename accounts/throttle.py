"""Tries counted per window, so that nobody guesses passwords or makes accounts in bulk.

A try is counted before it is worked on: tries at the same time cannot all pass one look.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from django.core.cache import cache

from accounts.models.tokens import digest


class TooManyAttempts(Exception):
    """`is_first` of its window: the audit log must not grow as fast as somebody can ask."""

    def __init__(self, retry_after_s: int, *, is_first: bool) -> None:
        super().__init__("too many attempts")
        self.retry_after_s = retry_after_s
        self.is_first = is_first


@dataclass(frozen=True)
class Limit:
    key: str
    most: int
    window_s: int


def of_passwords(email: str, address: str) -> list[Limit]:
    """Wrong passwords of one account (reliability plan, section 3).

    The account's own limit comes last: tries that are refused for where they come from must not
    keep its owner out.
    """
    return [
        _limit("login:address", address, 100, 3600),
        _limit("login:pair", f"{email}|{address}", 10, 300),
        _limit("login:account", email, 50, 3600),
    ]


def of_registrations(address: str) -> list[Limit]:
    return [_limit("register:address", address, 20, 3600)]


def _limit(kind: str, name: str, most: int, window_s: int) -> Limit:
    return Limit(f"{kind}:{digest(name)[:32]}", most, window_s)


def take(limits: Sequence[Limit]) -> None:
    """Count one try in each of `limits`, or in none and raise TooManyAttempts."""
    for place, limit in enumerate(limits):
        if _count(limit) > limit.most:
            give_back(limits[: place + 1])
            is_first = cache.add(f"{limit.key}:told", 1, limit.window_s)
            raise TooManyAttempts(limit.window_s, is_first=is_first)


def give_back(limits: Sequence[Limit]) -> None:
    for limit in limits:
        with suppress(ValueError):  # the window ended in between
            cache.decr(limit.key)


def _count(limit: Limit) -> int:
    cache.add(limit.key, 0, limit.window_s)
    try:
        count = cache.incr(limit.key)
    except ValueError:  # the window ended in between
        return _count(limit)
    if count <= 1:
        # Redis makes a counter without an end where one ended between its two steps.
        cache.touch(limit.key, limit.window_s)
    return int(count)
