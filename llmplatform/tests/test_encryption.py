"""Secrets at rest: the first key encrypts, all decrypt."""

from typing import Any

import pytest
from cryptography.fernet import Fernet

from llmplatform.encryption import KeyUnreadable, decrypt, encrypt, rotate

OLD, NEW, OTHER = (Fernet.generate_key().decode() for _key in range(3))


def test_it_round_trips_any_text(settings: Any) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [NEW]
    for secret in ("sk-123", "密钥", "a" * 4000):
        token = encrypt(secret)
        assert secret not in token and decrypt(token) == secret


def test_nothing_stays_nothing() -> None:
    assert encrypt("") == "" and decrypt("") == ""


def test_a_new_first_key_still_reads_what_the_old_one_wrote(settings: Any) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [OLD]
    token = encrypt("secret")
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    assert decrypt(token) == "secret"
    moved = rotate(token)
    settings.FIELD_ENCRYPTION_KEYS = [NEW]
    assert decrypt(moved) == "secret"
    with pytest.raises(KeyUnreadable):
        decrypt(token)


@pytest.mark.parametrize("token", ["not a token", "gAAAAA", "é"])
def test_what_no_key_reads_is_an_error_of_its_own(settings: Any, token: str) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [OTHER]
    with pytest.raises(KeyUnreadable):
        decrypt(token)
