"""Searching chats, on the database of this run, against a plain look at every message."""

import random
import re
import uuid
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import User
from chat.models import ChatSession, Message, MessageStatus, SearchEntry, SearchFill, word_of
from chat.search import filling, index, store
from chat.search.finding import find
from chat.search.snippets import snippet
from chat.search.terms import LETTER, Query, folded, terms_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]


def chat_with(owner: User, *texts: str, title: str = "", **fields: object) -> ChatSession:
    chat = ChatSession.objects.create(owner=owner, title=title)
    messages = [
        Message(session=chat, position=at, role=("user", "assistant")[at % 2], content=text)
        for at, text in enumerate(texts)
    ]
    with transaction.atomic():
        Message.objects.bulk_create(messages)
        index.add(messages)
    return chat


def found(owner: User, text: str, **wanted: int) -> list[ChatSession]:
    hits = find(ChatSession.objects.for_user(owner), owner=owner, text=text, **wanted)
    return [hit.chat for hit in hits.items]


@pytest.mark.parametrize(
    ("wanted", "is_found"),
    [
        *(("数据库", True), ("据", True), ("数据", True), ("据库的索", True), ("数库", False)),
        *(("postgres", True), ("POSTGRESQL", True), ("post", True), ("p", True)),
        *(("gres", False), ("postgresqls", False), ("tokens", True), ("max_tok", True)),
        *(("ＧＰＴ", True), ("gpt4", True), ("GPT4模型", True), ("模型 postgres", True)),
        *(("模型 mysql", False), ("strasse", True), ("Ärger", True), ("的索引", True)),
        *(("库 索引 gpt", True), ("索引库", False), ("internationalizations", False)),
        *(("internationalization", True), ("ハロー", True), ("안녕", True), ("??", False)),
    ],
)
def test_what_is_found(alice: User, wanted: str, is_found: bool) -> None:
    text = (
        "数据库的索引：PostgreSQL, `max_tokens`. 我用GPT4模型。 Straße, ärger internationalization"
        " ハローワールド 안녕하세요"
    )
    chat = chat_with(alice, text)
    assert (found(alice, wanted) == [chat]) == is_found


def test_nobody_finds_what_another_wrote(alice: User, bob: User) -> None:
    chat_with(bob, "our secret plan 秘密")
    mine = chat_with(alice, "no secret here")
    assert found(alice, "secret") == [mine]
    assert found(alice, "秘密") == [] and len(found(bob, "秘密")) == 1
    # A caller who names somebody else's chats finds nothing either.
    theirs = ChatSession.objects.for_user(bob)
    assert find(theirs, owner=alice, text="secret").items == []


def test_titles_come_first_then_the_newest_message(alice: User) -> None:
    old = chat_with(alice, "apple in a message")
    titled = chat_with(alice, "nothing", title="An Apple <b>")
    new = chat_with(alice, "pear", "apple pie", "and an apple")
    hits = find(ChatSession.objects.for_user(alice), owner=alice, text="apple").items
    assert [hit.chat for hit in hits] == [titled, new, old]
    assert hits[0].title is not None and hits[0].title.marks == ((3, 8),)
    assert hits[1].message_id == new.messages.get(position=2).pk
    assert hits[1].snippet is not None and hits[1].snippet.text == "and an apple"


def test_pages_neither_repeat_nor_leave_out(alice: User) -> None:
    chats = [chat_with(alice, f"word {n}", title="word" * (n % 3 == 0)) for n in range(11)]
    pages = [found(alice, "word", start=start, count=3) for start in (0, 3, 6, 9)]
    assert [len(page) for page in pages] == [3, 3, 3, 2]
    assert {chat.pk for page in pages for chat in page} == {chat.pk for chat in chats}
    hits = find(ChatSession.objects.for_user(alice), owner=alice, text="word", start=9, count=2)
    assert not hits.has_more
    assert found(alice, "word", start=11) == []


def test_a_chat_that_is_not_asked_for_is_not_found(alice: User) -> None:
    pinned, other = chat_with(alice, "word"), chat_with(alice, "word")
    ChatSession.objects.filter(pk=pinned.pk).update(is_pinned=True)
    rows = ChatSession.objects.for_user(alice).filter(is_pinned=True)
    assert [hit.chat for hit in find(rows, owner=alice, text="word").items] == [pinned]
    assert other in found(alice, "word")


ALPHABET = ["的", "数", "据", "库", "索", "引", "a", "ab", "Ab", "b", "é", " ", " ", ".", "_", "１"]


def naive(text: str, wanted: str) -> bool:
    """Every word by how it begins, every run of Chinese anywhere."""
    runs = re.findall(r"[数据库索引的]+|[^\W_数据库索引的]+", folded(wanted))
    plain = folded(text)
    return bool(runs) and all(
        run in plain if run[0] in "数据库索引的" else re.search(f"(?<!{LETTER}){run}", plain)
        for run in runs
    )


def test_the_index_finds_what_a_scan_finds(
    alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So small that the newest, older ones, the index and several batches all take part.
    monkeypatch.setattr(store, "NEWEST", 20)
    monkeypatch.setattr(store, "SCARCE", 4)
    monkeypatch.setattr(store, "BATCH", 7)
    draw = random.Random(20)
    texts: dict[uuid.UUID, list[str]] = {}
    for number in range(60):
        said = ["".join(draw.choices(ALPHABET, k=draw.randint(1, 12))) for _each in range(4)]
        chat = chat_with(alice if number % 3 else bob, *said)
        if number % 3:
            texts[chat.pk] = said
    for _query in range(150):
        wanted = "".join(draw.choices(ALPHABET, k=draw.randint(1, 4)))
        expected = {pk for pk, said in texts.items() if any(naive(text, wanted) for text in said)}
        got = found(alice, wanted, count=100)
        assert len(got) == len(set(got)) and {chat.pk for chat in got} == expected, wanted


def plan_of(sql: str, parameters: list[object]) -> str:
    word = {"sqlite": "EXPLAIN QUERY PLAN", "postgresql": "EXPLAIN", "mysql": "EXPLAIN"}
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # As with a million rows: of a few, reading all of them is the best plan.
            cursor.execute("SET enable_seqscan = off")
        cursor.execute(f"{word[connection.vendor]} {sql}", parameters)
        return str(cursor.fetchall())


def test_the_database_asks_its_index(alice: User) -> None:
    chat_with(alice, "some words 索引")
    terms = Query("some 索引").terms(alice.pk)
    plan = plan_of(*store.by_index(alice.pk, terms, 2**62, store.BATCH))
    index_of = {
        "sqlite": "VIRTUAL TABLE INDEX",
        "postgresql": "Bitmap Index Scan on chat_searchentry_terms",
        "mysql": "chat_searchentry_terms",
    }
    assert index_of[connection.vendor] in plan
    if connection.vendor == "sqlite":
        assert "SEARCH entry USING INTEGER PRIMARY KEY" in plan


def test_the_list_of_chats_comes_in_the_order_of_an_index(alice: User) -> None:
    chat_with(alice, "x")
    rows = ChatSession.objects.for_user(alice).listed()[:40]
    sql, parameters = rows.query.sql_with_params()
    with transaction.atomic():
        if connection.vendor == "postgresql":  # which sorts a single row rather than look it up
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL enable_sort = off")
        plan = plan_of(sql, list(parameters))
    used = {"sqlite": "chat_session_", "postgresql": "chat_session_kept", "mysql": ""}
    assert used[connection.vendor] in plan
    assert "TEMP B-TREE" not in plan and "Sort" not in plan


GONE, KEPT = "a word 秘密", "another word"


def test_a_deleted_chat_leaves_nothing_in_the_index(alice: User, bob: User) -> None:
    gone, kept = chat_with(alice, GONE), chat_with(alice, KEPT)
    chat_with(bob, "word")
    gone.delete()
    assert found(alice, "word") == [kept]
    bob.delete()
    assert SearchEntry.objects.count() == 1
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("CREATE VIRTUAL TABLE temp.rest USING fts5vocab(main, chat_search, row)")
            cursor.execute("SELECT term FROM temp.rest WHERE doc > 0")
            left = {row[0] for row in cursor.fetchall()}
            cursor.execute("DROP TABLE temp.rest")
        texts = {
            text: {word_of(term) for term in terms_of(alice.pk, text)} for text in (GONE, KEPT)
        }
        # Other tests leave their own behind: they empty tables without a word to anybody.
        assert left & (texts[GONE] | texts[KEPT]) == texts[KEPT]


def test_what_is_older_than_the_index_is_filled_in_newest_first(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "SESSIONS_AT_ONCE", 2)
    monkeypatch.setattr(filling, "MESSAGES_AT_ONCE", 3)
    now = timezone.now()
    chats = []
    for number in range(5):
        chat = ChatSession.objects.create(owner=alice, created_at=now + timedelta(hours=number))
        for at in range(4):
            Message.objects.create(session=chat, position=at, role="user", content=f"word {at}")
        chats.append(chat)
    running = Message.objects.create(
        session=chats[0], position=4, role="assistant", content="x", status=MessageStatus.STREAMING
    )
    assert found(alice, "word") == []
    assert filling.begin().sessions_total == 5 and filling.state() is not None
    since = chat_with(alice, "a word of now")
    seen: list[int] = []
    assert filling.fill(60, is_alone=True, told=lambda fill: seen.append(fill.sessions_done))
    assert seen[0] == 0 and seen[-1] == 6 and seen == sorted(seen) and filling.state() is None
    assert found(alice, "word") == [since, *chats[::-1]]
    assert not SearchEntry.objects.filter(message=running).exists()
    hit = find(ChatSession.objects.filter(pk=chats[2].pk), owner=alice, text="word").items[0]
    assert hit.snippet is not None and hit.snippet.text == "word 3"
    # Once more from nothing, as the command does it: the same, and nothing twice.
    before = SearchEntry.objects.count()
    filling.begin()
    assert found(alice, "word") == [] and filling.fill(60)
    assert SearchEntry.objects.count() == before and len(found(alice, "word")) == 6
    assert SearchFill.objects.get().percent <= 99


def test_snippets_show_the_words() -> None:
    query = Query("数据库 index")
    text = "前言" * 40 + "\n\n这里是**数据库**的说明   with an INDEX on it. " + "后" * 300
    shown = snippet(text, query)
    assert shown.text.startswith("…") and shown.text.endswith("…") and len(shown.text) <= 145
    assert [shown.text[start:end] for start, end in shown.marks] == ["数据库", "INDEX"]
    assert "".join(piece for piece, _marked in shown.pieces()) == shown.text
    # One character may fold into several.
    ligature = snippet("ﬃ Straße and Straßen", Query("strasse"))
    assert [ligature.text[s:e] for s, e in ligature.marks] == ["Straße", "Straße"]
    assert snippet("short", Query("none")).marks == ()
