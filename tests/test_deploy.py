"""`manage.py check --deploy` is clean with the settings of a real installation, and only then."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from cryptography.fernet import Fernet
from django.conf import settings

# In processes with an environment of their own.
pytestmark = pytest.mark.sources

COMMAND = ["manage.py", "check", "--deploy", "--fail-level", "WARNING"]


def _check(folder: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "PLATFORM_DATA": str(folder),
        "SECRET_KEY": "a-key-of-fifty-or-more-characters-that-somebody-drew-by-lot-0123456789",
        "FIELD_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "ALLOWED_HOSTS": "models.example.com",
        "CSRF_TRUSTED_ORIGINS": "https://models.example.com",
    }
    return subprocess.run(
        [sys.executable, *COMMAND],
        cwd=settings.BASE_DIR,
        env=environment | changes,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_real_installation_has_no_warning(tmp_path: Path) -> None:
    result = _check(tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr


def test_each_careless_setting_is_named(tmp_path: Path) -> None:
    result = _check(
        tmp_path,
        CSRF_TRUSTED_ORIGINS="",
        DEBUG="1",
        ALLOWED_HOSTS="*",
        FIELD_ENCRYPTION_KEYS="not a key",
    )
    assert result.returncode != 0
    for problem in ("llmplatform.E001", "llmplatform.E002", "llmplatform.W001", "security.W018"):
        assert problem in result.stderr


def test_a_wrong_value_names_its_variable(tmp_path: Path) -> None:
    result = _check(tmp_path, DEBUG="perhaps")
    assert result.returncode != 0
    assert "DEBUG must be one of" in result.stderr


def test_the_containers_make_an_installation_that_trains() -> None:
    """The worker is a node, the web process reaches what it serves, and the proxy is believed."""
    compose = yaml.safe_load((settings.BASE_DIR / "docker-compose.yml").read_text())
    web, worker = compose["services"]["web"], compose["services"]["worker"]
    assert worker["build"]["target"] == "training"
    environment = worker["environment"]
    assert environment["SERVING_HOST"] == environment["NODE_NAME"] == worker["hostname"]
    assert environment["DATABASE_URL"] == web["environment"]["DATABASE_URL"]
    assert web["environment"]["FORWARDED_ALLOW_IPS"]
    *_stages, training = (settings.BASE_DIR / "Dockerfile").read_text().split("\nFROM ")
    assert "worker celery node.${NODE_NAME" in training
