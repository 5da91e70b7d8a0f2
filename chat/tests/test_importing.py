"""Chats from elsewhere: what is read, what is refused, what is written, and nothing twice."""

import io
import json
import random
import time
import uuid
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, User
from chat import exporting, forgetting, import_worker, services
from chat.importing import elements, sources, work
from chat.importing.conversations import time_of
from chat.importing.elements import Element, Part, Unreadable
from chat.models import ChatImport, ChatSession, ImportStatus, Message
from chat.search.finding import find
from chat.threads import Tree, Turn
from conftest import ApiClient
from providers.models import ProviderModel

ClientFor = Callable[[User], Client]
AT = 1_700_000_000.5


def node(key: str, parent: str | None, role: str, *parts: Any, **changes: Any) -> dict[str, Any]:
    message: dict[str, Any] = {
        "id": key,
        "author": {"role": role},
        "create_time": AT + len(key),
        "content": {"content_type": "text", "parts": list(parts)},
        "metadata": {"model_slug": "gpt-9"},
        "recipient": "all",
    }
    return {"id": key, "parent": parent, "children": [], "message": message | changes}


def chatgpt(key: str = "c1", title: str = "Trip", *more: dict[str, Any]) -> dict[str, Any]:
    """A question with two answers, the second of which was shown and went on."""
    nodes = [
        {"id": "root", "parent": None, "children": ["sys"], "message": None},
        node("sys", "root", "system", "", metadata={"is_visually_hidden_from_conversation": True}),
        node("q1", "sys", "user", "Where to?"),
        node("a1", "q1", "assistant", "Rome."),
        node(
            "t2",
            "q1",
            "assistant",
            content={"content_type": "thoughts", "thoughts": [{"content": "Warm and near"}]},
        ),
        node("call", "t2", "assistant", "search()", recipient="browser"),
        node("tool", "call", "tool", "results"),
        node("a2", "tool", "assistant", "Bern."),
        node(
            "q2",
            "a2",
            "user",
            content={"content_type": "multimodal_text", "parts": [{"asset": 1}, "And this?"]},
            metadata={"attachments": [{"id": "f"}]},
        ),
        *more,
    ]
    last = nodes[-1]["id"]
    return {
        "id": key,
        "conversation_id": key,
        "title": title,
        "create_time": AT,
        "update_time": AT + 60,
        "mapping": {each["id"]: each for each in nodes},
        "current_node": last,
    }


def openwebui(key: str = "w1", title: str = "Recipes") -> dict[str, Any]:
    thoughts = (
        '<details type="reasoning" done="true" duration="3">\n<summary>Thought for 3 seconds'
        "</summary>\n&gt; Eggs &amp; flour\n</details>\nPancakes."
    )
    messages = {
        "m1": {
            "id": "m1",
            "parentId": None,
            "role": "user",
            "content": "Dinner?",
            "timestamp": 1_700_000_000,
        },
        "m2": {
            "id": "m2",
            "parentId": "m1",
            "role": "assistant",
            "content": thoughts,
            "model": "echo",
            "timestamp": 1_700_000_005,
            "usage": {"prompt_tokens": 7, "completion_tokens": 9},
        },
        "m3": {
            "id": "m3",
            "parentId": "m1",
            "role": "assistant",
            "content": "Soup.",
            "timestamp": 1_700_000_009,
        },
    }
    return {
        "id": key,
        "title": title,
        "pinned": True,
        "archived": False,
        "created_at": 1_700_000_000,
        "updated_at": 1_700_000_100,
        "chat": {"history": {"messages": messages, "currentId": "m2"}, "system": "Be brief."},
    }


def zipped(*files: tuple[str, bytes], **options: Any) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return target.getvalue()


def begin(owner: User, content: Any, name: str = "conversations.json") -> ChatImport:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return work.begin(owner=owner, file=io.BytesIO(raw), file_name=name, size_bytes=len(raw))


def bring(owner: User, content: Any) -> ChatImport:
    return work.start(row=begin(owner, content), actor=owner)


def shown(session: ChatSession) -> list[tuple[str, str]]:
    path = Tree.of(session).path_to(session.tip_id)
    return [(message.role, message.content) for message in path]


def turns(session: ChatSession) -> list[Turn]:
    tree = Tree.of(session)
    return tree.turns(tree.nodes_to(session.tip_id))


def test_chatgpt(db: None, alice: User) -> None:
    row = begin(
        alice,
        zipped(
            ("conversations.json", json.dumps([chatgpt()]).encode()),
            ("user.json", b"{}"),
            ("chat.html", b"<p>"),
        ),
    )
    assert row.status == ImportStatus.READY and not ChatSession.objects.exists(), "only looked at"
    assert row.counts["new"] == 1 and row.counts["messages"] == 4
    assert (row.counts["images"], row.counts["files"], row.counts["tools"]) == (1, 1, 1)
    (listed,) = row.listed
    assert (listed["title"], listed["state"], listed["source"]) == ("Trip", "new", "chatgpt")
    done = work.start(row=row, actor=alice)
    assert done.status == ImportStatus.DONE and not done.file.exists()
    session = ChatSession.objects.get()
    assert shown(session) == [("user", "Where to?"), ("assistant", "Bern."), ("user", "And this?")]
    assert session.updated_at == datetime.fromtimestamp(AT + 60, UTC)
    answer = session.messages.get(content="Bern.")
    assert (answer.thinking_content, answer.model_label) == ("Warm and near", "gpt-9")
    just_after = timedelta(microseconds=1)  # its first version, which says the same time
    assert answer.created_at == datetime.fromtimestamp(AT + 2, UTC) + just_after
    turn = turns(session)[1]
    assert len(turn.versions) == 2 and [m.position for m in session.messages.all()] == [0, 1, 1, 2]
    event = AuditEvent.objects.get(action="chat.import")
    assert "Trip" not in str(event.after) and "conversations" not in str(event.target_label)


@pytest.mark.parametrize("key", [f"c{number}" for number in range(6)])
def test_versions_of_one_moment_stay_in_their_order(db: None, alice: User, key: str) -> None:
    """Their ids, which would decide otherwise, differ with the chat's."""
    bring(alice, [chatgpt(key)])
    versions = turns(ChatSession.objects.get())[1].versions
    texts = dict(Message.objects.values_list("pk", "content"))
    assert [texts[pk] for pk in versions] == ["Rome.", "Bern."]


def test_imported_words_are_found(db: None, alice: User) -> None:
    bring(alice, [chatgpt(), openwebui()])
    hits = find(ChatSession.objects.for_user(alice), owner=alice, text="pancakes").items
    assert [hit.chat.title for hit in hits] == ["Recipes"]


def test_open_webui(echo: ProviderModel, alice: User) -> None:
    bring(alice, [openwebui()])
    session = ChatSession.objects.get()
    assert shown(session) == [("user", "Dinner?"), ("assistant", "Pancakes.")]
    assert session.is_pinned and session.system_prompt == "Be brief." and session.model == echo
    answer = session.messages.get(content="Pancakes.")
    assert (answer.thinking_content, answer.thinking_ms) == ("Eggs & flour", 3000)
    assert (answer.prompt_tokens, answer.completion_tokens) == (7, 9)
    assert len(turns(session)[1].versions) == 2
    assert services.ask(session=session, actor=alice, content="And dessert?").parent is not None


def test_our_own_export(session: ChatSession, alice: User, bob: User) -> None:
    from chat.generation import generator

    first = services.ask(session=session, actor=alice, content="/think one")
    assert generator.wait(10)
    services.ask_again(answer=first, actor=alice)
    assert generator.wait(10)
    session.refresh_from_db()
    file = exporting.as_json(session).encode()
    assert begin(alice, file).counts == {"chats": 1, "messages": 3, "known": 1}
    bring(bob, file)
    copy = ChatSession.objects.get(owner=bob)
    assert shown(copy) == shown(session) and copy.messages.count() == 3
    assert copy.title == session.title and copy.pk != session.pk
    kept = {m.thinking_content for m in copy.messages.all()}
    assert kept == {m.thinking_content for m in session.messages.all()}


def test_a_second_time_nothing_comes_twice(db: None, alice: User, bob: User) -> None:
    both = [chatgpt(), openwebui(), chatgpt()]
    bring(alice, both)
    before = set(Message.objects.values_list("pk", flat=True))
    again = begin(alice, both)
    assert (again.wanted, again.counts["known"]) == (0, 2)
    with pytest.raises(ValidationError, match="nothing to import"):
        work.start(row=again, actor=alice)
    assert set(Message.objects.values_list("pk", flat=True)) == before
    bring(bob, both)
    assert ChatSession.objects.count() == 4, "another person's are another's"


def test_what_was_said_since_is_added(echo: ProviderModel, alice: User) -> None:
    bring(alice, [chatgpt()])
    longer = [chatgpt("c1", "Trip", node("a3", "q2", "assistant", "A castle."))]
    row = begin(alice, longer)
    assert (row.counts.get("new"), row.counts["grown"]) == (None, 1)
    work.start(row=row, actor=alice)
    session = ChatSession.objects.get()
    assert shown(session)[-1] == ("assistant", "A castle.") and session.messages.count() == 5
    local = Message.objects.create(
        session=session, parent_id=session.tip_id, position=4, role="user", content="Here"
    )
    ChatSession.objects.update(tip=local)
    bring(
        alice,
        [
            chatgpt(
                "c1",
                "Trip",
                node("a3", "q2", "assistant", "A castle."),
                node("q4", "a3", "user", "There"),
            )
        ],
    )
    session.refresh_from_db()
    assert session.tip_id == local.pk, "who went on here stays where they are"
    assert session.messages.filter(content="There").exists()


def test_a_deleted_chat_is_not_brought_back(db: None, alice: User) -> None:
    bring(alice, [chatgpt()])
    ChatSession.objects.update(deleted_at=timezone.now())
    row = begin(alice, [chatgpt()])
    assert row.wanted == 0 and row.skipped[0]["code"] == "deleted"


def test_what_is_no_conversation_is_skipped_and_said(db: None, alice: User) -> None:
    empty = chatgpt("c2", "Nothing") | {"mapping": {"root": {"message": None}}}
    row = bring(
        alice, [chatgpt(), 7, None, {"title": "A list of things"}, empty, {"mapping": {"a": 3}}]
    )
    assert row.counts["new"] == 1 and row.counts["skipped"] == 5
    assert [each["code"] for each in row.skipped] == ["unknown"] * 3 + ["empty"] * 2
    assert [each["title"] for each in row.skipped] == ["", "", "A list of things", "Nothing", ""]


@pytest.mark.parametrize(
    "change",
    [
        {"title": None, "create_time": "yesterday", "update_time": 1e300},
        {"title": "a\x00b\ud800" * 900, "current_node": "gone"},
        {"current_node": ["x"], "is_archived": "yes"},
    ],
)
def test_odd_values_do_no_harm(db: None, alice: User, change: dict[str, Any]) -> None:
    row = bring(alice, [chatgpt() | change])
    session = ChatSession.objects.get()
    assert row.status == "done" and session.messages.count() == 4 and session.tip_id is not None
    assert "\x00" not in session.title and len(session.title) <= 200


def test_circles_and_orphans_do_no_harm(db: None, alice: User) -> None:
    odd = chatgpt("c3", "Odd", node("x", "y", "user", "x"), node("y", "x", "assistant", "y"))
    odd["mapping"]["o"] = node("o", "nowhere", "user", "orphan")
    odd["mapping"]["s"] = node("s", "s", "user", "itself")
    row = bring(alice, [odd])
    assert row.status == "done"
    assert set(Message.objects.values_list("content", flat=True)) >= {"orphan", "Where to?"}


def test_a_very_long_chain_is_read(db: None, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = {
        str(n): node(str(n), str(n - 1) if n else None, ["user", "assistant"][n % 2], f"m{n}")
        for n in range(1500)
    }
    bring(alice, [{"id": "long", "mapping": nodes, "current_node": "1499"}])
    assert ChatSession.objects.get().tip.position == 1499  # type: ignore[union-attr]
    monkeypatch.setattr(sources, "MAX_MESSAGES", 9)
    too_long = {str(n): node(str(n), None, "user", "x") for n in range(10)}
    assert begin(alice, [{"mapping": too_long}]).skipped[0]["code"] == "long"


def whole(content: bytes, piece: int = 1024**2) -> list[Element]:
    part = Part("", len(content), lambda: io.BytesIO(content))
    old, elements.CHUNK_BYTES = elements.CHUNK_BYTES, piece
    try:
        return list(elements.elements(part, lambda _bytes: None))
    finally:
        elements.CHUNK_BYTES = old


def test_every_split_of_a_file_reads_the_same() -> None:
    values = [
        {"a": 'x"\\"]}', "n": -1.5e3},
        ["é", "世界", "😀"],
        {},
        [],
        "t\\u00e9",
        12345,
        True,
        None,
    ]
    content = json.dumps(values, ensure_ascii=False, indent=1).encode()
    for piece in range(1, 40):
        assert [each.value for each in whole(content, piece)] == values
    assert [each.line for each in whole(b"[\n1,\n\n2\n]")] == [2, 4]


def test_what_is_too_large_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elements, "ELEMENT_MAX_CHARS", 300)
    large = {"text": 'brackets ]}"\\ ' * 60, "deep": [[[{}]]]}
    content = json.dumps([{"a": 1}, large, {"b": 2}]).encode()
    for piece in (7, 64, 100_000):
        found = whole(content, piece)
        assert [each.value for each in found][::2] == [{"a": 1}, {"b": 2}] and len(found) == 3
        assert found[1].is_large or piece == 100_000


@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        (b"", "no_chats", 1),
        (b"hello", "no_chats", 1),
        (b'[{"a": 1},\n{"b": }]', "json", 2),
        (b'[{"a": 1}\n\n{"b": 1}]', "json", 3),
        (b'[{"a": 1},\n{"b": "cut', "json", 2),
        (b'[{"a": 1}', "json", 1),
        (b'[{"a": 1}] x', "json", 1),
        (b"[" * 100_000, "deep", 1),
        (b'[{"a": ' * 50_000, "deep", 1),
        (b"[\n" + b"9" * 5000 + b"]", "json", 2),
        (b'[{"a": "\xff\xfe"}]', "encoding", 1),
    ],
)
def test_hostile_json_is_refused_with_its_line(content: bytes, code: str, line: int) -> None:
    started = time.monotonic()
    with pytest.raises(Unreadable) as caught:
        whole(content)
    assert (caught.value.code, caught.value.values["line"]) == (code, line)
    assert time.monotonic() - started < 5


def test_random_damage_never_ends_in_an_error_of_ours() -> None:
    good, dice = json.dumps([chatgpt(), openwebui()]).encode(), random.Random(7)
    for _round in range(300):
        bad = bytearray(good)
        for _change in range(dice.randint(1, 4)):
            bad[dice.randrange(len(bad))] = dice.randrange(256)
        try:
            whole(bytes(bad[: dice.randint(1, len(bad))]), 4096)
        except Unreadable as error:
            assert error.code in ("json", "encoding", "no_chats", "deep")


def bomb() -> bytes:
    """A ZIP of a few MB with three GB of one list in it, as it says itself."""
    target = io.BytesIO()
    archive = zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
    with archive, archive.open("conversations.json", "w", force_zip64=True) as file:
        for _each in range(3):
            file.write(b"[" + b" " * (32 * 1024**2))
    content = bytearray(target.getvalue())
    at = content.rfind(b"PK\x01\x02")
    content[at + 24 : at + 28] = (3 * 1024**3).to_bytes(4, "little")
    return bytes(content)


def many_files() -> bytes:
    content = bytearray(zipped(("conversations.json", b"[]")))
    at = content.rfind(b"PK\x05\x06")
    content[at + 10 : at + 12] = (65_000).to_bytes(2, "little")
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (bomb, "unpacked"),
        (many_files, "zip_files"),
        (lambda: zipped(("a.txt", b"x")), "zip_without"),
        (lambda: zipped(("conversations.json", b"[]" * 400))[:-30], "zip_broken"),
        (lambda: b"PK\x03\x04" + b"\x00" * 100, "zip_broken"),
        (lambda: zipped(("conversations.json", b"nothing")), "no_chats"),
        (lambda: b"", "empty"),
    ],
)
def test_hostile_zips_are_refused(
    db: None, alice: User, content: Callable[[], bytes], code: str
) -> None:
    row = begin(alice, content(), "export.zip")
    assert (row.status, row.error_code) == (ImportStatus.FAILED, code)
    assert not row.file.exists()


def test_a_damaged_part_of_a_zip_is_found_while_reading(db: None, alice: User) -> None:
    content = bytearray(zipped(("conversations.json", json.dumps([chatgpt()] * 20).encode())))
    content[120] ^= 0xFF
    assert begin(alice, bytes(content)).error_code in ("zip_broken", "json", "encoding")


def test_all_parts_of_a_new_export_are_read(db: None, alice: User) -> None:
    parts = [
        (f"x/conversations-00{n}.json", json.dumps([chatgpt(f"c{n}")]).encode()) for n in range(3)
    ]
    bring(
        alice,
        zipped(
            *parts, ("x/shared_conversations.json", b"[1]"), ("__MACOSX/conversations.json", b"x")
        ),
    )
    assert ChatSession.objects.count() == 3


@pytest.mark.parametrize(
    ("value", "year"),
    [(AT, 2023), (AT * 1000, 2023), (int(AT) * 10**9, 2023), ("2024-05-06T07:08:09Z", 2024),
     ("2024-05-06T07:08:09", 2024), (0, None), (-1, None), (float("inf"), None), (1e300, None),
     ("now", None), ("2024-99-06T07:08:09", None), (True, None), (None, None)],
)  # fmt: skip
def test_times(value: Any, year: int | None) -> None:
    found = time_of(value)
    assert (found.year if found else None) == year


def test_what_is_large_waits_for_a_process(
    transactional_db: None, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "INLINE_BYTES", 10)
    monkeypatch.setattr(work, "_nudge", lambda: None)
    row = begin(alice, [chatgpt()])
    assert row.status == ImportStatus.QUEUED
    started: list[uuid.UUID] = []
    assert work.look(started.append) == 1 and started == [row.pk] and work.look(started.append) == 0
    monkeypatch.setattr(import_worker.resource, "setrlimit", lambda *_args: None)
    assert import_worker.main(str(row.pk)) == 0
    row.refresh_from_db()
    assert row.status == ImportStatus.READY
    assert import_worker.main(str(row.pk)) == 3
    assert work.start(row=row, actor=alice).status == ImportStatus.QUEUED
    assert work.look(started.append) == 1 and import_worker.main(str(row.pk)) == 0
    assert ChatSession.objects.count() == 1


def test_a_dead_process_is_followed_by_another_and_then_given_up(db: None, alice: User) -> None:
    row = ChatImport.objects.create(owner=alice, file_name="a", size_bytes=1)
    started: list[uuid.UUID] = []
    for _attempt in range(work.MAX_ATTEMPTS):
        assert work.look(started.append) == 1
        ChatImport.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    assert work.look(started.append) == 0 and len(started) == work.MAX_ATTEMPTS
    row.refresh_from_db()
    assert (row.status, row.error_code) == (ImportStatus.FAILED, "broke_off")


def test_discarding_ends_a_running_import(db: None, alice: User) -> None:
    row = begin(alice, [chatgpt()])
    ChatImport.objects.update(status=ImportStatus.RUNNING, is_started=True, attempt=5)
    row = ChatImport.objects.select_related("owner").get()
    path = row.file
    ChatImport.objects.update(attempt=6)
    work.run(row)
    assert path.exists() and not ChatSession.objects.exists(), "another attempt has taken over"


def test_limits_of_one_person(db: None, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    for _each in range(work.MAX_OPEN):
        begin(alice, [chatgpt()])
    with pytest.raises(ValidationError, match="Several imports wait"):
        begin(alice, [chatgpt()])
    monkeypatch.setattr(work, "MAX_BYTES", 3)
    with pytest.raises(ValidationError, match="larger than"):
        begin(alice, b"[  ]")
    ChatImport.objects.update(created_at=timezone.now() - timedelta(days=3))
    assert forgetting.forget_imports() == work.MAX_OPEN


def test_the_pages(transactional_db: None, alice: User, bob: User, client_for: ClientFor) -> None:
    client = client_for(alice)
    assert "Where to get the file" in client.get("/chat/imports/").text
    assert client.post("/chat/imports/").status_code == 422
    file = SimpleUploadedFile("<b>.json", json.dumps([chatgpt(title="<i>Trip"), 7]).encode())
    sent = client.post("/chat/imports/", {"file": file})
    assert sent.status_code == 302
    path = sent.headers["Location"]
    page = client.get(path).text
    assert "Import 1 chat" in page and "&lt;i&gt;Trip" in page and "<i>Trip" not in page
    assert "no conversation of ChatGPT" in page and "1 image, 1 file, 1 use of a tool" in page
    assert client_for(bob).get(path).status_code == 404
    assert client_for(bob).post(f"{path}start/").status_code == 404
    assert client.post(f"{path}start/").status_code == 302
    assert "1 chat was imported" in client.get(path).text
    assert "<html" not in client.get(path, headers={"HX-Request": "true"}).text
    assert client.post(f"{path}discard/").status_code == 302
    assert not ChatImport.objects.exists() and ChatSession.objects.count() == 1
    broken = client.post("/chat/imports/", {"file": SimpleUploadedFile("a.json", b'[\n{"x": }]')})
    assert "wrong at line 2, column 7" in client.get(broken.headers["Location"]).text


def test_through_the_api(
    transactional_db: None, alice: User, bob: User, api: Callable[[User], ApiClient]
) -> None:
    client = api(alice)
    file = SimpleUploadedFile("a.json", json.dumps([chatgpt(), 7]).encode())
    sent = client.client.post("/api/v1/chat/imports", {"file": file})
    assert sent.status_code == 201 and sent.json()["status"] == "ready"
    path = f"chat/imports/{sent.json()['id']}"
    assert sent.json()["skipped"][0]["message"].startswith("This is no conversation")
    assert api(bob).get(path).status_code == api(bob).post(f"{path}/start").status_code == 404
    assert client.post(f"{path}/start").json()["status"] == "done"
    assert client.post(f"{path}/start").status_code == 422
    assert client.get("chat/imports").json()["count"] == 1
    assert client.delete(path).status_code == 204 and ChatSession.objects.count() == 1
