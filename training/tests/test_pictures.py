"""Pictures in datasets: what is taken in, kept, shared and sent."""

import base64
import io
import tracemalloc
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from accounts.models import User
from conftest import ApiClient
from providers.services import publish_model
from training import (
    dataset_changes,
    dataset_mixes,
    dataset_pictures,
    dataset_splits,
    dataset_statistics,
    dataset_uploads,
    dataset_work,
    datasets,
    drafts,
    evaluation,
    parity,
    vision,
)
from training.dataset_files import pictures_of, sweep
from training.dataset_texts import listed
from training.formats import bundles
from training.formats.problems import Refusal
from training.models import (
    BaseModel,
    Dataset,
    DatasetStatistics,
    DatasetWork,
    HeldOut,
    Status,
    WorkStatus,
)
from training.tests.bundles import (
    EVERY_FORMAT,
    HOSTILE_CHATS,
    HOSTILE_FILES,
    HOSTILE_PICTURES,
    asked,
    bundle,
    colours,
    packed,
    picture,
    with_link,
)
from training.tests.rows import make_job, make_version
from training.tests.test_datasets import folders, media, store

__all__ = ["media"]
Api = Callable[[User], ApiClient]


def zipped(owner: User, content: bytes, **options: Any) -> Dataset:
    return store(owner, content, "photos.zip", **options)


def codes(dataset: Dataset) -> list[tuple[int, str]]:
    return [(error["line"], error["code"]) for error in dataset.errors]


def result(work: DatasetWork) -> Dataset:
    assert work.status == WorkStatus.DONE, work.error
    return Dataset.objects.get(pk=work.results[0])


def kept(dataset: Dataset) -> list[str]:
    folder = pictures_of(dataset.file)
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def named(dataset: Dataset) -> list[str]:
    rows = datasets.records_of(dataset)[:]
    return sorted({name for row in rows for name in row.get("images", ())})


# --- Import ------------------------------------------------------------------
def test_a_zip_becomes_records_and_pictures(alice: User) -> None:
    dataset = zipped(alice, colours(6))
    assert (dataset.records, dataset.rejected, dataset.format) == (7, 0, "alpaca")
    assert dataset.layout["columns"]["images"] == "images"
    assert dataset.pictures == len(kept(dataset)) == 6 and kept(dataset) == named(dataset)
    assert dataset.picture_bytes == sum(
        path.stat().st_size for path in pictures_of(dataset.file).iterdir()
    )
    assert dataset.file_name == "photos.zip"


def test_equal_pictures_are_kept_once(alice: User) -> None:
    same = picture()
    dataset = zipped(
        alice, bundle([asked("a.png"), asked("b.png")], {"a.png": same, "b.png": same})
    )
    assert (dataset.records, dataset.pictures, dataset.duplicates) == (2, 1, 1)


def test_other_pictures_are_another_content(alice: User) -> None:
    first, second = (
        zipped(alice, bundle([asked("a.png")], {"a.png": picture(colour)}))
        for colour in ("red", "blue")
    )
    assert first.sha256 != second.sha256


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_every_kind_that_browsers_show(alice: User, kind: str) -> None:
    dataset = zipped(alice, bundle([asked("a.x")], {"a.x": picture(kind=kind)}))
    assert dataset.records == 1
    assert dataset_pictures.type_of(kept(dataset)[0]) == f"image/{kind.lower()}"


@pytest.mark.parametrize(("record", "format"), EVERY_FORMAT)
def test_every_format_has_pictures(alice: User, record: dict[str, Any], format: str) -> None:
    files = {"a.png": picture("red"), "b.png": picture("blue")}
    dataset = zipped(alice, bundle([record], files))
    assert (dataset.records, dataset.format) == (1, format)
    stored = datasets.records_of(dataset)[:1][0]
    assert len(stored["images"]) == len(kept(dataset))
    assert stored["images"][0] == dataset_pictures.checked_picture(files["a.png"], "a.png")


def test_parts_of_openai_become_marks_in_one_text(alice: User) -> None:
    files = {"a.png": picture("red"), "b.png": picture("blue")}
    dataset = zipped(alice, bundle([EVERY_FORMAT[0][0]], files))
    stored = datasets.records_of(dataset)[:1][0]
    assert stored["messages"][0]["content"] == "Compare<image><image>these.\nBriefly."
    (turns,) = datasets.turns_of(dataset, [stored])
    assert [len(turn.pictures) for turn in turns] == [2, 0]


def test_a_table_names_pictures_in_its_cells(alice: User) -> None:
    table = (
        'instruction,output,images\n<image>a,b,x.png\n<image><image>a,b,"[""x.png"",""x.png""]"\n'
    )
    dataset = zipped(alice, packed({"t.csv": table.encode(), "x.png": picture()}))
    assert [len(row["images"]) for row in datasets.records_of(dataset)[:]] == [1, 2]


def data_url(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def test_a_plain_file_may_hold_pictures_itself(alice: User) -> None:
    stray = {"instruction": "What is <image>?", "output": "A mark."}
    dataset = store(alice, [asked(data_url(picture())), stray, asked("a.png"), asked("data:x,y")])
    assert (dataset.records, dataset.pictures) == (1, 1)
    assert [code for _line, code in codes(dataset)] == [
        "image_count",
        "picture_no_zip",
        "picture_broken",
    ]


def test_marks_are_texts_where_there_are_no_pictures(alice: User) -> None:
    dataset = store(alice, [{"instruction": "What is <image> in data:image/png?", "output": "A."}])
    assert (dataset.records, dataset.pictures, "images" in dataset.layout["columns"]) == (
        1,
        0,
        False,
    )


def test_a_late_picture_is_seen_at_the_beginning(alice: User) -> None:
    """The trainer takes the columns from there."""
    plain = {"instruction": "q", "output": "a"}
    late = {"instruction": "q", "output": "a", "history": [["q", "a"]]}
    content = bundle([plain, late, plain, asked("a.png")], {"a.png": picture()})
    rows = datasets.records_of(zipped(alice, content))[:]
    assert [sorted(row.keys() & {"history", "images"}) for row in rows] == [
        ["images"],
        ["history"],
        [],
        [],
    ]


# --- What is refused -----------------------------------------------------------
@pytest.mark.parametrize(("record", "code"), HOSTILE_PICTURES)
def test_a_wrong_picture_takes_its_record_only(
    alice: User, record: dict[str, Any], code: str
) -> None:
    dataset = zipped(alice, with_link(bundle([asked("a.png"), record], HOSTILE_FILES)))
    assert (dataset.records, codes(dataset)) == (1, [(2, code)])
    assert dataset.pictures == 1
    (row,) = listed(dataset.errors)
    assert row["fix"] and "%" not in row["reason"]


@pytest.mark.parametrize(("record", "code"), HOSTILE_CHATS)
def test_a_conversation_with_wrong_pictures(alice: User, record: dict[str, Any], code: str) -> None:
    with pytest.raises(Refusal) as caught:
        zipped(alice, bundle([record], HOSTILE_FILES))
    assert [each.code for each in caught.value.rejections] == [code]


def test_a_picture_that_is_too_large(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "MAX_PICTURE_BYTES", 100)
    files = {"a.png": picture(), "b.png": picture(size=(400, 400)) + bytes(100)}
    dataset = zipped(alice, bundle([asked(name) for name in files], files))
    assert codes(dataset) == [(2, "picture_large")]


def test_unpacked_it_may_not_be_larger_than_allowed(alice: User, settings: Any) -> None:
    settings.UPLOAD_MAX_BYTES = 1024
    content = bundle([asked("a.png")], {"a.png": picture(), "noise.bin": bytes(5000)})
    with pytest.raises(Refusal, match="zip_too_large"):
        zipped(alice, content)


def test_file_managers_leave_noise(alice: User) -> None:
    noise = {"__MACOSX/._data.jsonl": b"x", ".DS_Store": b"x", "__MACOSX/p/._a.png": b"x"}
    dataset = zipped(alice, bundle([asked("p/a.png")], {"p/a.png": picture(), **noise}))
    assert dataset.records == 1


@pytest.mark.parametrize("place", ["photos/1.png", "set/photos/1.png"])
def test_paths_are_from_the_records_or_from_the_top(alice: User, place: str) -> None:
    dataset = zipped(alice, bundle([asked("photos/1.png")], {place: picture()}, "set/data.jsonl"))
    assert dataset.records == 1


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8"])
def test_names_in_chinese_are_found(alice: User, encoding: str) -> None:
    """Windows packs names in GBK and marks them as nothing; so do Macs, in UTF-8."""
    content = bundle([asked("图片/猫.png")], {"XXXX/YY.png": picture()})
    old, new = "XXXX/YY.png", "图片/猫.png".encode(encoding)
    if encoding == "utf-8":
        content = bundle([asked("图片/猫.png")], {"X" * (len(new)): picture()})
        old = "X" * len(new)
    assert len(new) == len(old) or encoding == "gb18030"
    new = new.ljust(len(old), b"g") if len(new) < len(old) else new
    dataset = zipped(alice, content.replace(old.encode(), new))
    assert dataset.records == 1


# --- Versions --------------------------------------------------------------------
def test_versions_share_the_files_and_the_last_one_takes_them(
    alice: User, django_capture_on_commit_callbacks: Any
) -> None:
    dataset = zipped(alice, colours(4))
    second = result(dataset_changes.exclude(dataset=dataset, actor=alice, numbers=[1]))
    assert (second.pictures, kept(second)) == (3, named(second))
    place = pictures_of(second.file) / kept(second)[0]
    assert place.stat().st_nlink == 2
    with django_capture_on_commit_callbacks(execute=True):
        datasets.delete_dataset(dataset=dataset, actor=alice)
    sweep()
    assert place.stat().st_nlink == 1 and datasets.records_of(second)[:]
    with django_capture_on_commit_callbacks(execute=True):
        datasets.delete_dataset(dataset=second, actor=alice)
    sweep()
    assert folders() == []


def test_restore_takes_the_pictures_back(alice: User) -> None:
    dataset = zipped(alice, colours(3))
    result(dataset_changes.exclude(dataset=dataset, actor=alice, numbers=[1]))
    restored = dataset_changes.restore(dataset=dataset, actor=alice)
    assert (restored.sha256, kept(restored)) == (dataset.sha256, kept(dataset))
    assert restored.pictures == 3


def test_a_record_is_edited_with_pictures_that_are_there(alice: User) -> None:
    dataset = zipped(alice, colours(3))
    first, second = datasets.records_of(dataset)[:2]
    both = {**first, "instruction": "<image><image>Both?"}
    both["images"] = [*first["images"], *second["images"]]
    edited = result(dataset_changes.edit(dataset=dataset, actor=alice, number=1, record=both))
    assert datasets.records_of(edited)[:1][0]["images"] == both["images"]
    new = {**first, "images": [data_url(picture("yellow"))]}
    fresh = result(dataset_changes.edit(dataset=edited, actor=alice, number=1, record=new))
    assert fresh.pictures == 3 and fresh.rejected == 0
    for wrong in ("0" * 64 + ".png", "../data.jsonl", "https://example.com/a.png"):
        record = {**first, "images": [wrong]}
        with pytest.raises(ValidationError):
            dataset_changes.edit(dataset=dataset, actor=alice, number=1, record=record)
    with pytest.raises(ValidationError, match="image"):
        record = {**first, "instruction": "no mark"}
        dataset_changes.edit(dataset=dataset, actor=alice, number=1, record=record)


def test_append_split_and_mix_bring_the_pictures_along(alice: User) -> None:
    dataset = zipped(alice, colours(6), name="six")
    other = store(alice, [{"instruction": "q", "output": "a"}] * 3, name="texts")
    joined = result(dataset_changes.append(dataset=other, actor=alice, other=dataset))
    assert (joined.records, joined.pictures) == (10, 6)
    work = dataset_splits.split(dataset=dataset, actor=alice, share=0.5)
    parts = [Dataset.objects.get(pk=pk) for pk in work.results]
    assert sum(part.records for part in parts) == 7
    assert all(kept(part) == named(part) for part in parts)
    talk = {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}
    chats = store(alice, [talk], name="chats")
    sources = [dataset_mixes.Source(each, 1.0) for each in (dataset, chats)]
    mixed = result(dataset_mixes.mix(actor=alice, name="mix", sources=sources))
    assert (mixed.format, mixed.records, mixed.pictures) == ("sharegpt", 8, 6)
    assert kept(mixed) == named(mixed)


def test_the_same_question_about_another_picture_is_no_repetition(alice: User) -> None:
    rows = [asked(f"{n}.png", text="What colour is the thing in this picture?") for n in range(4)]
    files = {f"{n}.png": picture(size=(20 + n // 2, 20)) for n in range(4)}
    dataset = zipped(alice, bundle(rows, files))
    left = result(dataset_changes.exclude(dataset=dataset, actor=alice, duplicates="near"))
    assert (left.records, left.pictures) == (2, 2)


# --- Out again ---------------------------------------------------------------------
def sent(client: Client, url: str) -> bytes:
    response = client.get(url)
    assert response.status_code == 200
    return async_to_sync(_joined)(response.streaming_content)


async def _joined(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


@pytest.mark.parametrize("query", ["download/", "export/?file=json", "export/?file=csv"])
def test_what_is_taken_along_can_be_uploaded_again(
    alice: User, client_for: Callable[[User], Client], query: str
) -> None:
    dataset = zipped(alice, colours(4))
    content = sent(client_for(alice), f"/datasets/{dataset.pk}/{query}")
    again = zipped(alice, content)
    assert (again.records, again.pictures) == (5, 4)
    assert kept(again) == kept(dataset)
    if "csv" not in query:
        assert again.sha256 == dataset.sha256


def test_an_export_in_another_format_keeps_the_pictures(
    alice: User, client_for: Callable[[User], Client]
) -> None:
    dataset = zipped(alice, colours(3))
    content = sent(client_for(alice), f"/datasets/{dataset.pk}/export/?file=jsonl&format=openai")
    again = zipped(alice, content)
    assert (again.format, again.pictures) == ("openai", 3)


def test_a_picture_is_shown_to_its_owner_as_a_picture(
    alice: User, bob: User, api: Api, client_for: Callable[[User], Client]
) -> None:
    dataset = zipped(alice, colours(2))
    name = kept(dataset)[0]
    page = f"/datasets/{dataset.pk}/pictures/{name}"
    for url in (page, f"/api/v1{page}"):
        response = api(alice).client.get(url) if "api" in url else client_for(alice).get(url)
        assert response["Content-Type"] == "image/png"
        assert response["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in response["Content-Security-Policy"]
    small = client_for(alice).get(f"{page}?small")
    with Image.open(io.BytesIO(small.content)) as image:
        assert image.format == "WEBP"
    for wrong in ("x.png", "0" * 64 + ".png", name.replace(".png", ".svg"), "..%2fdata.jsonl"):
        assert client_for(alice).get(f"/datasets/{dataset.pk}/pictures/{wrong}").status_code == 404
    assert api(bob).client.get(f"/api/v1{page}").status_code == 404


def test_the_pages_show_thumbnails(alice: User, client_for: Callable[[User], Client]) -> None:
    dataset = zipped(alice, colours(2))
    address = f"/datasets/{dataset.pk}/pictures/"
    for page in ("", "record/?number=1", "search/?q=colour", "tokens/?record=1"):
        text = client_for(alice).get(f"/datasets/{dataset.pk}/{page}").content.decode()
        assert address in text and "?small" in text, page


def test_the_api_takes_a_zip_and_tells_of_pictures(alice: User, api: Api) -> None:
    file = SimpleUploadedFile("photos.zip", colours(3))
    answer = api(alice).client.post("/api/v1/datasets", {"file": file})
    assert answer.status_code == 201, answer.content
    assert answer.json()["pictures"] == 3


def test_statistics_count_the_pictures(alice: User) -> None:
    dataset = zipped(alice, colours(3))
    dataset_statistics.ask(dataset=dataset, actor=alice, base_model=None)
    texts, _rows = dataset_statistics.newest(dataset)
    assert texts is not None and texts["pictures"] == [[0, 1], [1, 3]]


def test_columns_of_other_names_are_mapped_in_a_zip(alice: User) -> None:
    rows = [{"frage": "<image>Was?", "antwort": "Rot.", "bild": "a.png"}]
    content = bundle(rows, {"a.png": picture()})
    with pytest.raises(Refusal, match="wrong_columns"):
        zipped(alice, content)
    draft = drafts.keep(
        owner=alice, file=io.BytesIO(content), file_name="a.zip", size_bytes=len(content)
    )
    assert [column.name for column in drafts.look(draft).columns] == ["frage", "antwort", "bild"]
    columns = {"instruction": "frage", "output": "antwort", "images": "bild"}
    mapping = drafts.checked_mapping("alpaca", columns)
    (row,) = drafts.preview(draft, None, mapping)
    assert row.problem is None and row.turns[0].text == "<image>Was?"
    assert row.turns[0].pictures[0].startswith("data:image/webp;base64,")
    dataset = drafts.import_draft(draft=draft, options=None, mapping=mapping)
    assert (dataset.records, dataset.pictures) == (1, 1)


def test_memory_stays_flat_while_a_large_zip_is_read(alice: User) -> None:
    noisy = Image.effect_noise((700, 700), 90).convert("RGB")
    target = io.BytesIO()
    noisy.save(target, "PNG")
    files = {f"{n}.png": target.getvalue() + bytes([n]) for n in range(16)}
    content = bundle([asked(name) for name in files], files)
    assert len(content) > 10 * 1024**2
    tracemalloc.start()
    dataset = zipped(alice, content)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert dataset.pictures == 16 and peak < 8 * 1024**2


def test_a_zip_arrives_in_pieces(alice: User) -> None:
    content = colours(5)
    upload = dataset_uploads.begin(owner=alice, file_name="p.zip", size_bytes=len(content))
    for start in range(0, len(content), 500):
        piece = io.BytesIO(content[start : start + 500])
        dataset_uploads.receive(upload=upload, offset=start, read=piece.read)
    work = dataset_uploads.finish(upload=upload)
    DatasetWork.objects.filter(pk=work.pk).update(status=WorkStatus.RUNNING)
    work.refresh_from_db()
    dataset_work.run(work)
    work.refresh_from_db()
    assert result(work).pictures == 5


# --- What knows texts only --------------------------------------------------------
def test_an_evaluation_would_ask_without_the_pictures(alice: User) -> None:
    dataset = zipped(alice, colours(4))
    job = make_job(alice, Status.SUCCESS, dataset=dataset, parameters={"val_size": 0.2})
    version = make_version(job)
    assert evaluation.sources_for(version)[0] != HeldOut.SHARE
    for source in (HeldOut.SHARE, HeldOut.DATASET):
        with pytest.raises(ValidationError, match="in texts only"):
            evaluation.begin(version=version, actor=alice, source=source, dataset=dataset)
    assert not parity.is_possible(version)
    waiting = make_job(alice, Status.PENDING, dataset=dataset, parameters={"val_size": 0.2})
    with pytest.raises(ValidationError, match="in texts only"):
        evaluation.plan(job=waiting, actor=alice)


def test_who_chooses_is_told_of_cutoff_and_estimate(alice: User, base_model: BaseModel) -> None:
    dataset = zipped(alice, colours(4))
    fields = [name for name, _text in vision.notes(dataset, base_model, {})]
    assert fields == ["dataset", "cutoff_len"]
    DatasetStatistics.objects.create(
        dataset=dataset, base_model=base_model, result={"lengths": [[30, 4], [90, 1]]}
    )
    told = [vision.notes(dataset, base_model, {"cutoff_len": n})[1][1] for n in (64, 90)]
    assert "stops" in told[0] and "90 tokens" in told[0] and "No record is cut" in told[1]
    assert vision.notes(store(alice, [{"instruction": "q", "output": "a"}]), base_model, {}) == []


def test_a_deployed_model_that_sees_is_offered_with_pictures(
    alice: User, base_model: BaseModel
) -> None:
    version = make_version(make_job(alice, Status.SUCCESS, base_model=base_model))
    version.template = "llava"
    assert not vision.is_seeing(version)
    (Path(base_model.path) / "config.json").write_text('{"vision_config": {"hidden_size": 8}}')
    assert vision.is_seeing(version)
    fields: dict[str, Any] = {"base_url": "http://127.0.0.1:1", "api_key": "k", "model_id": "m"}
    model = publish_model(name="m", owner=alice, sees=True, **fields)
    assert model.types == ["chat", "vision"] and model.main_type == "chat"
