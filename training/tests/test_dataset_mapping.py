"""Files whose columns have other names: what is guessed, shown, stored and remembered."""

import io
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, User
from conftest import ApiClient
from training import datasets, drafts
from training.formats.guessing import guess
from training.formats.nesting import columns_of, pick
from training.formats.shaping import ColumnMap
from training.models import Dataset, DatasetDraft
from training.tests.test_datasets import media, shared_data, store

__all__ = ["media", "shared_data"]
ClientFor = Callable[[User], Client]
QA = [{"question": f"q{n}", "meta": {"answer": f"a{n}"}, "id": n} for n in range(8)]
TALKS = [
    {
        "dialog": [
            {"speaker": "客户", "text": "在吗？"},
            {"speaker": "客服", "text": "在的。"},
            {"speaker": "客户", "text": "谢谢"},
            {"speaker": "客服", "text": "不客气"},
        ]
    }
] * 2


def kept(owner: User, content: Any, file_name: str = "data.json") -> DatasetDraft:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return drafts.keep(
        owner=owner, file=io.BytesIO(data), file_name=file_name, size_bytes=len(data)
    )


def waiting(media: Path) -> list[str]:
    folder = media / "drafts"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


# --- Guessing ----------------------------------------------------------------
@pytest.mark.parametrize(
    ("record", "format", "columns"),
    [
        ({"问题": "q", "答案": "a"}, "alpaca", {"instruction": "问题", "output": "答案"}),
        (
            {"id": 1, "prompt": "q", "completion": "a", "context": "c"},
            "alpaca",
            {"instruction": "prompt", "input": "context", "output": "completion"},
        ),
        (
            {"question": "q", "answers": [{"text": "a", "start": 1}], "title": "t"},
            "alpaca",
            {"instruction": "question", "output": "answers.0.text"},
        ),
        (
            {"prompt": "q", "better": "a", "worse": "b"},
            "preference",
            {"instruction": "prompt", "chosen": "better", "rejected": "worse"},
        ),
        (
            {"question": "q", "reply": "a", "rating": "good"},
            "kto",
            {"instruction": "question", "output": "reply", "kto_tag": "rating"},
        ),
        (
            {"question": "q", "reply": "a", "label": "sports"},
            "alpaca",
            {"instruction": "question", "output": "reply"},
        ),
        (
            {"用户问题": "q", "标准答案": "a", "问题分类": "c"},
            "alpaca",
            {"instruction": "用户问题", "output": "标准答案"},
        ),
        (
            {
                "user_question": "q",
                "first_answer": "a",
                "second_answer": "b",
                "operating_system": "c",
            },
            "alpaca",
            {"instruction": "user_question"},
        ),
        ({"content": "once upon a time"}, "text", {"text": "content"}),
        (TALKS[0], "sharegpt", {"conversations": "dialog"}),
        ({"x": "1", "y": "2"}, "alpaca", {}),
    ],
)
def test_columns_are_guessed(record: dict[str, Any], format: str, columns: dict[str, str]) -> None:
    found = guess({name: [value] for name, value in columns_of(record).items()})
    assert (found.format, found.columns) == (format, columns)


def test_roles_are_guessed() -> None:
    roles = guess({"dialog": [row["dialog"] for row in TALKS]}).roles
    assert roles == {"role": "speaker", "content": "text", "user": "客户", "assistant": "客服"}


def test_a_name_with_dots_wins_over_a_path() -> None:
    assert pick({"a.b": 1, "a": {"b": 2}}, "a.b") == 1
    assert pick({"a": [{"b": 2}]}, "a.0.b") == 2
    for path in ("a.5.b", "a.b", "x", "a.0.b.c"):
        assert pick({"a": [{"b": 2}]}, path) is None


# --- Import ------------------------------------------------------------------
def test_a_mapped_file_is_stored_under_the_names_of_the_format(alice: User, media: Path) -> None:
    rows = [*QA, {"question": "q", "meta": {}}, {"question": 5, "meta": {"answer": "a"}}]
    draft = kept(alice, rows)
    look = drafts.look(draft)
    assert look.guess.columns == {"instruction": "question", "output": "meta.answer"}
    dataset = drafts.import_draft(draft=draft, options=None, mapping=look.guess, name="QA")
    assert (dataset.format, dataset.records, dataset.rejected) == ("alpaca", 8, 2)
    assert [(e["record"], e["code"]) for e in dataset.errors] == [
        (9, "missing_field"),
        (10, "wrong_type"),
    ]
    assert datasets.records_of(dataset)[3:4] == [
        {"instruction": "q3", "input": "", "output": "a3", "system": ""}
    ]
    assert dataset.ignored == ["id"]
    assert Dataset.objects.get().mapping["columns"] == look.guess.columns
    assert AuditEvent.objects.filter(action="dataset.create").exists()
    assert not DatasetDraft.objects.exists()


def test_conversations_with_other_fields_and_roles(alice: User) -> None:
    draft = kept(alice, TALKS)
    dataset = drafts.import_draft(draft=draft, options=None, mapping=drafts.look(draft).guess)
    assert (dataset.format, dataset.records) == ("sharegpt", 2)
    turns = datasets.records_of(dataset)[0:1][0]["conversations"]
    assert [turn["from"] for turn in turns] == ["human", "gpt", "human", "gpt"]


def test_answers_of_a_pair_may_be_texts_beside_a_conversation(alice: User) -> None:
    row = {"chat": [{"who": "u", "text": "q"}], "win": "a", "lose": "b"}
    chosen = ColumnMap(
        "preference",
        {"conversations": "chat", "chosen": "win", "rejected": "lose"},
        {"role": "who", "content": "text", "user": "u"},
    )
    dataset = drafts.import_draft(draft=kept(alice, [row]), options=None, mapping=chosen)
    assert datasets.records_of(dataset)[0:1][0]["chosen"] == {"from": "gpt", "value": "a"}


def test_the_reading_comprehension_file_imports_whole(alice: User, shared_data: Path) -> None:
    content = (shared_data / "cmrc2018_trial.json").read_bytes()
    draft = kept(alice, content, "cmrc2018_trial.json")
    look = drafts.look(draft)
    assert look.reading.rows == "data.paragraphs.qas"
    assert look.guess.columns == {
        "instruction": "question",
        "input": "data.paragraphs.context",
        "output": "answers.0.text",
    }
    dataset = drafts.import_draft(
        draft=draft, options={"rows": look.reading.rows}, mapping=look.guess
    )
    assert (dataset.records, dataset.rejected) == (1002, 0)
    first = datasets.records_of(dataset)[0:1][0]
    assert (first["instruction"], first["output"]) == ("生命数耗完即算为什么？", "踢爆")
    assert first["input"].startswith("基于《跑跑卡丁车》")


def test_the_likely_encoding_is_chosen_already(alice: User, client_for: ClientFor) -> None:
    rows = [{"instruction": "你好", "output": "您好，有什么可以帮您？"}]
    draft = kept(alice, json.dumps(rows, ensure_ascii=False).encode("gbk"), "data.json")
    path = f"/datasets/drafts/{draft.pk}/"
    page = client_for(alice).get(path)
    assert page.context["form"]["encoding"].value() == "gb18030"
    assert "有什么可以帮您" in page.text
    assert "not UTF-8. It was read as GBK" in page.text
    client_for(alice).post(path, {**page.context["form"].data, "action": "import"})
    assert Dataset.objects.get().records == 1


def test_a_table_without_names_in_another_encoding(alice: User) -> None:
    draft = kept(alice, "你好;好\n再见;见\n".encode("gbk"), "data.csv")
    assert drafts.look(draft, {"encoding": "utf-8"}).refusal
    assert drafts.look(draft).reading.encoding == "gb18030"
    options = {"encoding": "gb18030", "has_header": False}
    look = drafts.look(draft, options)
    assert [column.name for column in look.columns] == ["column1", "column2"]
    chosen = drafts.checked_mapping("alpaca", {"instruction": "column1", "output": "column2"})
    dataset = drafts.import_draft(draft=draft, options=options, mapping=chosen)
    assert dataset.records == 2
    assert dataset.mapping["options"] == {"encoding": "gb18030", "has_header": False}


def test_the_same_columns_are_recognised_again(alice: User, bob: User) -> None:
    rows = [{"x": "q", "y": "a", "z": "s"}]
    chosen = ColumnMap("alpaca", {"instruction": "y", "output": "x", "system": "z"})
    drafts.import_draft(draft=kept(alice, rows), options=None, mapping=chosen)
    assert drafts.look(kept(alice, rows)).guess == chosen
    assert drafts.look(kept(alice, [{"x": "q", "y": "a"}])).guess.columns == {}
    assert drafts.look(kept(bob, rows)).guess.columns == {}


@pytest.mark.parametrize(
    ("format", "columns", "field"),
    [
        ("nosuch", {}, "format"),
        ("alpaca", {"instruction": "a"}, "output"),
        ("alpaca", {"instruction": "a", "output": ""}, "output"),
        ("alpaca", {"messages": "a"}, "columns"),
        ("kto", {"conversations": "a"}, "kto_tag"),
    ],
)
def test_a_mapping_that_makes_no_sense_is_refused(
    format: str, columns: dict[str, str], field: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        drafts.checked_mapping(format, columns)
    assert field in caught.value.message_dict


@pytest.mark.django_db(transaction=True)
def test_files_that_nobody_comes_back_for_are_removed(alice: User, bob: User, media: Path) -> None:
    for number in range(drafts.MAX_DRAFTS + 2):
        kept(alice, [{"n": str(number)}])
    assert len(waiting(media)) == DatasetDraft.objects.count() == drafts.MAX_DRAFTS
    week = timezone.now() - timedelta(days=8)
    DatasetDraft.objects.filter(owner=alice).update(created_at=week)
    kept(bob, QA)
    assert len(waiting(media)) == 1
    bob.delete()
    assert waiting(media) == []


# --- Page --------------------------------------------------------------------
def test_the_page_shows_columns_guess_and_what_becomes_of_them(
    alice: User, client_for: ClientFor
) -> None:
    client, draft = client_for(alice), kept(alice, [*QA[:2], {"question": "q"}])
    path = f"/datasets/drafts/{draft.pk}/"
    page = client.get(path).content.decode()
    for text in ("meta.answer", "a1", "Record 3", "“output” is missing"):
        assert text in page
    changed = {"format": "alpaca", "column_instruction": "meta.answer", "column_output": "question"}
    part = client.post(path, changed, headers={"HX-Request": "true"})
    assert part.status_code == 200 and "<html" not in part.content.decode()
    swapped = part.content.decode().split("What the first records become")[1]
    assert swapped.index("a0") < swapped.index("q0")
    missing = client.post(path, {**changed, "column_output": "", "action": "import"})
    assert missing.status_code == 422 and "Choose the column" in missing.content.decode()
    named = client.post(path, {**changed, "name": "a/b", "action": "import"})
    assert named.status_code == 422 and "slashes" in named.content.decode()
    answer = client.post(path, {**changed, "name": "Turned", "action": "import"})
    dataset = Dataset.objects.get()
    assert answer.headers["Location"] == f"/datasets/{dataset.pk}/"
    assert (dataset.name, dataset.records, dataset.rejected) == ("Turned", 2, 1)
    shown = client.get(f"/datasets/{dataset.pk}/").content.decode()
    assert "meta.answer" in shown


def test_what_makes_no_sense_any_more_gives_way_to_the_guess(
    alice: User, client_for: ClientFor
) -> None:
    draft = kept(alice, b"question;answer\nq;a\n", "data.csv")
    path = f"/datasets/drafts/{draft.pk}/"
    wrong = client_for(alice).post(path, {"delimiter": "|", "column_output": "answer"})
    assert wrong.status_code == 200 and "question;answer" in wrong.content.decode()
    odd = {"format": "nosuch", "column_output": "gone", "block_chars": "9e9", "rows": "x" * 999}
    assert client_for(alice).post(path, {**odd, "encoding": "klingon"}).status_code == 422


def test_a_refused_import_keeps_the_file(alice: User, client_for: ClientFor) -> None:
    draft = kept(alice, [{"question": 5, "answer": 6}])
    data = {"column_instruction": "question", "column_output": "answer", "action": "import"}
    answer = client_for(alice).post(f"/datasets/drafts/{draft.pk}/", data)
    assert answer.status_code == 422 and "None of the records" in answer.content.decode()
    assert DatasetDraft.objects.filter(pk=draft.pk).exists()


def test_it_requires_the_owner(alice: User, bob: User, client_for: ClientFor) -> None:
    draft = kept(alice, QA)
    for path in ("", "discard/"):
        assert client_for(bob).post(f"/datasets/drafts/{draft.pk}/{path}").status_code == 404
    assert client_for(bob).get(f"/datasets/drafts/{draft.pk}/").status_code == 404
    client_for(alice).post(f"/datasets/drafts/{draft.pk}/discard/")
    assert not DatasetDraft.objects.exists()
    told = AuditEvent.objects.get(action="dataset_draft.discard")
    assert (told.actor, told.target_id) == (alice, str(draft.pk))
    assert told.before == {"file_name": draft.file_name, "size_bytes": draft.size_bytes}


# --- API ---------------------------------------------------------------------
def test_the_api_does_the_same(alice: User, bob: User, api: Callable[[User], ApiClient]) -> None:
    client = api(alice)
    file = SimpleUploadedFile("faq.json", json.dumps({"data": QA}).encode())
    answer = client.client.post("/api/v1/dataset-drafts", {"file": file, "name": "FAQ"})
    assert answer.status_code == 201, answer.content
    draft = answer.json()
    assert draft["paths"] == ["data"] and draft["reading"] == {"rows": "data"}
    assert draft["guess"]["columns"] == {"instruction": "question", "output": "meta.answer"}
    assert draft["columns"][0] == {"name": "question", "samples": ["q0", "q1", "q2"]}
    path = f"dataset-drafts/{draft['id']}"
    body = {"mapping": draft["guess"], "reading": {"rows": "data"}}
    shown = client.post(f"{path}/preview", **body).json()["items"]
    assert shown[0]["turns"][0] == {"speaker": "user", "text": "q0"}
    assert client.get("dataset-drafts").json()["count"] == 1
    assert api(bob).get(path).status_code == 404
    bad = client.post(f"{path}/import", **{**body, "mapping": {"format": "kto", "columns": {}}})
    assert bad.status_code == 422 and "kto_tag" in bad.json()["error"]["fields"]
    made = client.post(f"{path}/import", **body)
    assert made.status_code == 201 and made.json()["records"] == 8
    assert made.json()["mapping"]["columns"]["output"] == "meta.answer"
    assert client.get(path).status_code == 404
    another = client.client.post("/api/v1/dataset-drafts", {"file": file}).json()
    assert client.delete(f"dataset-drafts/{another['id']}").status_code == 204
    told = AuditEvent.objects.get(action="dataset_draft.discard")
    assert (told.actor, told.target_id) == (alice, another["id"])


def test_a_table_is_read_as_the_api_is_told(alice: User, api: Callable[[User], ApiClient]) -> None:
    content = "instruction;output\n你好;好\n".encode("gbk")
    for options, status in (({}, 422), ({"encoding": "gb18030"}, 201), ({"encoding": "x"}, 422)):
        file = SimpleUploadedFile("a.csv", content)
        answer = api(alice).client.post("/api/v1/datasets", {"file": file, **options})
        assert answer.status_code == status, answer.content
    assert store(alice, b"text\nonce\n", "a.csv").format == "text"


@pytest.mark.browser
def test_mapping_in_a_browser(alice: User, sign_in: Callable[[User], Any]) -> None:
    """A table with other names, uploaded, mapped with a live preview, imported."""
    page = sign_in(alice)
    page.goto("/datasets/new/")
    rows = ["编号;标题;说明", "1;怎么重置密码？;在设置里点击。", "2;怎么付款？;用支付宝。"]
    table = "\n".join(rows).encode()
    page.set_input_files(
        "input[type=file]", {"name": "faq.csv", "mimeType": "text/csv", "buffer": table}
    )
    assert page.locator("[data-reading]").get_attribute("open") is not None
    assert page.is_visible("select[name=delimiter]") and not page.is_visible("select[name=split]")
    page.click("form[data-upload] button[type=submit]")
    page.wait_for_url("**/datasets/drafts/**")
    assert "怎么付款？" in page.inner_text("main")
    page.select_option("select[name=column_instruction]", "标题")
    page.wait_for_selector(
        "select[name=column_instruction] option[value='标题'][selected]", state="attached"
    )
    page.select_option("select[name=column_output]", "说明")
    page.wait_for_selector(".turn-answer:has-text('用支付宝。')")
    page.click("button[value=import]")
    page.wait_for_selector("text=2 records")
    assert Dataset.objects.get().mapping["columns"] == {"instruction": "标题", "output": "说明"}
