"""Datasets as a service and through the API: what is stored, and what never is."""

import hashlib
import io
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import translation

from accounts.models import AuditEvent, User
from accounts.tokens import open_session
from conftest import ApiClient
from training import dataset_files, dataset_work, datasets
from training.dataset_handover import write_dataset_info
from training.formats.problems import Refusal
from training.models import Dataset, TrainingJob
from training.tests import dataset_examples as examples
from training.tests.conftest import wait_for

Api = Callable[[User], ApiClient]
SHARED = Path(django_settings.BASE_DIR).parent / "shared" / "data"
OK = {"instruction": "q", "output": "a"}


@pytest.fixture(autouse=True)
def media(tmp_path: Path, settings: Any) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def shared_data() -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"the example files are not beside the checkout ({SHARED})")
    return SHARED


def store(owner: User, content: Any, file_name: str = "data.json", **options: Any) -> Dataset:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return datasets.import_dataset(
        owner=owner, file=io.BytesIO(data), file_name=file_name, size_bytes=len(data), **options
    )


def folders() -> list[str]:
    root = dataset_files.root()
    return sorted(path.name for path in root.iterdir()) if root.exists() else []


def post(api: ApiClient, content: Any, file_name: str = "data.json", **fields: str) -> Any:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return api.client.post(
        "/api/v1/datasets", {"file": SimpleUploadedFile(file_name, data), **fields}
    )


# --- Import ------------------------------------------------------------------
@pytest.mark.parametrize(
    ("file_name", "format", "records", "placeholders"),
    [
        ("alpaca_zh_demo.json", "alpaca", 1000, []),
        ("identity.json", "alpaca", 91, ["author", "name"]),
        ("dpo_zh_demo.json", "preference", 300, []),
        ("glaive_toolcall_zh_demo.json", "sharegpt", 300, []),
    ],
)
def test_the_example_files_import_whole(
    alice: User,
    shared_data: Path,
    file_name: str,
    format: str,
    records: int,
    placeholders: list[str],
) -> None:
    dataset = store(alice, (shared_data / file_name).read_bytes(), file_name)
    assert (dataset.format, dataset.records, dataset.rejected) == (format, records, 0)
    assert (dataset.name, dataset.placeholders) == (Path(file_name).stem, placeholders)
    given = json.loads((shared_data / file_name).read_bytes())
    kept = datasets.records_of(dataset)[0:records]
    assert [{**row, **source} for row, source in zip(kept, given, strict=True)] == kept


def test_what_is_stored(alice: User) -> None:
    bad = [{"instruction": "q", "output": n} for n in range(150)]
    extra = {**OK, "id": 7}
    dataset = store(alice, [OK, *bad, extra], "my data.JSON", name=" 数据 ")
    content = dataset.file.read_bytes()
    assert dataset.sha256 == hashlib.sha256(content).hexdigest()
    assert dataset.size_bytes == len(content)
    assert [json.loads(line) for line in content.splitlines()] == [
        {"instruction": "q", "input": "", "output": "a", "system": ""}
    ] * 2
    assert (dataset.name, dataset.file_name) == ("数据", "my data.JSON")
    assert (dataset.records, dataset.rejected, len(dataset.errors)) == (2, 150, 100)
    expected = {"field": "output", "expected": "string", "found": "number"}
    first = {"line": 1, "record": 2, "code": "wrong_type", "params": expected, "fate": "stops"}
    assert dataset.errors[0] == first
    assert dataset.reasons == {"wrong_type": {"stops": 150}}
    reported = datasets.rejections_of(dataset)
    assert len(reported) == 150 and reported[149:150][0]["record"] == 151
    assert len(datasets.rejections_of(dataset, code="empty")) == 0
    assert dataset.ignored == ["id"]
    assert dataset.stages == ("sft",)
    assert dataset.file.stat().st_mode & 0o077 == 0
    assert Dataset.objects.get().layout["columns"]["response"] == "output"
    event = AuditEvent.objects.get(action="dataset.create")
    assert event.after is not None and event.after["rejected"] == 150


def test_a_history_that_comes_late_is_first_in_the_file(alice: User) -> None:
    rows: list[dict[str, Any]] = [{**OK, "output": str(n)} for n in range(600)]
    rows[500] |= {"history": [["q", "a"]]}
    dataset = store(alice, rows)
    stored = datasets.records_of(dataset)
    assert [row["output"] for row in stored[0:3]] == ["500", "0", "1"]
    assert [row["output"] for row in stored[500:503]] == ["499", "501", "502"]
    assert dataset.layout["columns"]["history"] == "history"


def test_records_are_read_by_position(alice: User) -> None:
    count = 3 * dataset_files.INDEX_STEP + 5
    dataset = store(alice, [{**OK, "output": str(n)} for n in range(count)])
    records = datasets.records_of(dataset)
    assert len(records) == count
    for start, stop in ((0, 3), (255, 258), (count - 2, count + 9), (count + 5, count + 9), (9, 9)):
        found = [row["output"] for row in records[start:stop]]
        assert found == [str(n) for n in range(count)][start:stop]


@pytest.mark.parametrize("name", ["../x", "a/b", "..", "x\u202ey", "n\x00", "x" * 101])
def test_a_bad_name_is_refused(alice: User, name: str) -> None:
    with pytest.raises(ValidationError) as caught:
        store(alice, [OK], name=name)
    assert "name" in caught.value.message_dict
    assert folders() == []


@pytest.mark.parametrize("name", ["../../etc/passwd.json", "\u202egnp.json", "x" * 300 + ".json"])
def test_file_names_stay_names(alice: User, name: str, media: Path) -> None:
    dataset = store(alice, [OK], name)
    assert len(dataset.name) <= 100 and "/" not in dataset.name
    assert dataset.file.parent.parent == media / "datasets"
    assert len(dataset.file_name) <= 200


def test_refused_files_leave_nothing(alice: User, settings: Any) -> None:
    settings.UPLOAD_MAX_BYTES = 1000
    refused = {
        "too_large": ([OK] * 100, "data.json"),
        "wrong_extension": ([OK], "data.parquet"),
        "broken_json": (b"[" + json.dumps(OK).encode() + b",]", "data.json"),
        "encoding": ('[{"instruction":"你好","output":"好"}]'.encode("gbk"), "data.json"),
        "empty_file": (b"", "data.jsonl"),
    }
    for code, (content, file_name) in refused.items():
        with pytest.raises(Refusal) as caught:
            store(alice, content, file_name)
        assert caught.value.code == code
    assert (folders(), Dataset.objects.count(), AuditEvent.objects.count()) == ([], 0, 0)


def test_a_full_disk_is_told_before_anything_is_written(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset_files, "SPARE_BYTES", 2**80)
    with pytest.raises(Refusal, match="disk_full"):
        store(alice, [OK])
    assert folders() == []


class Aborted(io.BytesIO):
    """A file whose reading fails half-way, as when a disk or a connection goes."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > 1_000_000:
            raise OSError("gone")
        return super().read(size)


def test_an_aborted_import_leaves_nothing(alice: User) -> None:
    content = json.dumps([OK] * 40_000).encode()
    with pytest.raises(OSError, match="gone"):
        datasets.import_dataset(
            owner=alice, file=Aborted(content), file_name="a.json", size_bytes=len(content)
        )
    assert (folders(), Dataset.objects.count()) == ([], 0)


def test_a_failed_save_leaves_nothing(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(folder: Path) -> None:
        folder.rename(folder.with_suffix(""))
        raise OSError("no")

    monkeypatch.setattr(dataset_files, "settle", fail)
    with pytest.raises(OSError, match="no"):
        store(alice, [OK])
    assert (folders(), Dataset.objects.count()) == ([], 0)


def test_abandoned_imports_are_swept_up(alice: User) -> None:
    old, young = (dataset_files.root() / name for name in ("old.part", "young.part"))
    for folder in (old, young):
        folder.mkdir(parents=True)
    day_ago = time.time() - dataset_files.ABANDONED_S - 60
    os.utime(old, (day_ago, day_ago))
    dataset = store(alice, [OK])
    assert folders() == sorted([dataset.file.parent.name, "young.part"])


@pytest.mark.django_db(transaction=True)
def test_only_what_was_never_saved_is_swept_up(alice: User, media: Path) -> None:
    live, marked, unknown = (store(alice, [OK] * 2) for _ in range(3))
    orphan, young = (dataset_files.root() / name for name in ("orphan", "young"))
    for folder in (orphan, young, marked.file.parent):
        folder.mkdir(exist_ok=True)
        mark = folder / dataset_files.UNSAVED
        mark.touch()
        if folder != young:
            os.utime(mark, (0, 0))
    # As with a database that is older than the files.
    Dataset.objects.filter(pk=unknown.pk)._raw_delete("default")
    for each in (live, unknown):
        os.utime(each.file.parent, (0, 0))
    assert (dataset_work.forget_unsaved(), dataset_files.sweep()) == (1, 1)
    kept = [each.file.parent.name for each in (live, marked, unknown)]
    assert folders() == sorted([*kept, "young"])
    assert not (marked.file.parent / dataset_files.UNSAVED).exists()
    assert dataset_work.forget_unsaved() == 0


@pytest.mark.django_db(transaction=True)
def test_a_saved_dataset_has_no_mark_and_a_killed_one_keeps_it(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = store(alice, [OK])
    assert not (dataset.file.parent / dataset_files.UNSAVED).exists()
    real = dataset_files.settle
    moved: list[str] = []

    def killed(folder: Path) -> None:
        real(folder)
        moved.extend(path.name for path in folder.with_suffix("").iterdir())
        raise KeyboardInterrupt

    monkeypatch.setattr(dataset_files, "settle", killed)
    with pytest.raises(KeyboardInterrupt):
        store(alice, [OK])
    assert dataset_files.UNSAVED in moved and Dataset.objects.count() == 1


class Endless(io.BytesIO):
    """Much more than memory would hold, made as it is read; counts what was asked at a time."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.line = json.dumps({**OK, "output": "x" * 500}).encode() + b"\n"
        self.size, self.given, self.largest = size, 0, 0

    def seek(self, offset: int, whence: int = 0) -> int:
        self.given = 0
        return 0

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None and size > 0, "the whole file was asked for"
        self.largest = max(self.largest, size)
        lines = min(size, self.size - self.given) // len(self.line)
        self.given += max(lines, 1) * len(self.line)
        return self.line * lines


def test_a_file_is_read_in_pieces(alice: User) -> None:
    import tracemalloc

    file = Endless(20_000_000)
    tracemalloc.start()
    dataset = datasets.import_dataset(
        owner=alice, file=file, file_name="big.jsonl", size_bytes=20_000_000
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert dataset.size_bytes > 18_000_000
    assert file.largest <= 1024 * 1024
    assert peak < 5_000_000


# --- Placeholders ------------------------------------------------------------
def test_filling_placeholders_makes_another_dataset(alice: User) -> None:
    texts = {"instruction": "Who are you, {{ name }}?", "output": "{{name}} by {{author}} {{x y}}"}
    dataset = store(alice, [texts], name="identity")
    values = {"name": 'A "B"\\1', "other": "no"}
    filled = datasets.fill_placeholders(dataset=dataset, values=values)
    assert filled.pk != dataset.pk and filled.name == "identity (filled in)"
    record = datasets.records_of(filled)[0:1][0]
    assert record["instruction"] == 'Who are you, A "B"\\1?'
    assert record["output"] == 'A "B"\\1 by {{author}} {{x y}}'
    assert filled.placeholders == ["author"]
    assert AuditEvent.objects.filter(action="dataset.fill").exists()


def test_filling_leaves_tools_alone(alice: User) -> None:
    tools = json.dumps([{**examples.TOOL, "description": "{{name}}"}])
    conversation = examples.chat(("human", "{{name}}"), ("gpt", "a"))
    dataset = store(alice, [{"conversations": conversation, "tools": tools}])
    filled = datasets.fill_placeholders(dataset=dataset, values={"name": '"'})
    record = datasets.records_of(filled)[0:1][0]
    assert record["tools"] == tools and record["conversations"][0]["value"] == '"'


@pytest.mark.parametrize("values", [{}, {"name": ""}, {"other": "x"}, {"name": "x" * 2001}])
def test_useless_values_are_refused(alice: User, values: dict[str, str]) -> None:
    dataset = store(alice, [{**OK, "output": "{{name}}"}])
    with pytest.raises(ValidationError):
        datasets.fill_placeholders(dataset=dataset, values=values)


# --- For the trainer, and the end --------------------------------------------
def test_dataset_info_names_files_and_columns_only(alice: User, tmp_path: Path) -> None:
    rows = [store(alice, examples.GOOD[name], name="../x"[3:]) for name in examples.GOOD]
    folder = tmp_path / "job"
    folder.mkdir()
    assert write_dataset_info(folder, rows) == [f"d{row.pk}" for row in rows]
    entries = json.loads((folder / "dataset_info.json").read_text())
    allowed = {"file_name", "formatting", "ranking", "columns", "tags"}
    for entry, row in zip(entries.values(), rows, strict=True):
        assert entry.keys() <= allowed
        assert (folder / entry["file_name"]).read_bytes() == row.file.read_bytes()


@pytest.mark.django_db(transaction=True)
def test_deleting_removes_the_file(alice: User) -> None:
    dataset = store(alice, [OK])
    datasets.delete_dataset(dataset=dataset, actor=alice)
    assert AuditEvent.objects.filter(action="dataset.delete").exists()
    other = store(alice, [OK])
    alice.delete()
    assert not dataset.file.exists() and not other.file.exists()
    assert (dataset_files.sweep(), folders()) == (2, [])


def test_a_dataset_that_a_job_uses_stays(make_job: Callable[..., TrainingJob], alice: User) -> None:
    dataset = store(alice, [OK])
    job = make_job(dataset=dataset)
    with pytest.raises(datasets.InUse, match=job.name):
        datasets.delete_dataset(dataset=dataset, actor=alice)
    assert dataset.file.exists() and Dataset.objects.filter(pk=dataset.pk).exists()
    assert not AuditEvent.objects.filter(action="dataset.delete").exists()


# --- API ---------------------------------------------------------------------
def test_the_api_imports_lists_and_deletes(alice: User, api: Api) -> None:
    client = api(alice)
    answer = post(client, [OK, {**OK, "output": 5}], name="First", format="alpaca")
    assert answer.status_code == 201, answer.content
    row = answer.json()
    assert row["errors"] == [
        {
            **{"line": 1, "record": 2, "code": "wrong_type", "fate": "stops"},
            **{name: row["errors"][0][name] for name in ("reason", "fix")},
        }
    ]
    assert row["errors"][0]["reason"] == "“output” must be text, not a number."
    assert (row["name"], row["format"], row["records"], row["rejected"]) == (
        "First",
        "alpaca",
        1,
        1,
    )
    path = f"datasets/{row['id']}"
    assert client.get(path).json() == row
    assert client.get("datasets").json()["items"][0]["sha256"] == row["sha256"]
    records = client.get(f"{path}/records?limit=1&offset=0").json()
    assert records["count"] == 1 and records["items"][0]["output"] == "a"
    assert client.get(f"{path}/records?offset=5").json()["items"] == []
    assert b"".join(client.get(f"{path}/download").streaming_content).startswith(b'{"instruction"')
    assert AuditEvent.objects.filter(action="dataset.download").count() == 1
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404


def test_the_api_explains_refusals_in_the_language_of_the_reader(alice: User, api: Api) -> None:
    client = api(alice)
    answer = post(client, [{**OK, "output": 1}] * 20)
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert error["code"] == "no_valid_records"
    assert "Line 1, record 1: “output” must be text" in error["message"]
    assert len(error["fields"]["file"]) == 11
    alice.language = "zh-hans"
    alice.save()
    client.client.defaults["HTTP_ACCEPT_LANGUAGE"] = "zh-hans"
    translated = post(client, b"[").json()["error"]["message"]
    with translation.override("zh-hans"):
        assert "JSON" in translated and "第 1 行" in translated


@pytest.mark.parametrize(
    ("content", "file_name", "status", "code"),
    [
        ([OK], "data.xlsx", 422, "wrong_extension"),
        (b"", "data.json", 422, "empty_file"),
        (b"[]", "data.json", 422, "no_records"),
        ([{"q": 1}], "data.json", 422, "wrong_columns"),
        ([OK] * 1000, "data.json", 413, "too_large"),
    ],
)
def test_the_api_refuses_useless_files(
    alice: User, api: Api, settings: Any, content: Any, file_name: str, status: int, code: str
) -> None:
    settings.UPLOAD_MAX_BYTES = 20_000
    answer = post(api(alice), content, file_name)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_the_api_names_bad_fields(alice: User, api: Api) -> None:
    client = api(alice)
    assert "name" in post(client, [OK], name="a/b").json()["error"]["fields"]
    assert "format" in post(client, [OK], format="parquet").json()["error"]["fields"]
    assert client.client.post("/api/v1/datasets", {"name": "x"}).status_code == 422


def test_the_api_fills_and_protects(
    alice: User, api: Api, make_job: Callable[..., TrainingJob]
) -> None:
    client = api(alice)
    row = post(client, [{**OK, "output": "I am {{name}}"}]).json()
    filled = client.post(f"datasets/{row['id']}/fill", values={"name": "Ada"}, name="Ada")
    assert filled.status_code == 201 and filled.json()["placeholders"] == []
    assert client.post(f"datasets/{row['id']}/fill", values={}).status_code == 422
    times = post(client, [{**OK, "output": "{{name}}"}], format="alpaca").json()
    refused = client.post(f"datasets/{times['id']}/fill", values={"name": "2024-01-01"})
    assert refused.json()["error"]["code"] == "only_times"
    make_job(dataset=Dataset.objects.get(pk=row["id"]))
    answer = client.delete(f"datasets/{row['id']}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "in_use")


def test_it_requires_the_owner(alice: User, bob: User, api: Api) -> None:
    path = f"datasets/{post(api(alice), [OK]).json()['id']}"
    stranger = api(bob)
    for answer in (
        *(stranger.get(f"{path}{part}") for part in ("", "/records", "/download")),
        stranger.post(f"{path}/fill", values={"name": "x"}),
        stranger.delete(path),
    ):
        assert answer.status_code == 404
    assert stranger.get("datasets").json() == {"items": [], "count": 0}


def test_an_upload_with_the_session_needs_its_token(alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    answer = client.post("/api/v1/datasets", {"file": SimpleUploadedFile("a.json", b"[]")})
    assert answer.status_code == 403


def test_an_aborted_upload_leaves_nothing(
    alice: User, live_url: str, settings: Any, tmp_path: Path
) -> None:
    """The connection goes while the file is on its way."""
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path / "uploads"
    settings.FILE_UPLOAD_TEMP_DIR.mkdir()
    host, port = live_url.removeprefix("http://").split(":")
    token = open_session(user=alice, request=None).access
    start = (
        f"POST /api/v1/datasets HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 9000000\r\n\r\n"
        '--x\r\nContent-Disposition: form-data; name="file"; filename="a.json"\r\n\r\n['
    )
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(start.encode() + b" " * 5_000_000)
    answer = Client(headers={"Authorization": f"Bearer {token}"}).get("/api/v1/datasets")
    assert answer.json()["count"] == 0
    wait_for(lambda: not list(settings.FILE_UPLOAD_TEMP_DIR.iterdir()), seconds=20)
    assert folders() == []


@pytest.mark.django_db(transaction=True)
def test_uploads_at_the_same_time_do_not_meet(alice: User) -> None:
    names = [f"set {n}" for n in range(6)]
    failures: list[BaseException] = []

    def run(name: str) -> None:
        from django.db import connection

        try:
            store(alice, [{**OK, "output": name}] * 50, name=name)
        except BaseException as error:  # noqa: BLE001  a thread cannot raise into the test
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    kept: Iterator[Dataset] = Dataset.objects.order_by("name").iterator()
    for dataset in kept:
        assert {row["output"] for row in datasets.records_of(dataset)[0:50]} == {dataset.name}
