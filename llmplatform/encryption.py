"""Secrets at rest: Fernet with key rotation. The first key encrypts, all decrypt."""

from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class KeyUnreadable(Exception):
    """Stored with a key that FIELD_ENCRYPTION_KEYS no longer holds."""


@lru_cache(maxsize=4)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def encrypt(secret: str) -> str:
    keys = tuple(settings.FIELD_ENCRYPTION_KEYS)
    return _fernet(keys).encrypt(secret.encode()).decode() if secret else ""


def decrypt(token: str) -> str:
    if not token:
        return ""
    try:
        return _fernet(tuple(settings.FIELD_ENCRYPTION_KEYS)).decrypt(token.encode()).decode()
    except InvalidToken as error:
        raise KeyUnreadable from error


def rotate(token: str) -> str:
    """The same secret under today's first key. Raises KeyUnreadable."""
    try:
        return _fernet(tuple(settings.FIELD_ENCRYPTION_KEYS)).rotate(token.encode()).decode()
    except InvalidToken as error:
        raise KeyUnreadable from error


def is_current(token: str) -> bool:
    """Whether it is under the first key, or nothing."""
    if not token:
        return True
    try:
        Fernet(settings.FIELD_ENCRYPTION_KEYS[0]).decrypt(token.encode())
    except InvalidToken:
        return False
    return True
