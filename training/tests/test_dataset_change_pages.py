"""Pages about what is made of a dataset, as a person uses them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from training import dataset_uploads, dataset_work
from training.models import Dataset, DatasetStatistics, DatasetUpload, DatasetWork, WorkStatus
from training.tests.rows import make_base_model, make_job, make_version
from training.tests.test_dataset_uploads import DATA, begun, run_next, send
from training.tests.test_dataset_versions import outputs, rows
from training.tests.test_datasets import media, store

__all__ = ["media"]
ClientFor = Callable[[User], Client]


def text_of(client: Client, name: str, *args: Any, query: str = "") -> str:
    answer = client.get(reverse(f"datasets:{name}", args=args) + query)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_record_is_changed_on_its_page(alice: User, client_for: ClientFor) -> None:
    client, dataset = client_for(alice), store(alice, rows(3), name="sums")
    url = reverse("datasets:record", args=[dataset.pk]) + "?number=2"
    assert "a1" in client.get(url).content.decode()
    broken = client.post(url, {"record": '{"instruction": "kept",'})
    assert broken.status_code == 422
    assert "not valid JSON" in broken.content.decode() and "kept" in broken.content.decode()
    wrong = client.post(url, {"record": '{"instruction": "q", "output": 5}'})
    assert wrong.status_code == 422 and "must be text" in wrong.content.decode()
    answer = client.post(url, {"record": '{"instruction": "q", "output": "new"}'}, follow=True)
    page = answer.content.decode()
    assert "Version 2" in page and "Record 2 was changed." in page
    assert outputs(Dataset.objects.get(version=2)) == ["a0", "new", "a2"]
    assert "not the newest version" in text_of(client, "detail", dataset.pk)
    assert client.get(url.replace("=2", "=99")).status_code == 302


def test_records_are_left_out_and_come_back(alice: User, client_for: ClientFor) -> None:
    client, dataset = client_for(alice), store(alice, [*rows(3), *rows(1)])
    url = reverse("datasets:exclude", args=[dataset.pk])
    client.post(url, {"number": "2"})
    second = Dataset.objects.get(version=2)
    assert outputs(second) == ["a0", "a2", "a0"]
    client.post(url, {"duplicates": "near"})
    assert outputs(Dataset.objects.get(version=3)) == ["a0", "a1", "a2"]
    refused = client.post(url, {"number": "99"}, follow=True)
    assert "no record with this number" in refused.content.decode()
    client.post(url, {"number": "9" * 5000})
    client.post(url, {"number": "9" * 18})
    assert Dataset.objects.count() == 3
    assert client.get(reverse("datasets:mix") + "?with=" + "9" * 5000).status_code == 200
    page = text_of(client, "versions", second.pk, query=f"?old={dataset.pk}&new={second.pk}")
    assert "3 stayed, 1 went, 0 came." in page and "1 repetition was left out." in page
    client.post(reverse("datasets:restore", args=[dataset.pk]))
    assert Dataset.objects.get(version=4).sha256 == dataset.sha256


def test_adding_and_splitting(alice: User, client_for: ClientFor) -> None:
    client, dataset = client_for(alice), store(alice, rows(20), name="sums")
    url = reverse("datasets:append", args=[dataset.pk])
    for wrong in ("{", "[1]", ""):
        answer = client.post(url, {"records": wrong})
        assert answer.status_code == 422 and wrong in answer.content.decode()
    lines = "\n".join(json.dumps(row) for row in rows(2, 50))
    assert client.post(url, {"records": lines}).status_code == 302
    assert outputs(Dataset.objects.get(version=2))[-2:] == ["a50", "a51"]
    url = reverse("datasets:split", args=[dataset.pk])
    asked = {"percent": "20", "seed": "1", "together": "exact"}
    assert client.post(url, asked | {"percent": "90"}).status_code == 422
    page = client.post(url, asked, follow=True).content.decode()
    assert "sums (training)" in page and "Part for training of “sums”; 20 % for evaluation" in page
    assert Dataset.objects.get(name="sums (evaluation)").records == 4


def test_mixing(alice: User, bob: User, client_for: ClientFor) -> None:
    client, first, second = client_for(alice), store(alice, rows(4)), store(alice, rows(4, 10))
    his = store(bob, rows(4), name="secret of Bob")
    url = reverse("datasets:mix") + f"?with={first.pk}"
    page = client.get(url).content.decode()
    assert str(his) not in page and f"weight_{second.pk}" in page
    empty = client.post(url, {"name": "both", "seed": "1"})
    assert empty.status_code == 422 and "at least one dataset" in empty.content.decode()
    form = {"name": "both", "seed": "1", f"weight_{first.pk}": "0.5", f"weight_{second.pk}": "2"}
    assert client.post(url, form | {f"weight_{his.pk}": "1"}).status_code == 302
    assert Dataset.objects.get(name="both").records == 10


def test_without_a_dataset_a_mix_says_what_comes_first(alice: User, client_for: ClientFor) -> None:
    page = client_for(alice).get(reverse("datasets:mix")).content.decode()
    assert reverse("datasets:upload") in page and "Make the mix" not in page


def test_search_shows_records_and_goes_on(alice: User, client_for: ClientFor) -> None:
    client, dataset = client_for(alice), store(alice, rows(40))
    first = text_of(client, "search", dataset.pk, query="?q=A1")
    assert "Record 2" in first and "Search on" in first and "<html" in first
    cursor = first.split("cursor=")[1].split('"')[0]
    url = reverse("datasets:search", args=[dataset.pk]) + f"?q=A1&cursor={cursor}"
    part = client.get(url, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part and "Record 20" in part
    assert "No record says this." in text_of(client, "search", dataset.pk, query="?q=nowhere")
    assert client.get(url.replace(cursor, "x")).status_code == 200


def test_exports(alice: User, client_for: ClientFor) -> None:
    client, dataset = client_for(alice), store(alice, rows(3), name="sums")
    url = reverse("datasets:export", args=[dataset.pk])
    answer = client.get(url + "?file=csv")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="sums.csv"'
    assert b"a2" in b"".join(answer)
    calls = [{"from": "human", "value": "q"}]
    calls += [{"from": "function_call", "value": '{"name": "f", "arguments": {}}'}]
    lossy = store(alice, [{"conversations": calls}])
    url = reverse("datasets:export", args=[lossy.pk]) + "?format=alpaca"
    assert "no place for" in client.get(url, follow=True).content.decode()


def test_statistics_are_asked_for_and_shown(alice: User, client_for: ClientFor) -> None:
    client, dataset = client_for(alice), store(alice, rows(5))
    assert "Nothing is counted yet" in text_of(client, "statistics", dataset.pk)
    client.post(reverse("datasets:statistics", args=[dataset.pk]), {"base_model": ""})
    page = text_of(client, "statistics", dataset.pk)
    assert "Turns a record" in page and "Word for word" in page
    model = make_base_model(alice)
    DatasetStatistics.objects.create(
        dataset=dataset, base_model=model, result={"lengths": [[10, 3], [3000, 2]]}
    )
    assert "<strong>40 %</strong>" in text_of(client, "statistics", dataset.pk)
    url = reverse("datasets:statistics", args=[dataset.pk]) + "?cutoff=4096"
    part = client.get(url, headers={"HX-Request": "true"}).content.decode()
    assert "<strong>0 %</strong>" in part and "<html" not in part


def test_deleting_lists_what_depends_on_it(alice: User, client_for: ClientFor) -> None:
    client, dataset = client_for(alice), store(alice, rows(3), name="sums")
    job = make_job(alice, "success", dataset=dataset, name="the job")
    version = make_version(job)
    page = text_of(client, "delete", dataset.pk)
    assert "the job" in page and f"/models/{version.pk}/" in page
    assert "Delete these trainings first" in page and "Delete this version" not in page
    url = reverse("datasets:delete", args=[dataset.pk])
    refused = client.post(url)
    assert refused.status_code == 422 and "cannot be deleted" in refused.content.decode()
    version.job = None
    version.lineage |= {"dataset_sha256": dataset.sha256}
    version.save()
    job.delete()
    page = text_of(client, "delete", dataset.pk)
    assert f"/models/{version.pk}/" in page and "go on working" in page
    assert client.post(url).status_code == 302
    assert not Dataset.objects.exists()


def test_a_second_dataset_of_the_same_name_is_told(alice: User, client_for: ClientFor) -> None:
    client = client_for(alice)
    store(alice, rows(3), name="sums")
    assert "has the same name" in text_of(client, "detail", store(alice, rows(4), name="sums").pk)


def test_the_page_of_work_follows_it(alice: User, client_for: ClientFor) -> None:
    client, upload = client_for(alice), begun(alice)
    send(upload, DATA[:900], 0)
    assert "Unfinished uploads" in text_of(client, "list")
    send(upload, DATA[900:], 900)
    work = dataset_uploads.finish(upload=upload)
    assert "In the background" in text_of(client, "list")
    waiting = text_of(client, "work", work.pk)
    assert "as soon as there is room" in waiting and 'hx-trigger="every 1s"' in waiting
    run_next()
    url = reverse("datasets:work", args=[work.pk])
    done = client.get(url, headers={"HX-Request": "true"})
    assert done.headers["HX-Redirect"] == f"/datasets/{Dataset.objects.get().pk}/"
    other = begun(alice, b"[")
    send(other, b"[", 0)
    failing = dataset_uploads.finish(upload=other)
    client.post(reverse("datasets:cancel", args=[failing.pk]))
    assert "It was cancelled." in text_of(client, "work", failing.pk)


def test_a_large_file_with_other_columns_waits_for_its_mapping(
    alice: User, client_for: ClientFor
) -> None:
    data = b'{"frage": "q", "antwort": "a"}\n' * 3
    upload = begun(alice, data)
    send(upload, data, 0)
    dataset_uploads.finish(upload=upload)
    work = run_next()
    assert (work.status, work.error_code) == (WorkStatus.FAILED, "wrong_columns")
    page = text_of(client_for(alice), "work", work.pk)
    assert f"/datasets/drafts/{work.draft_id}/" in page


def test_uploads_can_be_removed(alice: User, client_for: ClientFor) -> None:
    client, upload = client_for(alice), begun(alice)
    client.post(reverse("datasets:remove-upload", args=[upload.pk]))
    assert not DatasetUpload.objects.exists()


@pytest.fixture
def worker(settings: Any) -> Iterator[Callable[[], None]]:
    """Does what waits, as the worker's processes would."""

    def work() -> None:
        for waiting in DatasetWork.objects.filter(status=WorkStatus.QUEUED):
            assert dataset_work._claim(waiting)
            waiting.refresh_from_db()
            dataset_work.run(waiting)

    yield work


@pytest.mark.browser
def test_an_upload_survives_a_lost_network_and_a_reload(
    alice: User,
    sign_in: Callable[[User], Any],
    worker: Callable[[], None],
    tmp_path: Path,
    monkeypatch: Any,
) -> None:
    monkeypatch.setattr(dataset_uploads, "CHUNK_BYTES", 100_000)
    file = tmp_path / "big.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows(12_000)))
    page = sign_in(alice)
    lost = {"count": 0}

    def cut(route: Any) -> None:
        lost["count"] += 1
        route.abort() if lost["count"] in (2, 3) or lost["count"] > 5 else route.continue_()

    page.route("**/uploads/*?offset=*", cut)
    page.goto("/datasets/new/")
    page.set_input_files("input[type=file]", file)
    page.fill("input[name=name]", "the big one")
    page.click("form[data-upload] button[type=submit]")
    page.wait_for_selector("[data-progress-text]:has-text('lost')")
    page.wait_for_selector("[data-progress-text]:has-text('sent')")
    while lost["count"] <= 5:
        page.wait_for_timeout(100)
    page.unroute("**/uploads/*?offset=*")
    page.goto("/datasets/new/")
    page.wait_for_selector("text=Unfinished uploads")
    before = DatasetUpload.objects.get().received_bytes
    assert 0 < before < file.stat().st_size
    page.set_input_files("input[type=file]", file)
    page.fill("input[name=name]", "the big one")
    page.click("form[data-upload] button[type=submit]")
    page.wait_for_url("**/datasets/work/**")
    worker()
    page.wait_for_selector("h1:has-text('the big one')")
    assert Dataset.objects.get().records == 12_000


@pytest.mark.browser
def test_the_pages_are_accessible(alice: User, sign_in: Callable[[User], Any]) -> None:
    from axe_playwright_python.sync_playwright import Axe

    dataset = store(alice, [*rows(30), *rows(2)], name="sums")
    job = make_job(alice, "success", dataset=dataset)
    DatasetStatistics.objects.create(
        dataset=dataset, base_model=job.base_model, result={"lengths": [[10, 3], [3000, 2]]}
    )
    page = sign_in(alice)
    page.goto(f"/datasets/{dataset.pk}/statistics/")
    page.click("form.card button")
    page.goto(f"/datasets/{dataset.pk}/record/?number=3")
    page.fill("textarea", '{"instruction": "other", "output": "words"}')
    page.click("text=Save as a new version")
    newest = Dataset.objects.get(version=2).pk
    paths = [f"/datasets/{dataset.pk}/{end}" for end in ("statistics/", "change/", "delete/")]
    paths += [f"/datasets/{dataset.pk}/versions/?old={dataset.pk}&new={newest}"]
    paths += [f"/datasets/{dataset.pk}/search/?q=a1", "/datasets/mix/", "/datasets/new/"]
    paths += [f"/datasets/{dataset.pk}/record/?number=1", f"/datasets/{dataset.pk}/"]
    work = DatasetWork.objects.create(owner=alice, kind="split", dataset=dataset)
    for path in (*paths, f"/datasets/work/{work.pk}/", "/datasets/"):
        page.goto(path)
        results = Axe().run(page)
        assert results.violations_count == 0, f"{path}: {results.generate_report()}"
    page.goto(f"/datasets/{dataset.pk}/statistics/")
    page.fill("#cutoff", "4096")
    page.wait_for_selector("#tokens strong:has-text('0 %')")
