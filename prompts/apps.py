"""The library is filled with the platform's presets after each migration."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class PromptsConfig(AppConfig):
    name = "prompts"

    def ready(self) -> None:
        from prompts.presets import seed_after_migrate

        post_migrate.connect(seed_after_migrate, sender=self)
