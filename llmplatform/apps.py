"""The project as an app (commands, checks), and its console as Django's default admin site."""

from django.apps import AppConfig, apps
from django.contrib.admin.apps import AdminConfig
from django.utils.translation import gettext_lazy as _

# What the console calls the apps.
APP_NAMES = {
    "accounts": _("People"),
    "providers": _("Models"),
    "prompts": _("Prompts"),
    "knowledge": _("Knowledge"),
    "training": _("Training"),
    "chat": _("Chat"),
}


class PlatformConfig(AppConfig):
    name = "llmplatform"
    default = True

    def ready(self) -> None:
        from llmplatform import checks  # noqa: F401


class ConsoleConfig(AdminConfig):
    default = False
    default_site = "llmplatform.console.ConsoleSite"

    def ready(self) -> None:
        from llmplatform.console_texts import name_fields

        super().ready()
        for label, name in APP_NAMES.items():
            apps.get_app_config(label).verbose_name = name
        name_fields()
