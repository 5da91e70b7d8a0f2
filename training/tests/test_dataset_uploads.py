"""Files in pieces, and the work on datasets that goes on without a request."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, User
from conftest import ApiClient
from training import dataset_uploads, dataset_work
from training.dataset_uploads import OutOfPlace
from training.formats.problems import Refusal
from training.models import Dataset, DatasetUpload, DatasetWork, WorkStatus
from training.tests.test_dataset_versions import rows
from training.tests.test_datasets import media

__all__ = ["media"]
Api = Callable[[User], ApiClient]
ClientFor = Callable[[User], Client]
DATA = b"".join(json.dumps(row).encode() + b"\n" for row in rows(300))


def begun(owner: User, data: bytes = DATA, **more: Any) -> DatasetUpload:
    return dataset_uploads.begin(owner=owner, file_name="rows.jsonl", size_bytes=len(data), **more)


def send(upload: DatasetUpload, data: bytes, offset: int) -> int:
    return dataset_uploads.receive(upload=upload, offset=offset, read=io.BytesIO(data).read)


def run_next() -> DatasetWork:
    """What a worker's process does with the work that waits."""
    work = DatasetWork.objects.filter(status=WorkStatus.QUEUED).order_by("created_at")[0]
    assert dataset_work._claim(work)
    work.refresh_from_db()
    dataset_work.run(work)
    work.refresh_from_db()
    return work


def test_pieces_become_a_dataset(alice: User, django_capture_on_commit_callbacks: Any) -> None:
    upload = begun(alice, options={"name": "big one", "format": "auto"})
    assert send(upload, DATA[:1000], 0) == 1000
    with pytest.raises(OutOfPlace) as caught:
        dataset_uploads.finish(upload=upload)
    assert caught.value.received_bytes == 1000
    for offset in (0, 999, 5000):
        with pytest.raises(OutOfPlace):
            send(upload, DATA[offset:], offset)
    assert send(upload, DATA[1000:], 1000) == len(DATA)
    work = dataset_uploads.finish(upload=upload)
    assert dataset_uploads.finish(upload=upload) == work
    assert work.status == WorkStatus.QUEUED and not Dataset.objects.exists()
    with django_capture_on_commit_callbacks(execute=True):
        done = run_next()
    dataset = Dataset.objects.get(pk=done.results[0])
    assert (dataset.name, dataset.records, dataset.file_name) == ("big one", 300, "rows.jsonl")
    assert not DatasetUpload.objects.exists() and not upload.file.exists()


def test_a_piece_that_breaks_off_counts_as_far_as_it_came(alice: User) -> None:
    upload = begun(alice)
    blocks = iter([DATA[:700], DATA[700:900]])

    def read(size: int) -> bytes:
        block = next(blocks, None)
        if block is None:
            raise ConnectionResetError
        return block

    with pytest.raises(ConnectionResetError):
        dataset_uploads.receive(upload=upload, offset=0, read=read)
    again = begun(alice)
    upload.refresh_from_db()
    assert upload.received_bytes == 900 and again != upload
    send(upload, DATA[900:], 900)
    assert upload.file.read_bytes() == DATA


def test_the_same_file_goes_on(alice: User, bob: User) -> None:
    upload = begun(alice, fingerprint="rows-1")
    send(upload, DATA[:10], 0)
    assert begun(alice, fingerprint="rows-1") == upload
    assert begun(bob, fingerprint="rows-1") != upload
    assert begun(alice, DATA + b"\n", fingerprint="rows-1") != upload


def test_what_is_refused_before_a_byte_is_sent(alice: User, settings: Any) -> None:
    settings.UPLOAD_MAX_BYTES = 1000
    for name, size, code in (
        ("a.jsonl", 1001, "too_large"),
        ("a.exe", 10, "wrong_extension"),
        ("a.jsonl", 0, "empty_file"),
    ):
        with pytest.raises(Refusal) as caught:
            dataset_uploads.begin(owner=alice, file_name=name, size_bytes=size)
        assert caught.value.code == code
    with pytest.raises(ValidationError):
        begun(alice, b"x", options={"name": "a/b"})
    for _number in range(dataset_uploads.MAX_OPEN):
        begun(alice, b"x")
    with pytest.raises(ValidationError, match="not finished"):
        begun(alice, b"x")


def test_more_than_announced_is_refused(alice: User) -> None:
    upload = begun(alice, b"12345")
    with pytest.raises(ValidationError):
        send(upload, b"1234567", 0)
    upload.refresh_from_db()
    assert upload.received_bytes == 0
    assert send(upload, b"12345", 0) == 5


def test_one_writer_at_a_time(alice: User) -> None:
    upload = begun(alice)

    def read(size: int) -> bytes:
        with pytest.raises(OutOfPlace):
            send(upload, DATA, 0)
        return b""

    dataset_uploads.receive(upload=upload, offset=0, read=read)


def test_a_bad_file_says_why_in_the_owners_language(alice: User) -> None:
    alice.language = "zh-hans"
    alice.save()
    upload = begun(alice, b"not json at all")
    send(upload, b"not json at all", 0)
    dataset_uploads.finish(upload=upload)
    work = run_next()
    assert (work.status, work.error_code) == (WorkStatus.FAILED, "no_valid_records")
    assert "记录" in work.error and work.reasons
    assert not Dataset.objects.exists()


def test_a_cancelled_import_leaves_nothing(alice: User) -> None:
    upload = begun(alice)
    send(upload, DATA, 0)
    work = dataset_uploads.finish(upload=upload)
    dataset_work._claim(work)
    work.refresh_from_db()
    assert dataset_work.cancel(work, actor=alice)
    dataset_work.run(work)
    work.refresh_from_db()
    assert work.status == WorkStatus.CANCELLED and not Dataset.objects.exists()
    assert not dataset_work.cancel(work, actor=alice)


def test_a_dead_attempt_begins_anew_and_makes_nothing_twice(alice: User) -> None:
    upload = begun(alice)
    send(upload, DATA, 0)
    work = dataset_uploads.finish(upload=upload)
    dataset_work._claim(work)
    stale = DatasetWork.objects.get(pk=work.pk)
    long_ago = timezone.now() - timedelta(minutes=5)
    DatasetWork.objects.filter(pk=work.pk).update(heartbeat_at=long_ago)
    dataset_work._reap()
    done = run_next()
    assert (done.status, done.attempt) == (WorkStatus.DONE, 2)
    dataset_work.run(stale)  # comes back from the dead
    assert Dataset.objects.count() == 1
    DatasetWork.objects.filter(pk=work.pk).update(
        status=WorkStatus.RUNNING, attempt=3, heartbeat_at=long_ago
    )
    dataset_work._reap()
    done.refresh_from_db()
    assert (done.status, done.error_code) == (WorkStatus.FAILED, "broke_off")


def test_stale_uploads_are_cleaned_up(alice: User, django_capture_on_commit_callbacks: Any) -> None:
    old, fresh, waiting = begun(alice), begun(alice), begun(alice)
    send(waiting, DATA, 0)
    dataset_uploads.finish(upload=waiting)
    long_ago = timezone.now() - timedelta(days=3)
    DatasetUpload.objects.exclude(pk=fresh.pk).update(updated_at=long_ago)
    with django_capture_on_commit_callbacks(execute=True):
        assert dataset_work.forget_stale_uploads() == 1
    assert not old.file.exists() and fresh.file.exists() and waiting.file.exists()


def test_discarding_an_upload_is_audited(alice: User, api: Api, client_for: ClientFor) -> None:
    for number in range(2):
        upload = begun(alice)
        if number:
            answer = client_for(alice).post(f"/datasets/uploads/{upload.pk}/remove/")
            assert answer.status_code == 302
        else:
            assert api(alice).delete(f"datasets/uploads/{upload.pk}").status_code == 204
        told = AuditEvent.objects.get(
            action="dataset_upload.discard", target_id=str(upload.pk), actor=alice
        )
        assert told.before == {"file_name": upload.file_name, "received_bytes": 0}
        assert not DatasetUpload.objects.exists()


def test_the_api_takes_pieces(alice: User, api: Api) -> None:
    client = api(alice)
    body = {"file_name": "rows.jsonl", "size_bytes": len(DATA), "name": "sent"}
    made = client.post("datasets/uploads", **body).json()
    url = f"/api/v1/datasets/uploads/{made['id']}"

    def put(data: bytes, offset: int) -> Any:
        return client.client.put(
            f"{url}?offset={offset}", data, content_type="application/octet-stream"
        )

    assert put(DATA[:500], 0).json()["received_bytes"] == 500
    early = client.client.post(f"{url}/finish")
    assert early.status_code == 409 and early.json()["error"]["fields"]["offset"] == ["500"]
    wrong = put(DATA, 0)
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (409, "out_of_place")
    assert client.get("datasets/uploads").json()[0]["received_bytes"] == 500
    assert put(DATA[500:], 500).status_code == 200
    work = client.client.post(f"{url}/finish")
    assert work.status_code == 202
    assert client.delete(f"datasets/uploads/{made['id']}").status_code == 409
    run_next()
    told = client.get(f"datasets/work/{work.json()['id']}").json()
    assert told["status"] == "done"
    assert client.get(f"datasets/{told['results'][0]}").json()["name"] == "sent"
    assert client.post(f"datasets/work/{told['id']}/cancel").status_code == 409
    assert client.post("datasets/uploads", file_name="a.exe", size_bytes=1).status_code == 422


@pytest.mark.django_db(transaction=True)
def test_a_process_of_its_own_does_the_work(alice: User, settings: Any) -> None:
    settings.MEDIA_ROOT = django_settings.PLATFORM_DATA / "files"
    upload = begun(alice)
    send(upload, DATA, 0)
    work = dataset_uploads.finish(upload=upload)
    assert dataset_work._claim(work)
    command = [sys.executable, "-m", "training.dataset_worker", str(work.pk)]
    subprocess.run(command, cwd=settings.BASE_DIR, check=True, timeout=60)
    work.refresh_from_db()
    assert work.status == WorkStatus.DONE, work.error
    dataset = Dataset.objects.get(pk=work.results[0])
    assert dataset.records == 300 and Path(dataset.file).is_file()


def test_a_full_disk_leaves_no_gap(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = begun(alice)
    real = dataset_uploads.os.fstat

    class Shorter:
        """The disk has taken three bytes less than it was given."""

        def __init__(self, found: Any) -> None:
            self.st_size = found.st_size - 3

    monkeypatch.setattr(dataset_uploads.os, "fstat", lambda number: Shorter(real(number)))
    send(upload, DATA[:10], 0)
    monkeypatch.undo()
    upload.refresh_from_db()
    assert upload.received_bytes == 7
    send(upload, DATA[7:], 7)
    assert upload.file.read_bytes() == DATA
