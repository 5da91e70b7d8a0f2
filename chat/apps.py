"""Connects what is told by signals."""

from django.apps import AppConfig


class ChatConfig(AppConfig):
    name = "chat"

    def ready(self) -> None:
        from chat.search import index  # noqa: F401
