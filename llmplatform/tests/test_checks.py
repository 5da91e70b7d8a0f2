"""Rules between settings."""

from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.conf import LazySettings

from llmplatform import checks


def test_keys_must_be_keys(settings: Any) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    assert checks.check_encryption_keys() == []
    settings.FIELD_ENCRYPTION_KEYS = ["short"]
    assert [found.id for found in checks.check_encryption_keys()] == ["llmplatform.E001"]


def test_hosts_are_named(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["models.example.com"]
    assert checks.check_hosts() == []
    settings.ALLOWED_HOSTS = ["*"]
    assert [found.id for found in checks.check_hosts()] == ["llmplatform.E002"]


def test_tls_is_expected_in_production(settings: Any) -> None:
    settings.BEHIND_TLS = True
    assert checks.check_tls() == []
    settings.BEHIND_TLS = False
    assert [found.id for found in checks.check_tls()] == ["llmplatform.W001"]


@pytest.mark.parametrize(
    ("mode", "host", "key", "found"),
    [
        ("local", "", "", []),
        ("off", "", "", []),
        ("online", "", "", ["llmplatform.E003"]),
        ("cloud", "", "", ["llmplatform.W002"]),
        ("cloud", "", "key", []),
        ("self-hosted", "", "key", ["llmplatform.W002"]),
        ("self-hosted", "https://swanlab.lan", "key", []),
    ],
)
def test_swanlab_needs_what_its_mode_needs(
    settings: LazySettings,
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    host: str,
    key: str,
    found: list[str],
) -> None:
    settings.SWANLAB_MODE = mode
    monkeypatch.setenv("SWANLAB_API_HOST", host)
    monkeypatch.setenv("SWANLAB_API_KEY", key)
    assert [each.id for each in checks.check_swanlab()] == found
