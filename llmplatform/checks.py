"""System checks: rules between settings that no single reader can see."""

import os
from typing import Any

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

SETTINGS = "settings"


@register(Tags.security, SETTINGS)
def check_encryption_keys(**kwargs: Any) -> list[CheckMessage]:
    for key in settings.FIELD_ENCRYPTION_KEYS:
        try:
            Fernet(key)
        except ValueError:
            return [
                Error(
                    "FIELD_ENCRYPTION_KEYS holds a value that is not a Fernet key.",
                    hint="Make one with: python -c 'from cryptography.fernet import Fernet; "
                    "print(Fernet.generate_key().decode())'",
                    id="llmplatform.E001",
                )
            ]
    return []


@register(Tags.security, SETTINGS)
def check_hosts(**kwargs: Any) -> list[CheckMessage]:
    if "*" in settings.ALLOWED_HOSTS:
        return [
            Error(
                "ALLOWED_HOSTS accepts any host name.",
                hint="Name the hosts; '*' opens DNS rebinding and poisoned links.",
                id="llmplatform.E002",
            )
        ]
    return []


@register(Tags.security, deploy=True)
def check_tls(**kwargs: Any) -> list[CheckMessage]:
    if settings.BEHIND_TLS:
        return []
    return [
        Warning(
            "The platform is not configured for TLS.",
            hint="Set CSRF_TRUSTED_ORIGINS=https://your.host behind a TLS-terminating proxy.",
            id="llmplatform.W001",
        )
    ]


@register(SETTINGS)
def check_swanlab(**kwargs: Any) -> list[CheckMessage]:
    if settings.SWANLAB_MODE not in ("off", "disabled", "local", "cloud", "self-hosted"):
        return [
            Error(
                f"SWANLAB_MODE is {settings.SWANLAB_MODE!r}, which means nothing.",
                hint="Use off, local, self-hosted or cloud.",
                id="llmplatform.E003",
            )
        ]
    needed = {"cloud": ("SWANLAB_API_KEY",), "self-hosted": ("SWANLAB_API_KEY", "SWANLAB_API_HOST")}
    missing = [name for name in needed.get(settings.SWANLAB_MODE, ()) if not os.environ.get(name)]
    if not missing:
        return []
    return [
        Warning(
            f"SWANLAB_MODE is {settings.SWANLAB_MODE}, and {' and '.join(missing)} is not set.",
            hint="Nodes need it; until then nothing is mirrored, and trainings go on as ever.",
            id="llmplatform.W002",
        )
    ]
