"""Mapped files that are too large for a request: imported in the background."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from conftest import ApiClient
from training import dataset_work, drafts
from training.models import Dataset, DatasetDraft, DatasetWork, WorkStatus
from training.tests.test_dataset_mapping import QA, kept, waiting
from training.tests.test_dataset_uploads import run_next
from training.tests.test_datasets import media

__all__ = ["media"]
ClientFor = Callable[[User], Client]
COLUMNS = {"instruction": "question", "output": "meta.answer"}
FORM = {"format": "alpaca", **{f"column_{name}": path for name, path in COLUMNS.items()}}


@pytest.fixture(autouse=True)
def all_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_work, "INLINE_BYTES", 10)


def asked(draft: DatasetDraft) -> DatasetWork:
    work = drafts.begin_import(
        draft=draft, options=None, mapping=drafts.checked_mapping("alpaca", COLUMNS), name="QA"
    )
    assert isinstance(work, DatasetWork)
    return work


@pytest.mark.django_db(transaction=True)
def test_the_page_goes_to_the_work_and_then_to_the_dataset(
    alice: User, client_for: ClientFor, media: Path
) -> None:
    client, draft = client_for(alice), kept(alice, QA)
    path = f"/datasets/drafts/{draft.pk}/"
    data = {**FORM, "name": "QA", "action": "import"}
    answer = client.post(path, data)
    work = DatasetWork.objects.get()
    assert answer.headers["Location"] == f"/datasets/work/{work.pk}/"
    assert client.post(path, data).headers["Location"] == f"/datasets/work/{work.pk}/"
    assert not Dataset.objects.exists()
    client.post(f"{path}discard/")
    assert DatasetDraft.objects.filter(pk=draft.pk).exists()
    done = run_next()
    assert done.status == WorkStatus.DONE and done.done == draft.size_bytes
    dataset = Dataset.objects.get()
    assert (dataset.name, dataset.records, done.results) == ("QA", len(QA), [dataset.pk])
    assert dataset.mapping["columns"] == COLUMNS and waiting(media) == []


def test_what_can_be_told_at_once_is(alice: User, client_for: ClientFor) -> None:
    path = f"/datasets/drafts/{kept(alice, QA).pk}/"
    answer = client_for(alice).post(path, {**FORM, "name": "a/b", "action": "import"})
    assert answer.status_code == 422 and not DatasetWork.objects.exists()


def test_a_refused_one_leads_back_to_its_mapping(alice: User, client_for: ClientFor) -> None:
    draft = kept(alice, [{"question": 5, "meta": {"answer": 6}}])
    asked(draft)
    work = run_next()
    assert (work.status, work.error_code) == (WorkStatus.FAILED, "no_valid_records")
    assert work.reasons
    page = client_for(alice).get(f"/datasets/work/{work.pk}/").content.decode()
    assert f"/datasets/drafts/{draft.pk}/" in page
    assert asked(draft) != work


def test_a_cancelled_one_keeps_the_file(alice: User, client_for: ClientFor) -> None:
    draft = kept(alice, QA)
    work = asked(draft)
    dataset_work._claim(work)
    work.refresh_from_db()
    assert dataset_work.cancel(work, actor=alice)
    dataset_work.run(work)
    assert not Dataset.objects.exists() and draft.file.is_file()
    page = client_for(alice).get(f"/datasets/work/{work.pk}/").content.decode()
    assert f"/datasets/drafts/{draft.pk}/" in page


def test_one_that_died_makes_nothing_twice(
    alice: User, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the dataset and the end of the draft."""
    draft = kept(alice, QA)
    work = asked(draft)
    with monkeypatch.context() as patched:
        patched.setattr(DatasetDraft, "delete", _killed)
        dataset_work._claim(work)
        work.refresh_from_db()
        with pytest.raises(KeyboardInterrupt):
            dataset_work.run(work)
    assert Dataset.objects.count() == 1
    DatasetWork.objects.filter(pk=work.pk).update(status=WorkStatus.QUEUED)
    done = run_next()
    assert (done.status, done.attempt) == (WorkStatus.DONE, 2)
    assert Dataset.objects.count() == 1 and not DatasetDraft.objects.exists()


def _killed(self: DatasetDraft, *args: Any, **kwargs: Any) -> Any:
    raise KeyboardInterrupt


def test_files_being_imported_are_not_tidied_away(alice: User) -> None:
    busy = kept(alice, QA)
    asked(busy)
    for number in range(drafts.MAX_DRAFTS + 2):
        kept(alice, [{"n": str(number)}])
    DatasetDraft.objects.filter(pk=busy.pk).update(created_at="2020-01-01T00:00Z")
    kept(alice, QA)
    assert busy.file.is_file()
    assert DatasetDraft.objects.count() == drafts.MAX_DRAFTS + 1


def test_the_api_answers_with_the_work(alice: User, api: Callable[[User], ApiClient]) -> None:
    client, draft = api(alice), kept(alice, QA)
    body = {"name": "QA", "mapping": {"format": "alpaca", "columns": COLUMNS}}
    answer = client.post(f"dataset-drafts/{draft.pk}/import", **body)
    assert answer.status_code == 202, answer.content
    assert client.delete(f"dataset-drafts/{draft.pk}").status_code == 409
    run_next()
    told = client.get(f"datasets/work/{answer.json()['id']}").json()
    assert told["status"] == "done"
    assert client.get(f"datasets/{told['results'][0]}").json()["records"] == len(QA)
