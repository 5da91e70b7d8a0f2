"""Prompts out of files, tables and typed lines, and what keeps a line from being one."""

import json
from io import BytesIO

import pytest
from django.core.exceptions import ValidationError

from accounts.models import User
from chat.batches import files, sources
from chat.batches.files import from_file
from chat.batches.questions import PROMPT_CHARS, Question
from prompts.services import create_prompt
from training import datasets
from training.models import Dataset


def test_typed_lines_may_have_a_reference() -> None:
    reading = sources.from_lines("2+2? => 4\n\nWho are you?\n => nothing")
    assert reading.questions == [Question("2+2?", "4"), Question("Who are you?")]
    assert [line for line, _problem in reading.problems] == [4]


def test_a_text_file_has_a_prompt_a_line() -> None:
    reading = from_file("a.TXT", b"one\n\na => b\n")
    assert [each.text for each in reading.questions] == ["one", "a => b"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_in_the_encodings_of_spreadsheets(encoding: str, separator: str) -> None:
    text = (
        separator.join(["问题", "答案", "system"]) + "\n" + separator.join(["你好", "您好", "简短"])
    )
    (question,) = from_file("a.csv", text.encode(encoding)).questions
    assert question == Question("你好", "您好", ({"role": "system", "content": "简短"},))


def test_csv_problems_name_their_line() -> None:
    text = 'prompt,reference\n"two\nlines",x\n,lonely\nfine,y\n'
    reading = from_file("a.csv", text.encode())
    assert [each.text for each in reading.questions] == ["two\nlines", "fine"]
    assert [line for line, _problem in reading.problems] == [4]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b"colour,size\nred,1\n"),
        ("a.pdf", b"%PDF"),
        ("a.json", b'{"prompt": "x"}'),
        ("a.txt", b"x" * (files.FILE_BYTES + 1)),
        ("a.txt", b"\xff\xfe\x00"),
        ("a.txt", b"\xff\xff\xff\x80"),
    ],
)
def test_what_is_no_such_file_is_refused(name: str, content: bytes) -> None:
    with pytest.raises(ValidationError) as refusal:
        from_file(name, content)
    assert set(refusal.value.message_dict) == {"file"}


def test_jsonl_lines_are_read_by_themselves() -> None:
    lines = [
        '"plain"',
        '{"instruction": "Translate", "input": "你好", "output": "hello"}',
        "{broken",
        "[1]",
        '{"prompt": ["a"]}',
        '{"prompt": "x\\u0000"}',
        json.dumps({"prompt": "y" * (PROMPT_CHARS + 1)}),
    ]
    reading = from_file("a.jsonl", "\n".join(lines).encode())
    assert reading.questions == [Question("plain"), Question("Translate\n你好", "hello")]
    assert [line for line, _problem in reading.problems] == [3, 4, 5, 6, 7]


def test_json_items_know_the_line_they_begin_in() -> None:
    text = '[\n  {"prompt": "one"},\n\n  {"reference":\n "r"},\n  "two",\n  {"prompt": nope}\n]'
    reading = from_file("a.json", text.encode())
    assert [each.text for each in reading.questions] == ["one", "two"]
    assert [line for line, _problem in reading.problems] == [4, 7]


def test_messages_are_asked_from_their_last_user_turn() -> None:
    turns = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "answer"},
        {"role": "user", "content": "second"},
        {"role": "assistant", "content": "expected"},
    ]
    rows = [{"messages": turns}, {"messages": [{"role": "user", "content": [1]}]}, {"messages": []}]
    reading = from_file("a.json", json.dumps(rows).encode())
    assert reading.questions == [Question("second", "expected", tuple(turns[:3]))]
    assert len(reading.problems) == 2


def test_deep_json_is_a_problem_and_no_crash() -> None:
    reading = from_file("a.jsonl", b"[" * 200_000 + b'\n"fine"')
    assert [line for line, _problem in reading.problems] == [1]
    assert [each.text for each in reading.questions] == ["fine"]


def test_a_prompt_of_the_library_with_a_table(alice: User) -> None:
    prompt = create_prompt(actor=alice, title="t", text="Say {{word}} in {{tongue|English}}.")
    values = "word,tongue,reference,colour\nhi,French,salut,red\n,,x,\nyes,German,ja,\n"
    reading = sources.from_prompt(prompt, values)
    assert [each.text for each in reading.questions] == ["Say hi in French.", "Say yes in German."]
    assert [each.reference for each in reading.questions] == ["salut", "ja"]
    assert [line for line, _problem in reading.problems] == [3]
    prompt.refresh_from_db()
    assert prompt.uses == 1  # however many rows
    for wrong in ("", "tongue\nx"):
        with pytest.raises(ValidationError) as refusal:
            sources.from_prompt(prompt, wrong)
        assert set(refusal.value.message_dict) == {"values"}


def test_a_dataset_gives_its_last_question(alice: User) -> None:
    rows = [
        {"instruction": "Add", "input": "1 and 1", "output": "2", "history": []},
        {"instruction": "And now?", "input": "", "output": "3", "history": [["a", "b"]]},
        {"instruction": "third", "input": "", "output": "4", "history": []},
    ]
    text = json.dumps(rows).encode()
    dataset = datasets.import_dataset(
        owner=alice, file=BytesIO(text), file_name="a.json", size_bytes=len(text), name="sums"
    )
    # An import puts records with optional columns first.
    second, first = sources.from_dataset(dataset, limit=2).questions
    assert (first.text, first.reference) == ("Add\n1 and 1", "2")
    assert [turn["content"] for turn in second.before] == ["a", "b"]
    dataset.file.unlink()
    with pytest.raises(ValidationError):
        sources.from_dataset(Dataset.objects.get(pk=dataset.pk), limit=2)
