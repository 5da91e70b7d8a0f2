"""The index that chats are searched by. It holds nothing that messages don't: it can be built anew.

Where the terms are: PostgreSQL, an array with a GIN index; MariaDB and MySQL, words with a FULLTEXT
index; SQLite, the FTS5 table `chat_search`, whose rowid is the entry's id.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from chat.models.sessions import ChatSession, Message

# Entries of what is written from now on count up from here, those of older messages down.
FIRST_ID = 2**40


def word_of(term: int) -> str:
    """A term where the index takes words."""
    return format(term & 0xFFFFFFFF, "08x")


class TermsField(models.Field[Any, Any]):
    """Sorted 32-bit numbers, only written. SQLite keeps them in its own table."""

    TYPES: ClassVar = {"postgresql": "integer[]", "mysql": "mediumtext", "sqlite": "varchar(1)"}

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return self.TYPES[connection.vendor]

    def get_placeholder(self, value: Any, compiler: Any, connection: BaseDatabaseWrapper) -> str:
        return "%s::integer[]" if connection.vendor == "postgresql" else "%s"

    def get_db_prep_value(
        self, value: Sequence[int], connection: BaseDatabaseWrapper, prepared: bool = False
    ) -> Any:
        if connection.vendor == "postgresql":
            return list(value)
        return " ".join(map(word_of, value)) if connection.vendor == "mysql" else ""


class SearchEntry(models.Model):
    """A message that can be found: not while it is being written. The newer, the higher its id."""

    id = models.BigAutoField(primary_key=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False
    )
    session = models.ForeignKey(ChatSession, models.CASCADE, related_name="+")
    message = models.OneToOneField(Message, models.CASCADE, related_name="search_entry")
    terms = TermsField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["owner", "id"], name="chat_search_owner")]

    def __str__(self) -> str:
        return str(self.message_id)


class SearchFill(models.Model):
    """How far older messages are in the index: one row. Sessions go in by age, the newest first.

    `session_at`, `session_id`: the last one that is in as a whole; None before the first.
    """

    session_at = models.DateTimeField(null=True, blank=True)
    session_id = models.UUIDField(null=True, blank=True)
    sessions_done = models.PositiveIntegerField(default=0)
    sessions_total = models.PositiveIntegerField(default=0)
    finished_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.sessions_done}/{self.sessions_total}"

    @property
    def percent(self) -> int:
        return min(99, 100 * self.sessions_done // max(1, self.sessions_total))
