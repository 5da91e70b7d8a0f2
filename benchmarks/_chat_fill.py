"""A million messages for one person, written past the pages, in a process that has set Django up:
what to search for, what to open, what it took.
"""

import time
import uuid
from datetime import timedelta
from random import Random
from typing import Any

from django.db import connection, transaction
from django.db.models import Model
from django.utils import timezone

from accounts.models import User
from benchmarks._chat_corpus import Corpus
from chat.models import FIRST_ID, ChatSession, Message, SearchEntry
from chat.search import store
from chat.search.terms import Query, terms_of

LONGEST = 10_000
AT_ONCE = 5_000
# Each of these texts is said twenty times in a million messages.
DIFFERENT = 50_000
EVERY, SECOND = timedelta(minutes=20), timedelta(seconds=1)


def sizes(sessions: int, messages: int) -> list[int]:
    """Of every session but the longest: most are short, few are long; even numbers."""
    draw = Random(3)
    shares = [draw.lognormvariate(0, 0.8) for _session in range(sessions - 1)]
    scale = (messages - LONGEST) / sum(shares)
    return [max(2, round(share * scale / 2) * 2) for share in shares]


class Writer:
    """Rows past the ORM, which would take longer than all else together."""

    def __init__(self, model: type[Model], **same: Any) -> None:
        self._fields = model._meta.concrete_fields
        self._table, self._rows = model._meta.db_table, list[list[Any]]()
        self._same = {
            field.attname: getattr(model(**same), field.attname) for field in self._fields
        }

    def add(self, **values: Any) -> None:
        given = self._same | values
        row = [field.get_db_prep_save(given[field.attname], connection) for field in self._fields]
        self._rows.append(row)

    def flush(self) -> None:
        names = ", ".join(str(field.column) for field in self._fields)
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                with cursor.copy(f"COPY {self._table} ({names}) FROM STDIN") as copy:
                    for row in self._rows:
                        copy.write_row(row)
            else:
                marks = ", ".join(["%s"] * len(self._fields))
                cursor.executemany(
                    f"INSERT INTO {self._table} ({names}) VALUES ({marks})", self._rows
                )
        self._rows = []


def fill(owner: User, corpus: Corpus, sessions: int, messages: int) -> ChatSession:
    """The oldest first; the newest but 100 is the longest, which is returned."""
    wanted = sizes(sessions, messages)
    wanted.insert(max(0, len(wanted) - 100), LONGEST)
    draw, now = Random(5), timezone.now()
    spoken = [(text, terms_of(owner.pk, text)) for text in corpus.texts(DIFFERENT)]
    rows, entries = Writer(Message), Writer(SearchEntry, owner=owner)
    found: list[tuple[int, list[int]]] = []
    number, longest = FIRST_ID, None
    for place, size in enumerate(wanted):
        at = now - (len(wanted) - place) * EVERY
        title = f"{corpus.chinese[place * 7 % 5000]} {corpus.english[place * 11 % 5000]}"
        session = ChatSession(owner=owner, title=title, created_at=at, updated_at=at)
        longest = session if size == LONGEST else longest
        parent: uuid.UUID | None = None
        for position in range(size):
            text, terms = spoken[draw.randrange(DIFFERENT // 2) * 2 + position % 2]
            number, pk = number + 1, uuid.UUID(int=draw.getrandbits(128), version=4)
            role = "assistant" if position % 2 else "user"
            of = {"session_id": session.pk, "id": pk, "parent_id": parent, "content": text}
            rows.add(**of, position=position, role=role, created_at=at + position * SECOND)
            entries.add(id=number, session_id=session.pk, message_id=pk, terms=terms)
            found.append((number, terms))
            parent = pk
        session.tip_id = parent
        session.save(force_insert=True)
        if len(found) >= AT_ONCE or place == len(wanted) - 1:
            with transaction.atomic():
                rows.flush()
                entries.flush()
                store.add(found)
            found = []
    assert longest is not None
    return longest


def searches(corpus: Corpus) -> dict[str, str]:
    one, two, four = (next(w for w in corpus.chinese if len(w) == size) for size in (1, 2, 4))
    apart = next(w for w in corpus.chinese if len(w) == 2 and w[0] == two[1])
    return {
        "a common word": corpus.english[0],
        "a rare word": corpus.english[-1],
        "two letters": corpus.english[0][:2],
        "two common words": " ".join(corpus.english[1:3]),
        "one character": one,
        "two characters": two,
        "four characters": four,
        "a rare word of two": [word for word in corpus.chinese if len(word) == 2][-1],
        "pairs that are common, together never": two + apart[1] + two,
        "nothing": "zzyzx",
    }


def explained(owner: User, words: str) -> list[str]:
    sql, parameters = store.by_index(owner.pk, Query(words).terms(owner.pk), 2**62, store.BATCH)
    listed = ChatSession.objects.for_user(owner).listed().with_answering()[:40]
    explain = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
    found = []
    with connection.cursor() as cursor:
        for statement in ((sql, parameters), listed.query.sql_with_params()):
            cursor.execute(f"{explain} {statement[0]}", statement[1])
            found.append("\n".join(" ".join(map(str, row)) for row in cursor.fetchall()))
    return found


def _run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(statement)


def filled(sessions: int, messages: int) -> dict[str, Any]:
    owner, corpus = User.objects.get(), Corpus()
    started = time.monotonic()
    if connection.vendor == "postgresql":
        _run("DROP INDEX chat_searchentry_terms")
    longest = fill(owner, corpus, sessions, messages)
    written = time.monotonic()
    if connection.vendor == "postgresql":
        _run(store.CREATE["postgresql"][0])
    indexed = time.monotonic()
    if connection.vendor != "sqlite":
        word = "ANALYZE" if connection.vendor == "postgresql" else "ANALYZE TABLE"
        with connection.cursor() as cursor:
            for table in ("chat_chatsession", "chat_message", "chat_searchentry"):
                cursor.execute(f"{word} {table}")
                if connection.vendor == "mysql":
                    cursor.fetchall()
    wanted = searches(corpus)
    return {
        "messages": Message.objects.count(),
        "write_s": written - started,
        "index_s": indexed - written,
        "longest": str(longest.pk),
        "searches": wanted,
        "plans": explained(owner, wanted["four characters"]),
        "vendor": connection.vendor,
    }
