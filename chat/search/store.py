"""The index in each database's own words: made, asked, and on SQLite written and emptied."""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from chat.models import FIRST_ID, SearchEntry, word_of

# So many of the newest entries are looked through before the index is asked, then twice as many
# older ones and so on while at least one in `SCARCE` has the words: what the index finds, a
# database fetches whole to sort it, for every batch, and a word may be in half of all messages.
NEWEST = 4000
WINDOW_MAX = 32_000
SCARCE = 64
BATCH = 2000
BATCH_MAX = 32_000

CREATE = {
    "sqlite": (
        "CREATE VIRTUAL TABLE chat_search USING fts5"
        "(terms, content='', detail=none, tokenize='ascii')",
        # The next id follows the highest one that there ever was.
        "INSERT INTO sqlite_sequence (name, seq) VALUES ('chat_searchentry', {first})",
    ),
    "postgresql": (
        "CREATE INDEX chat_searchentry_terms ON chat_searchentry USING gin (terms)"
        " WITH (gin_pending_list_limit = 512)",
        "SELECT setval(pg_get_serial_sequence('chat_searchentry', 'id'), {first})",
    ),
    "mysql": (
        "ALTER TABLE chat_searchentry ADD FULLTEXT chat_searchentry_terms (terms)",
        "ALTER TABLE chat_searchentry AUTO_INCREMENT = {first}",
    ),
}
DROP = {"sqlite": "DROP TABLE chat_search"}
EMPTY = {"sqlite": "INSERT INTO chat_search (chat_search) VALUES ('delete-all')"}

COLUMNS = "id, session_id, message_id"
HOLDS = {
    "postgresql": "terms @> %s::integer[]",
    # The words have one length, so that none is a part of another.
    "mysql": "terms LIKE %s",
}
IN_WINDOW = (
    f"SELECT {COLUMNS} FROM (SELECT {COLUMNS}, terms FROM chat_searchentry WHERE owner_id = %s"
    " AND id < %s ORDER BY id DESC LIMIT %s) AS newest WHERE {holds} ORDER BY id DESC"
)
BY_INDEX = {
    "sqlite": (
        "SELECT entry.id, entry.session_id, entry.message_id FROM chat_search AS found"
        " CROSS JOIN chat_searchentry AS entry ON entry.id = found.rowid"
        " WHERE chat_search MATCH %s AND entry.owner_id = %s AND found.rowid < %s"
        " ORDER BY found.rowid DESC LIMIT %s"
    ),
    "postgresql": (
        f"WITH found AS MATERIALIZED (SELECT {COLUMNS}, owner_id FROM chat_searchentry"
        " WHERE terms @> %s::integer[])"
        f" SELECT {COLUMNS} FROM found WHERE owner_id = %s AND id < %s ORDER BY id DESC LIMIT %s"
    ),
    "mysql": (
        f"SELECT {COLUMNS} FROM chat_searchentry WHERE MATCH (terms) AGAINST (%s IN BOOLEAN MODE)"
        " AND owner_id = %s AND id < %s ORDER BY id DESC LIMIT %s"
    ),
}

Row = tuple[int, UUID, UUID]


def create(database: BaseDatabaseWrapper) -> None:
    with database.cursor() as cursor:
        for statement in CREATE[database.vendor]:
            cursor.execute(statement.format(first=FIRST_ID))


def drop(database: BaseDatabaseWrapper) -> None:
    if statement := DROP.get(database.vendor):
        with database.cursor() as cursor:
            cursor.execute(statement)


def empty() -> None:
    """Before everything is written anew; the entries are gone already."""
    if statement := EMPTY.get(connection.vendor):
        with connection.cursor() as cursor:
            cursor.execute(statement)


def add(rows: Sequence[tuple[int, Sequence[int]]]) -> None:
    """Entries' ids and terms; other databases have them from the entries themselves."""
    if connection.vendor == "sqlite":
        _write("INSERT INTO chat_search (rowid, terms) VALUES (%s, %s)", rows)


def remove(rows: Sequence[tuple[int, Sequence[int]]]) -> None:
    """With the terms that were added."""
    if connection.vendor == "sqlite":
        _write(
            "INSERT INTO chat_search (chat_search, rowid, terms) VALUES ('delete', %s, %s)", rows
        )


def _write(statement: str, rows: Sequence[tuple[int, Sequence[int]]]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(statement, [(pk, " ".join(map(word_of, terms))) for pk, terms in rows])


def by_index(owner_id: int, terms: Sequence[int], before: int, count: int) -> tuple[str, list[Any]]:
    """The statement for entries with all these terms, the newest first, and its parameters."""
    wanted: Any = list(terms)
    if connection.vendor == "sqlite":
        wanted = " AND ".join(f'"{word_of(term)}"' for term in terms)
    elif connection.vendor == "mysql":
        wanted = " ".join(f"+{word_of(term)}" for term in terms)
    return BY_INDEX[connection.vendor], [wanted, owner_id, before, count]


def candidates(owner_id: int, terms: Sequence[int]) -> Iterator[list[Row]]:
    """Entries of that person with all these terms, the newest first, in batches."""
    before = 2**62
    if connection.vendor in HOLDS:
        size = NEWEST
        while True:
            yield (rows := _in_window(owner_id, terms, before, size))
            floor = _floor(owner_id, before, size)
            if floor is None:
                return
            before = floor
            if len(rows) * SCARCE < size:
                break
            size = min(size * 2, WINDOW_MAX)
    count = BATCH
    while rows := _rows(*by_index(owner_id, terms, before, count)):
        yield rows
        if len(rows) < count:
            return
        before = rows[-1][0]
        count = min(count * 4, BATCH_MAX)


def _in_window(owner_id: int, terms: Sequence[int], before: int, size: int) -> list[Row]:
    """Those of the `size` entries before that one which have all the terms."""
    if connection.vendor == "postgresql":
        holds, wanted = HOLDS["postgresql"], [list(terms)]
    else:
        holds = " AND ".join([HOLDS["mysql"]] * len(terms))
        wanted = [f"%{word_of(term)}%" for term in terms]  # type: ignore[misc]
    return _rows(IN_WINDOW.format(holds=holds), [owner_id, before, size, *wanted])


def _floor(owner_id: int, before: int, size: int) -> int | None:
    """The oldest entry of that window; None where there is nothing older."""
    of_owner = SearchEntry.objects.filter(owner=owner_id, id__lt=before).order_by("-id")
    found = list(of_owner.values_list("id", flat=True)[size - 1 : size])
    return found[0] if found else None


def _rows(statement: str, parameters: Sequence[Any]) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return [(pk, _uuid(session), _uuid(message)) for pk, session, message in cursor.fetchall()]


def _uuid(value: Any) -> UUID:
    return value if isinstance(value, UUID) else UUID(value)
