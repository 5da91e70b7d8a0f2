"""`manage.py chat_search`: brings older messages into the index that chats are searched by."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from chat.models import SearchFill
from chat.search import filling

STEP_S = 60.0


class Command(BaseCommand):
    help = "Fill the index of chats now, as the platform does in the background."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--rebuild", action="store_true", help="forget what is in it and begin anew"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["rebuild"]:
            filling.begin()
        while not filling.fill(STEP_S, is_alone=True, told=self._tell):
            pass
        self.stdout.write("Every chat can be found.")

    def _tell(self, fill: SearchFill) -> None:
        """Only whole steps: a session of many messages takes several."""
        if fill.sessions_done != getattr(self, "_told", -1):
            self._told = fill.sessions_done
            self.stdout.write(f"{fill.sessions_done} of {fill.sessions_total} chats")
