"""Connects what other apps ask and tell by signals."""

from django.apps import AppConfig


class ProvidersConfig(AppConfig):
    name = "providers"

    def ready(self) -> None:
        from providers import changes, scopes  # noqa: F401
