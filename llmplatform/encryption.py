"""Secrets at rest: Fernet with key rotation. The first key encrypts, all decrypt."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet


class KeyUnreadable(Exception):
    """Stored with a key that FIELD_ENCRYPTION_KEYS no longer holds."""


@lru_cache(maxsize=4)
def _fernet(keys: tuple[str, ...]) -> "MultiFernet":
    # Only here: a process that reads no secret does without the library.
    from cryptography.fernet import Fernet, MultiFernet

    return MultiFernet([Fernet(key) for key in keys])


@contextmanager
def _reading() -> Iterator[None]:
    from cryptography.fernet import InvalidToken

    try:
        yield
    except InvalidToken as error:
        raise KeyUnreadable from error


def encrypt(secret: str) -> str:
    keys = tuple(settings.FIELD_ENCRYPTION_KEYS)
    return _fernet(keys).encrypt(secret.encode()).decode() if secret else ""


def decrypt(token: str) -> str:
    if not token:
        return ""
    with _reading():
        return _fernet(tuple(settings.FIELD_ENCRYPTION_KEYS)).decrypt(token.encode()).decode()


def rotate(token: str) -> str:
    """The same secret under today's first key. Raises KeyUnreadable."""
    with _reading():
        return _fernet(tuple(settings.FIELD_ENCRYPTION_KEYS)).rotate(token.encode()).decode()


def is_current(token: str) -> bool:
    """Whether it is under the first key, or nothing."""
    if not token:
        return True
    try:
        with _reading():
            _fernet((settings.FIELD_ENCRYPTION_KEYS[0],)).decrypt(token.encode())
    except KeyUnreadable:
        return False
    return True
