"""Pages of knowledge bases."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import User
from knowledge import bases, finding
from knowledge.models import Base, Document
from knowledge.tests import files
from knowledge.tests.conftest import Ingested

WARRANTY = "The warranty lasts two years."
ClientFor = Callable[[User], Client]


def _url(name: str, *args: Any) -> str:
    return reverse(f"knowledge:{name}", args=args)


def test_an_empty_list_teaches_the_first_step(client_for: ClientFor, alice: User) -> None:
    page = client_for(alice).get(_url("list"))
    assert b"New knowledge base" in page.content


def test_a_base_is_made_changed_and_deleted(client_for: ClientFor, alice: User) -> None:
    client = client_for(alice)
    fields = {
        "name": "Manuals",
        "chunk_chars": 300,
        "overlap_chars": 30,
        "mode": "hybrid",
        "top_k": 5,
        "score_threshold": 0,
    }
    made = client.post(_url("create"), fields)
    base = Base.objects.get()
    assert made["Location"] == _url("detail", base.pk)
    assert base.chunk_chars == 300 and base.live_space is not None
    changed = client.post(_url("settings", base.pk), {**fields, "name": "Handbooks"})
    assert changed.status_code == 302
    wrong = client.post(_url("settings", base.pk), {**fields, "overlap_chars": 290})
    assert wrong.status_code == 422 and b"half of a chunk" in wrong.content
    base.refresh_from_db()
    assert base.name == "Handbooks"
    assert b"Handbooks" in client.get(_url("list")).content
    assert client.post(_url("delete", base.pk)).status_code == 302
    assert not Base.objects.exists()


def test_files_of_a_form_are_added_and_refusals_are_named(
    client_for: ClientFor, base: Base, alice: User
) -> None:
    client = client_for(alice)
    files = [SimpleUploadedFile(f"{n}.txt", text) for n, text in enumerate([b"one", b"two", b""])]
    page = client.post(_url("add", base.pk), {"files": files}, follow=True)
    assert Document.objects.count() == 2
    assert b"2 documents are added." in page.content
    assert b"2.txt: The file is empty." in page.content


def test_the_list_asks_again_while_something_is_in_work(
    client_for: ClientFor, base: Base, alice: User, work: Callable[[], int]
) -> None:
    client = client_for(alice)
    client.post(_url("add", base.pk), {"files": [SimpleUploadedFile("a.txt", b"words")]})
    assert b"every 1500ms" in client.get(_url("detail", base.pk)).content
    work()
    part = client.get(_url("detail", base.pk), headers={"HX-Target": "documents"})
    assert b"every 1500ms" not in part.content and b"<html" not in part.content
    assert b"a.txt" in part.content


def test_a_passage_is_marked_in_its_document(
    client_for: ClientFor, ingested: Ingested, alice: User
) -> None:
    document = ingested(f"<b>Intro.</b> {WARRANTY} Outro.")
    start = len("<b>Intro.</b> ")
    address = f"{_url('document', document.pk)}?start={start}&end={start + len(WARRANTY)}"
    page = client_for(alice).get(address).content.decode()
    assert f"&lt;b&gt;Intro.&lt;/b&gt; <mark>{WARRANTY}</mark> Outro." in page
    assert (
        client_for(alice).get(f"{_url('document', document.pk)}?start=x&end=9").status_code == 200
    )


def test_a_file_comes_back_as_it_was_and_is_never_shown(
    client_for: ClientFor, ingested: Ingested, alice: User
) -> None:
    document = ingested("<script>alert(1)</script> words", "页面.html")
    answer = client_for(alice).get(_url("file", document.pk))
    assert b"".join(answer.streaming_content) == b"<script>alert(1)</script> words"  # type: ignore[attr-defined]
    assert answer["Content-Disposition"].startswith("attachment")
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_two_settings_are_tried_side_by_side(
    client_for: ClientFor, base: Base, ingested: Ingested, alice: User
) -> None:
    ingested(WARRANTY)
    fields = {
        "question": "warranty",
        "mode": "hybrid",
        "top_k": 3,
        "score_threshold": 0,
        "is_compared": "on",
        "other_mode": "lexical",
        "other_top_k": 1,
        "other_score_threshold": 1,
    }
    client = client_for(alice)
    assert client.get(_url("try", base.pk)).status_code == 200
    page = client.post(_url("try", base.pk), fields, headers={"HX-Request": "true"})
    text = page.content.decode()
    assert text.count(WARRANTY) == 1 and "Nothing found" in text
    wrong = client.post(_url("try", base.pk), {**fields, "question": ""})
    assert wrong.status_code == 422


def test_questions_are_uploaded_measured_and_deleted(
    client_for: ClientFor, base: Base, ingested: Ingested, alice: User, work: Callable[[], int]
) -> None:
    ingested(WARRANTY)
    client = client_for(alice)
    wrong = client.post(_url("quality", base.pk), {"file": SimpleUploadedFile("q.csv", b"x\ny\n")})
    assert wrong.status_code == 422 and b"Entry 1" in wrong.content
    content = f"question,passage\nHow long is the warranty?,{WARRANTY}\n".encode()
    client.post(_url("quality", base.pk), {"file": SimpleUploadedFile("q.csv", content)})
    client.post(_url("assess", base.pk))
    assert b"Waiting" in client.get(_url("quality", base.pk)).content
    work()
    assert b"100.0 %" in client.get(_url("quality", base.pk)).content
    client.post(_url("forget-questions", base.pk))
    assert not base.questions.exists()


def test_a_reader_of_a_shared_base_sees_no_buttons(
    client_for: ClientFor, base: Base, ingested: Ingested, bob: User
) -> None:
    document = ingested(WARRANTY)
    bases.change_base(base=base, actor=base.owner, is_shared=True)
    client = client_for(bob)
    page = client.get(_url("detail", base.pk)).content
    assert b"manual.txt" in page and b"data-knowledge-add" not in page
    assert client.get(_url("document", document.pk)).status_code == 200
    assert client.post(_url("switch", document.pk)).status_code == 404
    assert client.get(_url("settings", base.pk)).status_code == 404


def test_a_document_is_switched_read_again_and_deleted(
    client_for: ClientFor, ingested: Ingested, alice: User
) -> None:
    document = ingested(WARRANTY)
    client = client_for(alice)
    client.post(_url("switch", document.pk))
    document.refresh_from_db()
    assert not document.is_enabled
    client.post(_url("retry", document.pk))
    document.refresh_from_db()
    assert document.status == "pending"
    again = client.post(_url("retry", document.pk), follow=True)
    assert b"in work already" in again.content
    client.post(_url("delete-document", document.pk))
    assert not Document.objects.exists()


@pytest.mark.parametrize("query", ["?page=x", "?page=999", "?q=%00", "?status=nonsense"])
def test_addresses_that_say_nonsense(
    client_for: ClientFor, base: Base, ingested: Ingested, alice: User, query: str
) -> None:
    ingested(WARRANTY)
    assert client_for(alice).get(_url("detail", base.pk) + query).status_code == 200


def test_a_passage_of_a_pdf_is_shown_on_its_page(
    client_for: ClientFor, ingested: Ingested, alice: User, tmp_path: Path
) -> None:
    made = files.pdf(tmp_path, ["Nothing here but an introduction.", WARRANTY, "The end."])
    document = ingested(made.read_bytes(), "manual.pdf")
    assert (document.media_type, document.pages) == ("application/pdf", 3)
    start = document.text_file.read_text().index(WARRANTY)
    address = f"{_url('document', document.pk)}?start={start}&end={start + len(WARRANTY)}"
    text = client_for(alice).get(address).content.decode()
    assert "page.png?number=2" in text and text.count("<rect ") == 1
    picture = client_for(alice).get(f"{_url('page', document.pk)}?number=2&width=300")
    assert picture["Content-Type"] == "image/png" and picture.content.startswith(b"\x89PNG")
    assert client_for(alice).get(f"{_url('page', document.pk)}?number=4").status_code == 404


def test_twenty_citations_open_their_passage_on_its_page(
    client_for: ClientFor, base: Base, ingested: Ingested, alice: User, tmp_path: Path
) -> None:
    facts = [f"Machine {n:02} weighs {1000 + 7 * n} kilograms without its load." for n in range(20)]
    filler = "This page also says something about cleaning and about storage. "
    pages = [filler * 3 + fact + " " + filler * 3 for fact in facts]
    document = ingested(files.pdf(tmp_path, pages).read_bytes(), "machines.pdf")
    base.refresh_from_db()
    client, settings = client_for(alice), finding.Settings.of(base, top_k=1)
    for number, fact in enumerate(facts, start=1):
        question = f"How much does machine {number - 1:02} weigh?"
        [passage] = finding.find_in(base, question, user=alice, settings=settings).passages
        assert fact in " ".join(passage.text.split()), question
        address = f"{_url('document', document.pk)}?start={passage.start}&end={passage.end}"
        text = client.get(address).content.decode()
        marked = "".join(re.findall(r"<mark>(.*?)</mark>", text, re.S))
        assert fact in " ".join(marked.split()), question
        assert f"page.png?number={number}" in text and "<rect " in text
