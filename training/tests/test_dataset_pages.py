"""Dataset pages as a person uses them, with and without scripts."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import AuditEvent, User
from training.models import Dataset, DatasetDraft, TrainingJob
from training.tests.test_datasets import media, shared_data, store

__all__ = ["media", "shared_data"]
OK = {"instruction": "What is it?", "output": "I am {{name}}."}
ClientFor = Callable[[User], Client]


def upload(client: Client, content: Any, file_name: str = "data.json", **fields: str) -> Any:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    form = {"file": SimpleUploadedFile(file_name, data), "name": "", "format": "auto", **fields}
    headers = {"HX-Request": "true"} if fields.pop("htmx", "") else {}
    return client.post("/datasets/new/", form, headers=headers)


def test_the_empty_list_teaches(alice: User, client_for: ClientFor) -> None:
    page = client_for(alice).get("/datasets/").content.decode()
    assert "No dataset yet" in page and "/datasets/new/" in page


def test_uploading_shows_the_verdict_and_the_records(alice: User, client_for: ClientFor) -> None:
    client = client_for(alice)
    bad = {"instruction": "q", "output": 5}
    answer = upload(client, [OK, bad, {**OK, "id": "<b>"}], name="First")
    dataset = Dataset.objects.get()
    assert answer.headers["Location"] == f"/datasets/{dataset.pk}/"
    page = client.get(f"/datasets/{dataset.pk}/").content.decode()
    for text in ("2 kept", "1 rejected", "record 2", "must be text, not a number", "What is it?"):
        assert text in page
    assert "Supervised" in page and dataset.sha256 in page
    assert f"/training/new/?dataset={dataset.pk}" in page
    assert "First" in client.get("/datasets/").content.decode()


@pytest.mark.parametrize(
    ("content", "file_name", "status", "text"),
    [
        (b"", "data.json", 422, "The file is empty."),
        (b"[1,", "data.json", 422, "line 1, column 4"),
        ([{**OK, "output": 5}], "data.json", 422, "record 1: “output” must be text"),
        ([OK], "data.xlsx", 422, ".json, .jsonl, .csv"),
        ([OK] * 1000, "data.json", 413, "larger than"),
    ],
)
def test_a_refusal_keeps_the_form(
    alice: User,
    client_for: ClientFor,
    settings: Any,
    content: Any,
    file_name: str,
    status: int,
    text: str,
) -> None:
    settings.UPLOAD_MAX_BYTES = 30_000
    answer = upload(client_for(alice), content, file_name, name="Kept name")
    assert answer.status_code == status
    assert text in answer.content.decode() and "Kept name" in answer.content.decode()
    assert not Dataset.objects.exists()


@pytest.mark.parametrize(
    ("content", "file_name", "text"),
    [
        ([{"topic": "1", "remark": "2"}], "data.json", "topic"),
        ("instruction,output\n你好,好\n".encode("gbk"), "data.csv", "你好"),
        (b'instruction,output\nq,"a\n', "data.csv", "line 2 is never closed"),
    ],
)
def test_a_file_that_needs_a_word_is_kept(
    alice: User, client_for: ClientFor, content: Any, file_name: str, text: str
) -> None:
    client = client_for(alice)
    answer = upload(client, content, file_name, name="Kept name")
    draft = DatasetDraft.objects.get()
    assert answer.headers["Location"] == f"/datasets/drafts/{draft.pk}/"
    page = client.get(answer.headers["Location"]).content.decode()
    assert text in page
    assert file_name in client.get("/datasets/").content.decode()
    assert not Dataset.objects.exists()


def test_fields_are_checked(alice: User, client_for: ClientFor) -> None:
    client = client_for(alice)
    assert upload(client, [OK], name="a/b").status_code == 422
    assert upload(client, [OK], format="parquet").status_code == 422
    missing = client.post("/datasets/new/", {"name": "x", "format": "auto"})
    assert missing.status_code == 422 and "Choose a file." in missing.content.decode()


def test_scripts_get_the_form_alone_or_where_to_go(alice: User, client_for: ClientFor) -> None:
    client = client_for(alice)
    refused = upload(client, b"", htmx="1")
    assert refused.status_code == 422 and "<html" not in refused.content.decode()
    accepted = upload(client, [OK], htmx="1")
    assert accepted.headers["HX-Redirect"] == f"/datasets/{Dataset.objects.get().pk}/"


def test_records_are_paged(alice: User, client_for: ClientFor) -> None:
    rows = [{**OK, "output": f"answer {n}."} for n in range(25)]
    dataset = store(alice, rows)
    client = client_for(alice)
    last = client.get(f"/datasets/{dataset.pk}/?page=3").content.decode()
    assert "answer 24." in last and "answer 19." not in last
    part = client.get(f"/datasets/{dataset.pk}/records/?page=2").content.decode()
    assert "answer 10." in part and "<html" not in part
    beyond = client.get(f"/datasets/{dataset.pk}/?page=99").content.decode()
    assert "answer 24." in beyond


def test_filling_placeholders(alice: User, client_for: ClientFor) -> None:
    client, dataset = client_for(alice), store(alice, [OK])
    assert "{{name}}" in client.get(f"/datasets/{dataset.pk}/").content.decode()
    empty = client.post(f"/datasets/{dataset.pk}/fill/", {"value_name": ""})
    assert empty.status_code == 422 and "at least one value" in empty.content.decode()
    useless = store(alice, [{"instruction": "q", "output": "{{name}}"}])
    refused = client.post(f"/datasets/{useless.pk}/fill/", {"value_name": "2024-01-01"})
    assert refused.status_code == 422 and "read them as times" in refused.content.decode()
    answer = client.post(f"/datasets/{dataset.pk}/fill/", {"value_name": "Ada"}, follow=True)
    assert "I am Ada." in answer.content.decode()


def test_downloading(alice: User, client_for: ClientFor) -> None:
    dataset = store(alice, [OK], name="数据")
    answer = client_for(alice).get(f"/datasets/{dataset.pk}/download/")
    assert b"".join(answer.streaming_content) == dataset.file.read_bytes()  # type: ignore[attr-defined]
    assert answer.headers["Content-Disposition"].startswith("attachment")
    event = AuditEvent.objects.get(action="dataset.download")
    assert (event.actor, event.target_id) == (alice, str(dataset.pk))


def test_a_lost_file_is_told(alice: User, client_for: ClientFor, api: Callable[..., Any]) -> None:
    client, dataset = client_for(alice), store(alice, [OK])
    dataset.file.unlink()
    path = f"/datasets/{dataset.pk}/"
    page = client.get(path)
    assert page.status_code == 200 and "is missing" in page.content.decode()
    assert client.get(f"{path}download/").status_code == 404
    assert client.post(f"{path}fill/", {"value_name": "x"}).status_code == 422
    answer = api(alice).get(f"datasets/{dataset.pk}/records")
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "file_missing")


def test_deleting(alice: User, client_for: ClientFor, make_job: Callable[..., TrainingJob]) -> None:
    client, free, used = client_for(alice), store(alice, [OK]), store(alice, [OK])
    make_job(dataset=used)
    client.post(f"/datasets/{free.pk}/delete/")
    answer = client.post(f"/datasets/{used.pk}/delete/", follow=True)
    assert "cannot be deleted" in answer.content.decode()
    assert not Dataset.objects.filter(pk=free.pk).exists()
    assert Dataset.objects.filter(pk=used.pk).exists()


def test_it_requires_the_owner(alice: User, bob: User, client_for: ClientFor) -> None:
    dataset, client = store(alice, [OK]), client_for(bob)
    for path in ("", "records/", "download/"):
        assert client.get(f"/datasets/{dataset.pk}/{path}").status_code == 404
    for path in ("fill/", "delete/"):
        assert client.post(f"/datasets/{dataset.pk}/{path}").status_code == 404
    assert "I am" not in client.get("/datasets/").content.decode()


@pytest.mark.browser
def test_uploading_in_a_browser(
    alice: User, sign_in: Callable[[User], Any], shared_data: Path
) -> None:
    page = sign_in(alice)
    page.goto("/datasets/new/")
    bad = {"name": "bad.json", "mimeType": "application/json", "buffer": b"[{]"}
    page.set_input_files("input[type=file]", bad)
    assert "bad.json" in page.inner_text("[data-file-name]")
    page.fill("input[name=name]", "Who am I")
    page.click("form[data-upload] button[type=submit]")
    page.wait_for_selector("form[data-upload] [role=alert]")
    assert "not valid JSON" in page.inner_text("form[data-upload] [role=alert]")
    page.set_input_files("input[type=file]", shared_data / "identity.json")
    page.click("form[data-upload] button[type=submit]")
    page.wait_for_selector("h1:has-text('Who am I')")
    page.click("#records a[rel=next]")
    page.wait_for_url("**/?page=2")
    assert "Record 11" in page.inner_text("#records")
    page.fill("input[name=value_name]", "Ada")
    page.fill("input[name=value_author]", "Lovelace Labs")
    page.click("text=Make filled dataset")
    page.wait_for_selector("text=I am Ada, an AI assistant developed by Lovelace Labs.")
    page.click("text=Delete")
    page.click("text=Delete this version")
    page.wait_for_url("**/datasets/")
    assert Dataset.objects.count() == 1


@pytest.mark.browser
def test_a_file_that_is_too_large_is_told_before_it_is_sent(
    alice: User, sign_in: Callable[[User], Any], settings: Any
) -> None:
    settings.UPLOAD_MAX_BYTES = 10
    page = sign_in(alice)
    page.goto("/datasets/new/")
    large = {"name": "large.json", "mimeType": "application/json", "buffer": b"[" + b" " * 99}
    page.set_input_files("input[type=file]", large)
    message = page.eval_on_selector("input[type=file]", "input => input.validationMessage")
    assert "larger than" in message
    page.eval_on_selector("form[data-upload]", "form => { form.dataset.maxBytes = 1e9 }")
    page.dispatch_event("input[type=file]", "change", {"bubbles": True})
    page.click("form[data-upload] button[type=submit]")
    page.wait_for_selector("form[data-upload] [role=alert]")


@pytest.mark.browser
def test_dropping_a_file(alice: User, sign_in: Callable[[User], Any]) -> None:
    page = sign_in(alice)
    page.goto("/datasets/new/")
    transfer = page.evaluate_handle(
        """() => { const data = new DataTransfer();
        data.items.add(new File(["[]"], "dropped.json")); return data; }"""
    )
    page.dispatch_event(".drop", "dragenter", {"dataTransfer": transfer})
    assert page.locator(".drop.is-over").count() == 1
    page.dispatch_event(".drop", "drop", {"dataTransfer": transfer})
    assert "dropped.json" in page.inner_text("[data-file-name]")
    assert page.locator(".drop.is-over").count() == 0


@pytest.mark.browser
def test_the_pages_are_accessible(alice: User, sign_in: Callable[[User], Any]) -> None:
    from axe_playwright_python.sync_playwright import Axe

    bad = {"instruction": "q", "output": 5}
    dataset = store(alice, [{**OK, "output": "long " * 900}, *[bad] * 40])
    page = sign_in(alice)
    for path in ("/datasets/", "/datasets/new/", f"/datasets/{dataset.pk}/"):
        page.goto(path)
        results = Axe().run(page)
        assert results.violations_count == 0, results.generate_report()
