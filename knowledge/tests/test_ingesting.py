"""From a file to what is searched: stages, retries, restarts, duplicates."""

import subprocess
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from accounts.models import AuditEvent, User
from knowledge import bases, changes, documents, finding, indexing, ingesting, queues, tasks
from knowledge.models import Base, Change, Chunk, Document, DocumentStatus
from knowledge.reading import Parsed, Reader
from knowledge.tests.conftest import Ingested

WARRANTY = "The warranty lasts two years. Batteries are not covered."
TRAVEL = "出差住宿标准为每晚五百元，超出部分需要部门经理批准。"


def _find(base: Base, question: str, **changed: Any) -> Any:
    base = Base.objects.get(pk=base.pk)
    settings = finding.Settings.of(base, **changed)
    return finding.find_in(base, question, user=base.owner, settings=settings)


def _found(base: Base, question: str) -> list[str]:
    return [passage.text for passage in _find(base, question).passages]


def test_a_text_is_read_cut_and_found(base: Base, ingested: Ingested) -> None:
    document = ingested(WARRANTY)
    assert document.status == DocumentStatus.READY
    assert (document.chunk_count, document.characters) == (1, len(WARRANTY))
    assert document.text_file.read_text() == WARRANTY
    assert _found(base, "how long is the warranty?") == [WARRANTY]
    assert AuditEvent.objects.filter(action="knowledge.add_document").count() == 1


def test_chinese_is_found_by_its_words(base: Base, ingested: Ingested) -> None:
    ingested(WARRANTY)
    ingested(TRAVEL, "差旅.txt")
    assert _found(base, "住宿标准是多少") == [TRAVEL]


def test_the_same_content_is_kept_once(base: Base, ingested: Ingested) -> None:
    first = ingested(WARRANTY, "a.txt")
    with pytest.raises(documents.Duplicate) as raised:
        documents.add_document(
            base=base, file=BytesIO(WARRANTY.encode()), name="b.txt", actor=base.owner
        )
    assert raised.value.document == first
    assert "a.txt" in raised.value.messages[0]
    kept = list(Path(first.file).parent.parent.iterdir())
    assert kept == [first.file.parent], "the second copy is gone"


def test_a_deleted_document_is_not_found_and_leaves_no_file(
    base: Base, ingested: Ingested, django_capture_on_commit_callbacks: Any
) -> None:
    document = ingested(WARRANTY)
    assert _found(base, "warranty")
    with django_capture_on_commit_callbacks(execute=True):
        documents.delete_document(document=document, actor=base.owner)
    assert _found(base, "warranty") == []
    assert not document.file.exists() and not document.file.parent.exists()


def test_one_that_is_switched_off_is_not_found_until_it_is_on(
    base: Base, ingested: Ingested
) -> None:
    document = ingested(WARRANTY)
    documents.change_document(document=document, actor=base.owner, is_enabled=False)
    assert _found(base, "warranty") == []
    documents.change_document(document=document, actor=base.owner, is_enabled=True)
    assert _found(base, "warranty") == [WARRANTY]


def test_an_index_that_was_lost_is_built_from_the_database(
    base: Base, ingested: Ingested, tmp_path: Path
) -> None:
    ingested(WARRANTY)
    assert _found(base, "warranty")
    indexing.forget_index()
    for path in sorted(tmp_path.glob("index*/**/*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    assert _found(base, "warranty") == [WARRANTY]


def test_former_passages_answer_while_it_is_read_again(
    base: Base, ingested: Ingested, work: Callable[[], int]
) -> None:
    document = ingested(WARRANTY)
    bases.change_base(base=base, actor=base.owner, chunk_chars=100)
    document.refresh_from_db()
    assert document.status == DocumentStatus.PENDING
    assert _found(base, "warranty") == [WARRANTY]
    work()
    document.refresh_from_db()
    assert document.status == DocumentStatus.READY
    assert Chunk.objects.filter(document=document).exclude(edition=document.edition).count() == 0
    assert _found(base, "warranty")


def test_what_a_dead_worker_left_is_taken_up_again(
    base: Base, ingested: Ingested, work: Callable[[], int]
) -> None:
    documents.add_document(
        base=base, file=BytesIO(WARRANTY.encode()), name="a.txt", actor=base.owner
    )
    dead = ingesting.claim()
    assert dead is not None
    Chunk.objects.create(document=dead, edition=1, position=0, text="half", start=0, end=4)
    assert ingesting.claim() is None, "somebody has it"
    long_ago = timezone.now() - timedelta(minutes=5)
    Document.objects.update(heartbeat_at=long_ago)
    assert work() == 1
    dead.refresh_from_db()
    assert dead.status == DocumentStatus.READY
    assert [chunk.text for chunk in dead.chunks.all()] == [WARRANTY]
    assert _found(base, "half warranty") == [WARRANTY]
    with pytest.raises(ingesting.Superseded):
        ingesting.tell(dead, done=1)


def test_a_worker_that_comes_back_too_late_writes_nothing_beside_the_next(
    base: Base, alice: User, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two machines: the first one's document was asked to be read anew, and the second has it."""
    text = "".join(f"Sentence {n} is about part {n} of the machine.\n\n" for n in range(40))
    documents.add_document(base=base, file=BytesIO(text.encode()), name="a.txt", actor=alice)
    late = ingesting.claim()
    assert bases.reread(base=base) == 1
    now = ingesting.claim()
    assert late is not None and now is not None
    assert (late.attempt, now.attempt) == (1, 1), "tries are counted from the beginning"
    assert now.fence > late.fence
    embed = ingesting._embed

    def while_it_works(document: Document, edition: int) -> Any:
        if document is now:
            ingesting.ingest(late, reader)
        return embed(document, edition)

    monkeypatch.setattr(ingesting, "_embed", while_it_works)
    ingesting.ingest(now, reader)
    document = Document.objects.get()
    assert (document.status, document.edition) == (DocumentStatus.READY, now.fence)
    assert document.chunks.current().count() == document.chunk_count == document.chunks.count() > 6
    bases.reread(base=base)
    document.refresh_from_db()
    assert document.fence == now.fence, "it never falls"


def test_one_that_breaks_off_again_and_again_has_failed(base: Base) -> None:
    documents.add_document(
        base=base, file=BytesIO(WARRANTY.encode()), name="a.txt", actor=base.owner
    )
    long_ago = timezone.now() - timedelta(minutes=5)
    for _attempt in range(queues.DOCUMENT_ATTEMPTS):
        assert ingesting.claim() is not None
        Document.objects.update(heartbeat_at=long_ago)
        queues.reap_documents()
    document = Document.objects.get()
    assert (document.status, document.error_code) == (DocumentStatus.FAILED, "broke_off")


def test_a_deleted_document_is_not_finished(base: Base, alice: User) -> None:
    documents.add_document(base=base, file=BytesIO(b"some text"), name="a.txt", actor=alice)

    class Slow(Reader):
        def read(self, path: Path, name: str) -> Parsed:
            parsed = super().read(path, name)
            Document.objects.all().delete()
            return parsed

    document = ingesting.claim()
    assert document is not None
    with Slow() as reader:
        ingesting.ingest(document, reader)
    assert not Document.objects.exists()
    assert not Chunk.objects.exists()


def test_an_unreadable_file_says_why_and_the_next_one_goes_on(
    base: Base, ingested: Ingested
) -> None:
    broken = ingested(b"%PDF-1.7\n garbage", "broken.pdf")
    assert (broken.status, broken.error_code) == (DocumentStatus.FAILED, "broken")
    assert ingested(WARRANTY).status == DocumentStatus.READY


@pytest.mark.parametrize(
    ("name", "kept"), [("../../x.txt", "x.txt"), ("CON", "CON"), ("a\u202etxt.exe", "atxt.exe")]
)
def test_names_are_shown_without_tricks(base: Base, name: str, kept: str) -> None:
    document = documents.add_document(
        base=base, file=BytesIO(b"words"), name=name, folder="../../etc", actor=base.owner
    )
    assert (document.name, document.folder) == (kept, "etc")


def test_an_empty_file_is_refused_and_nothing_is_kept(base: Base, tmp_path: Path) -> None:
    with pytest.raises(ValidationError) as raised:
        documents.add_document(base=base, file=BytesIO(b""), name="a.txt", actor=base.owner)
    assert "file" in raised.value.message_dict
    assert list((tmp_path / "files" / "knowledge").iterdir()) == []


def test_changes_are_numbered_without_gaps_and_only_the_newest_is_kept(
    base: Base, ingested: Ingested
) -> None:
    first, second = ingested("one text"), ingested("two texts")
    documents.change_document(document=first, actor=base.owner, is_enabled=False)
    rows = Change.objects.filter(base=base).values_list("revision", "document_id")
    assert list(rows) == [(2, second.pk), (3, first.pk)]
    base.refresh_from_db()
    assert base.revision == 3
    assert changes.locked(base.pk) == base


def test_passages_that_follow_each_other_become_one(base: Base, ingested: Ingested) -> None:
    sentences = [f"Sentence {n} of the warranty says something about part {n}. " for n in range(12)]
    document = ingested("".join(sentences))
    assert document.chunk_count > 2
    found = _find(base, "warranty", top_k=10)
    assert len(found.passages) == 1
    passage = found.passages[0]
    text = document.text_file.read_text()
    assert passage.text.split() == text[passage.start : passage.end].split()


def test_a_question_does_not_wait_for_an_index_that_is_being_made(
    base: Base, ingested: Ingested, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingested(WARRANTY)
    monkeypatch.setattr(indexing, "WAIT_S", 0.01)
    space = base.live_space
    assert space is not None
    with indexing._turns[space.pk]:
        found = _find(base, "warranty")
    assert [remark.code for remark in found.remarks] == ["still_indexing"]
    found = _find(base, "warranty")
    assert [passage.text for passage in found.passages] == [WARRANTY]
    assert not found.remarks


def test_an_index_follows_and_forgets_what_was_replaced(base: Base, ingested: Ingested) -> None:
    ingested(WARRANTY)
    space = base.live_space
    assert space is not None
    indexing.catch_up(space)
    index: Any = indexing.the_index()
    assert index.count(indexing.place_of(space)) == 1
    base.spaces.update(status="retired")
    indexing.drop_unknown()
    assert index.spaces() == []


def test_no_chunk_is_lost_between_two_statements(
    base: Base, ingested: Ingested, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingesting, "ROWS", 3)
    sentences = [
        f"Sentence {n} says something about part {n} of the machine.\n\n" for n in range(40)
    ]
    document = ingested("".join(sentences))
    positions = list(document.chunks.values_list("position", flat=True))
    assert len(positions) > 6
    assert positions == list(range(document.chunk_count))


def test_one_worker_is_started_and_the_next_when_it_has_ended(
    base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []
    real = subprocess.Popen

    def popen(command: list[str], **options: Any) -> Any:
        sleeping = ["sleep", "60"]
        started.append(real(sleeping, **options))
        return started[-1]

    monkeypatch.setattr(tasks.subprocess, "Popen", popen)
    tasks.look()
    assert not started, "nothing waits"
    documents.add_document(base=base, file=BytesIO(b"words"), name="a.txt", actor=base.owner)
    tasks.look()
    tasks.look()
    assert len(started) == 1
    started[0].kill()
    started[0].wait()
    tasks.look()
    assert len(started) == 2
    started[1].kill()
    started[1].wait()
