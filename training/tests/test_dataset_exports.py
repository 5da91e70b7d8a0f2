"""Large exports in the background, who is told of what has ended, and deletions that are quick."""

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User, UserNotice
from conftest import ApiClient
from training import (
    dataset_exports,
    dataset_files,
    dataset_uploads,
    dataset_work,
    datasets,
    tasks,
)
from training.models import Dataset, DatasetWork
from training.tests.bundles import asked, bundle, picture
from training.tests.test_dataset_uploads import DATA, begun, run_next, send
from training.tests.test_dataset_versions import rows, store
from training.tests.test_datasets import folders, media

__all__ = ["media"]
Api = Callable[[User], ApiClient]
ClientFor = Callable[[User], Client]


@pytest.fixture(autouse=True)
def everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_work, "INLINE_BYTES", 100)


def made(dataset: Dataset) -> list[str]:
    folder = dataset.file.with_name(dataset_files.EXPORTS)
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_a_large_export_is_made_while_one_is_elsewhere(
    alice: User, client_for: ClientFor, api: Api
) -> None:
    client, dataset = client_for(alice), store(alice, rows(700), name="sums")
    url = reverse("datasets:export", args=[dataset.pk])
    as_it_is = b"".join(client.get(url + "?file=jsonl"))  # type: ignore[arg-type]
    assert as_it_is == dataset.file.read_bytes() and not DatasetWork.objects.exists()
    wanted = "?file=json&format=openai"
    page = client.get(url + wanted)
    work = DatasetWork.objects.get()
    assert page.headers["Location"] == reverse("datasets:work", args=[work.pk])
    told = api(alice).get(f"datasets/{dataset.pk}/export{wanted}")
    assert (told.status_code, told.json()["id"]) == (202, str(work.pk)), "it is the same work"
    assert client.get(url + "?file=csv").status_code == 302, "another file is other work"
    done = run_next()
    assert (done.status, done.total, done.results) == ("done", 700, [])
    notice = UserNotice.objects.for_user(alice).unread().get()
    assert (notice.title, notice.level) == ("Export: “sums” is done", "success")
    page = client.get(notice.path)
    assert f"{url}?file=json&amp;format=openai" in page.content.decode()
    assert not UserNotice.objects.unread().exists(), "who looks at the end has seen it"
    answer = client.get(url + wanted)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="sums.json"'
    records = json.loads(b"".join(answer))  # type: ignore[arg-type]
    assert [len(record["messages"]) for record in records] == [2] * 700
    assert api(alice).get(f"datasets/{dataset.pk}/export{wanted}").status_code == 200
    assert made(dataset) == ["openai.json"]


def test_an_export_that_would_lose_something_fails(
    alice: User, client_for: ClientFor, api: Api
) -> None:
    alice.language = "zh-hans"
    alice.save()
    calls = [{"from": "human", "value": "q" * 100}]
    calls += [{"from": "function_call", "value": '{"name": "f", "arguments": {}}'}]
    dataset = store(alice, [{"conversations": calls}])
    path = f"datasets/{dataset.pk}/export?format=alpaca"
    assert api(alice).get(path).status_code == 202
    work = run_next()
    assert (work.status, work.error_code, made(dataset)) == ("failed", "invalid", [])
    notice = UserNotice.objects.for_user(alice).get()
    assert (notice.level, notice.title) == ("error", f"导出：“{dataset}”失败")
    assert (
        notice.text == work.error
        and work.error in client_for(alice).get(notice.path).content.decode()
    )
    again = api(alice).get(path)
    assert (again.status_code, again.json()["error"]["message"]) == (422, work.error)
    assert DatasetWork.objects.count() == 1


def test_a_cancelled_export_leaves_nothing(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = store(alice, rows(200))
    work = dataset_exports._asked(dataset, alice, "csv", "")
    dataset_work._claim(work)
    work.refresh_from_db()
    assert dataset_work.cancel(work, actor=alice)
    dataset_work.run(work)
    assert (made(dataset), UserNotice.objects.exists()) == ([], False)


def test_an_export_with_pictures_takes_them_along(alice: User, client_for: ClientFor) -> None:
    file = bundle([asked("a.png"), asked("a.png")], {"a.png": picture()})
    dataset = datasets.import_dataset(
        owner=alice, file=io.BytesIO(file), file_name="a.zip", size_bytes=len(file)
    )
    url = reverse("datasets:export", args=[dataset.pk]) + "?file=json"
    client = client_for(alice)
    assert client.get(url).status_code == 302
    run_next()
    sent = zipfile.ZipFile(io.BytesIO(b"".join(client.get(url))))  # type: ignore[arg-type]
    records = json.loads(sent.read("data.json"))
    assert set(sent.namelist()) == {"data.json", *records[0]["images"]}


def test_imports_tell_how_they_ended(alice: User, client_for: ClientFor) -> None:
    bad = b'{"instruction": "q"}\n'
    for data in (DATA + bad, b"not json at all"):
        upload = begun(alice, data)
        send(upload, data, 0)
        dataset_uploads.finish(upload=upload)
        run_next()
    failed, done = UserNotice.objects.for_user(alice)
    assert (done.title, done.level) == ("Import: “rows.jsonl” is done", "success")
    assert done.text == "300 records are ready. 1 was not used."
    assert done.path == reverse("datasets:detail", args=[Dataset.objects.get().pk])
    assert (failed.title, failed.level) == ("Import: “rows.jsonl” has failed", "error")
    work = DatasetWork.objects.get(status="failed")
    assert (failed.path, failed.text) == (reverse("datasets:work", args=[work.pk]), work.error)


def test_who_waits_for_the_answer_is_not_told(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    store(alice, rows(3))
    dataset_work.ask(owner=alice, kind="statistics", size_bytes=1, dataset=Dataset.objects.get())
    assert DatasetWork.objects.get().status == "done" and not UserNotice.objects.exists()


def test_a_deleted_dataset_is_out_of_sight_at_once(
    alice: User,
    client_for: ClientFor,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    dataset, kept = store(alice, rows(3)), store(alice, rows(3))
    sent: list[str] = []
    monkeypatch.setattr("llmplatform.errands.send", lambda task, **_more: sent.append(task))
    with django_capture_on_commit_callbacks(execute=True):
        client_for(alice).post(reverse("datasets:delete", args=[dataset.pk]))
    gone = f"{dataset.file.parent.name}.gone"
    assert not dataset.file.exists() and gone in folders(), "its files wait for a worker"
    assert sent == ["training.tasks.sweep_datasets"]
    tasks.sweep_datasets()
    assert folders() == [kept.file.parent.name] and kept.file.is_file()
