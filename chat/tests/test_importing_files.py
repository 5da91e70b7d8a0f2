"""Images and text files that an export carries."""

import base64
import json
from typing import Any

import pytest

from accounts.models import User
from chat.importing import storing, work
from chat.models import Attachment, ChatSession, Message
from chat.tests.test_attachments import picture
from chat.tests.test_importing import begin, chatgpt, node, openwebui, shown, zipped


def asked(key: str, parts: list[Any], *attachments: dict[str, Any]) -> dict[str, Any]:
    content = {"content_type": "multimodal_text", "parts": parts}
    return node(key, "a1", "user", content=content, metadata={"attachments": list(attachments)})


def part(pointer: str) -> dict[str, Any]:
    return {"content_type": "image_asset_pointer", "asset_pointer": pointer}


def names(content: str) -> list[str]:
    message = Message.objects.get(content=content)
    return list(message.attachments.values_list("name", flat=True))


def test_chatgpt_with_its_zip(db: None, alice: User) -> None:
    chat = chatgpt(
        "c1",
        "Trip",
        asked(
            "q3",
            [part("file-service://file-Red1"), "Look"],
            {"id": "file-Red1", "name": "red.png", "mime_type": "image/png"},
            {"id": "file-Plan", "name": "plan.md", "mime_type": "text/markdown"},
            {"id": "file-Paper", "name": "paper.pdf", "mime_type": "application/pdf"},
        ),
        asked("q4", [part("sediment://file_00ff#p_1"), part("sediment://file_gone"), "Both"]),
        asked("q5", [part("file-service://file-Bad"), "Broken"]),
        asked("q6", [part("file-service://file-Red1")]),
    )
    archive = zipped(
        ("conversations.json", json.dumps([chat]).encode()),
        ("file-Red1-red.png", picture()),
        ("file-Plan-plan.md", b"# Plan"),
        ("file-Paper-paper.pdf", b"%PDF-1.7 ..."),
        ("user-1/file_00ff.dat", picture("JPEG")),
        ("file-Bad-bad.png", picture()[:40]),
    )
    row = begin(alice, archive)
    assert row.counts["enclosed"] == 5 and not Attachment.objects.exists(), "only looked at"
    assert (row.counts["images"], row.counts["files"]) == (2, 2)
    done = work.start(row=row, actor=alice)
    # What is damaged turns out when it is decoded.
    assert (done.counts["enclosed"], done.counts["files"]) == (4, 3)
    assert names("Look") == ["red.png", "plan.md"] and names("Both") == ["image"]
    assert names("Broken") == [] and names("") == ["image"], "a question of an image alone"
    found = Attachment.objects.get(message__content="Both")
    assert (found.owner, found.media_type, found.width) == (alice, "image/jpeg", 40)
    assert found.content.is_file() and found.small.is_file()
    # Nothing comes twice.
    again = begin(alice, archive)
    assert again.counts["known"] == 1 and Attachment.objects.count() == 4


def test_what_was_spoken_comes_as_words(db: None, alice: User) -> None:
    spoken = {"content_type": "audio_transcription", "text": "Is it warm?"}
    sound = {"content_type": "audio_asset_pointer", "asset_pointer": "sediment://file_1"}
    row = begin(alice, [chatgpt("c1", "Trip", asked("q3", [spoken, sound]))])
    work.start(row=row, actor=alice)
    assert shown(ChatSession.objects.get())[-1] == ("user", "Is it warm?")
    assert row.counts["files"] == 2 and row.counts["images"] == 1


def test_open_webui(db: None, alice: User) -> None:
    chat = openwebui()
    said = chat["chat"]["history"]["messages"]
    url = "data:image/png;base64," + base64.b64encode(picture()).decode()
    said["m1"]["files"] = [
        {"type": "image", "url": url},
        {"type": "image", "url": "https://example.com/red.png"},
        {"type": "file", "name": "law.pdf", "file": {"data": {"content": "§ 1"}}},
        {"type": "collection", "name": "Rules"},
    ]
    said["m2"]["files"] = [{"type": "image", "url": url}]
    row = work.start(row=begin(alice, [chat]), actor=alice)
    assert (row.counts["enclosed"], row.counts["images"], row.counts["files"]) == (2, 2, 1)
    assert names("Dinner?") == ["image", "law.pdf.txt"]
    assert Attachment.objects.get(kind="text").content.read_text() == "§ 1"


def test_one_import_does_not_fill_the_disk(
    db: None, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions = [asked(f"q{n}", [part("file-service://file-Red1")]) for n in range(3, 8)]
    archive = zipped(
        ("conversations.json", json.dumps([chatgpt("c1", "Trip", *questions)]).encode()),
        ("file-Red1.png", picture()),
    )
    monkeypatch.setattr(storing, "KEPT_MAX_BYTES", 1)
    monkeypatch.setattr(storing.attachments, "MAX_UNSENT", 0)
    row = work.start(row=begin(alice, archive), actor=alice)
    assert row.status == "done" and row.counts["enclosed"] == Attachment.objects.count() == 1
