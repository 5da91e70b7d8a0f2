"""One passage: written otherwise, switched off, put back; until its document is read again."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, User
from knowledge import bases, documents, finding, indexing
from knowledge.models import Base, Chunk, Document, Vector
from knowledge.passages import change_passage
from knowledge.tests.conftest import Ingested
from knowledge.tests.meaning import MeaningServer
from providers.models import ProviderModel

WARRANTY = "# Warranty\n\nThe warranty lasts two years."
COLOURS = "# Colours\n\nThe colours are red and blue."
MANUAL = f"{WARRANTY}\n\n{COLOURS}\n"


def _texts(base: Base, question: str) -> list[str]:
    base = Base.objects.get(pk=base.pk)
    settings = finding.Settings.of(base)
    return [
        p.text for p in finding.find_in(base, question, user=base.owner, settings=settings).passages
    ]


@pytest.fixture
def manual(ingested: Ingested) -> Document:
    document = ingested(MANUAL, "manual.md")
    assert [chunk.text for chunk in document.chunks.all()] == [WARRANTY, COLOURS]
    return document


def test_an_edited_passage_is_found_as_it_is_now_until_it_is_read_again(
    base: Base, manual: Document, work: Callable[[], int]
) -> None:
    assert _texts(base, "warranty") == [WARRANTY]
    change_passage(
        document=manual, position=0, actor=base.owner, text="The guarantee lasts three winters."
    )
    assert _texts(base, "warranty") == ["The guarantee lasts three winters."], "its heading stays"
    assert _texts(base, "winters") == ["The guarantee lasts three winters."]
    assert _texts(base, "years") == []
    assert AuditEvent.objects.filter(action="knowledge.update_passage").count() == 1
    change_passage(document=manual, position=0, actor=base.owner, text="")
    assert _texts(base, "years") == [WARRANTY]
    assert not manual.chunks.touched().exists()
    change_passage(document=manual, position=0, actor=base.owner, text="Nothing lasts.")
    documents.read_again(document=manual)
    work()
    assert _texts(base, "years") == [WARRANTY]


def test_a_passage_that_is_switched_off_is_not_found(base: Base, manual: Document) -> None:
    change_passage(document=manual, position=1, actor=base.owner, is_enabled=False)
    assert _texts(base, "colours") == []
    assert _texts(base, "warranty") == [WARRANTY]
    index: Any = indexing.the_index()
    assert base.live_space is not None
    assert index.count(indexing.place_of(base.live_space)) == 1
    change_passage(document=manual, position=1, actor=base.owner, is_enabled=True)
    assert _texts(base, "colours") == [COLOURS]


@pytest.mark.django_db(transaction=True)
def test_what_it_means_now_is_embedded_or_nothing_is_changed(
    base: Base,
    manual: Document,
    make_model: Callable[..., ProviderModel],
    meaning: MeaningServer,
    work: Callable[[], int],
) -> None:
    bases.change_embedding_model(base=base, model=make_model(), actor=base.owner)
    work()
    former = bytes(Vector.objects.get(chunk__position=1).data)
    change_passage(document=manual, position=1, actor=base.owner, text="The warranty of colours.")
    assert bytes(Vector.objects.get(chunk__position=1).data) != former
    assert any("The warranty of colours." in text for text in _texts(base, "guarantee"))
    meaning.mode = "500"
    with pytest.raises(ValidationError, match="did not answer"):
        change_passage(document=manual, position=1, actor=base.owner, text="Something else.")
    assert Chunk.objects.get(position=1).text == "The warranty of colours."
    change_passage(document=manual, position=1, actor=base.owner, is_enabled=False)
    assert not Chunk.objects.get(position=1).is_enabled, "needs no model"


def test_the_page_of_a_document_edits_its_passages(
    client_for: Callable[[User], Client], alice: User, bob: User, base: Base, manual: Document
) -> None:
    page = reverse("knowledge:document", args=[manual.pk])
    address = reverse("knowledge:passage", args=[manual.pk])
    bases.change_base(base=base, actor=alice, is_shared=True)
    assert address not in client_for(bob).get(page).content.decode()
    fields = {"position": 0, "text": "Three winters."}
    assert client_for(bob).post(address, fields).status_code == 404
    client = client_for(alice)
    answer = client.post(address, fields)
    assert answer.headers["Location"] == f"{page}?page=1#passage-0"
    client.post(address, {"position": 1, "is_enabled": "0"})
    html = client.get(f"{page}?start=0&end={len(WARRANTY)}").content.decode()
    assert "<mark>Three winters.</mark>" in html, "all of it, since it is no part of the file"
    assert "2 passages are edited or switched off." in html and "Edited" in html
    for nonsense in ("7", "x", ""):
        gone = client.post(address, {"position": nonsense, "text": "x"}, follow=True)
        assert b"There is no such passage any more." in gone.content
    wrong = client.post(address, {"position": 0, "text": "x" * 16_001}, follow=True)
    assert b"At most 16000 characters." in wrong.content


def test_programs_change_passages(
    api: Callable[[User], Any], alice: User, bob: User, manual: Document
) -> None:
    address = f"knowledge/documents/{manual.pk}/chunks/0"
    assert api(bob).patch(address, text="x").status_code == 404
    changed = api(alice).patch(address, text="Three winters.", is_enabled=False).json()
    assert changed["text"] == "Three winters."
    assert changed["is_edited"] and not changed["is_enabled"]
    assert (
        api(alice).patch(f"knowledge/documents/{manual.pk}/chunks/9", text="x").status_code == 404
    )


def test_another_cut_is_previewed_and_changes_nothing(
    client_for: Callable[[User], Client],
    api: Callable[[User], Any],
    alice: User,
    bob: User,
    base: Base,
    manual: Document,
) -> None:
    longer = documents.add_document(
        base=base,
        file=BytesIO(b"# All\n\n" + b"A sentence of words. " * 40),
        name="b.md",
        actor=alice,
    )
    Document.objects.filter(pk=longer.pk).update(edition=1)
    address, client = reverse("knowledge:preview", args=[base.pk]), client_for(alice)
    fields = {"chunk_chars": 100, "overlap_chars": 0, "document": longer.pk}
    part = client.post(address, fields, headers={"HX-Request": "true"})
    html = part.content.decode()
    assert part.status_code == 200 and "<html" not in html
    assert html.count("<article") > 8 and html.count("All") > 8
    assert client.post(address, {**fields, "overlap_chars": 90}).status_code == 422
    assert client.post(address, {**fields, "document": 0}).status_code == 422
    assert client_for(bob).post(address, fields).status_code == 404
    longer.file.write_bytes(b"%PDF-1.7\n garbage")
    broken = client.post(address, fields)
    assert broken.status_code == 422 and b"damaged" in broken.content
    base.refresh_from_db()
    assert base.chunk_chars == 200 and not longer.chunks.exists()
    cut = api(alice).post(f"knowledge/documents/{manual.pk}/preview", chunk_chars=8000).json()
    assert cut["count"] == 2 and [each["text"] for each in cut["chunks"]] == [WARRANTY, COLOURS]
    wrong = api(alice).post(f"knowledge/documents/{manual.pk}/preview", chunk_chars=50)
    assert wrong.status_code == 422
