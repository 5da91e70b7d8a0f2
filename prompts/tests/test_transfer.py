"""Prompts out into files and in again."""

import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from accounts.models import User
from prompts import services, transfer, versions
from prompts.models import Prompt

SPEC = {"name": "n", "type": "number", "maximum": 5.0}


def _prompt(owner: User, **fields: Any) -> Prompt:
    prompt = services.create_prompt(
        actor=owner, title="Count", text="{{n}}", variables=[SPEC], tags=["x"], **fields
    )
    prompt = services.change_prompt(prompt=prompt, actor=owner, text="{{n}} times", note="Clearer")
    versions.move_label(version=prompt.versions.get(number=1), name="production", actor=owner)
    return prompt


def _read(entries: list[Any], user: User) -> transfer.Report:
    data = json.dumps({"prompts": entries}).encode()
    return transfer.import_prompts(actor=user, entries=transfer.read(data))


def test_what_is_exported_is_imported_with_versions_and_labels(alice: User, bob: User) -> None:
    prompt = _prompt(alice, is_shared=True)
    (entry,) = transfer.exported([prompt])["prompts"]
    report = _read([entry], bob)
    (made,) = report.made
    assert (made.owner, made.is_shared, made.tags) == (bob, False, ["x"])
    assert transfer.exported([made])["prompts"][0]["labels"] == {"production": 1}
    said = [(v.number, v.text, v.variable_specs, v.note) for v in made.versions.all()]
    assert said == [(2, "{{n}} times", [SPEC], "Clearer"), (1, "{{n}}", [SPEC], "")]
    again = _read([entry], bob)
    assert (again.made, again.known) == ([], [(1, "Count")])


def test_bad_entries_are_named_and_the_others_come_in(alice: User) -> None:
    bad: list[Any] = [
        "text",
        {"title": "No text"},
        {"text": "No title"},
        {"title": "Tags", "text": "x", "tags": "office"},
        {"title": "Variable", "text": "x", "variables": [{"name": "gone"}]},
        {"title": "Type", "text": "{{a}}", "variables": [{"name": "a", "minimum": "many"}]},
        {"title": "Twice", "versions": [{"number": 1, "text": "a"}, {"number": 1, "text": "b"}]},
        {"title": "Label", "text": "x", "labels": {"production": 7}},
        {"title": "Labels", "text": "x", "labels": {"a b": 1}},
    ]
    report = _read([*bad, {"title": "Good", "text": "{{a}}"}], alice)
    assert [place for place, _title, _reasons in report.refused] == list(range(1, len(bad) + 1))
    assert all(reasons for _place, _title, reasons in report.refused)
    assert [prompt.title for prompt in report.made] == ["Good"]
    assert list(Prompt.objects.values_list("title", flat=True)) == ["Good"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'"text"',
        b"{}",
        b'{"prompts": {}}',
        b'{"version": 2, "prompts": []}',
        b"[" * 100_000,
        b"[" + b"1," * 2000 + b"1]",
    ],
    ids=lambda data: repr(data[:12]),
)
def test_other_files_are_refused_whole(data: bytes) -> None:
    with pytest.raises(ValidationError) as raised:
        transfer.read(data)
    assert list(raised.value.message_dict) == ["file"]


def test_open_webuis_prompts_come_with_their_variables(alice: User) -> None:
    content = (
        '{{topic}} for {{audience | select:options=["staff","press"]:default="staff"}}, '
        '{{words | number:min=10:max=200:required}}, {{note | textarea:placeholder="Notes"}}'
    )
    report = _read([{"command": "/topic", "title": "Topic", "content": content}], alice)
    (prompt,) = report.made
    topic, audience, words, note = prompt.variables
    assert prompt.text == "{{topic}} for {{audience}}, {{words}}, {{note}}"
    assert (topic.type, topic.required) == ("text", True)
    assert (audience.type, audience.choices, audience.default) == (
        *("choice", ("staff", "press")),
        "staff",
    )
    assert (words.type, words.minimum, words.maximum, words.required) == ("number", 10, 200, True)
    assert (note.type, note.help, note.required) == ("long", "Notes", False)


def test_the_pages_write_and_read_files(
    alice: User, bob: User, client_for: Callable[[User], Client]
) -> None:
    _prompt(alice, is_shared=True)
    _prompt(alice)
    answer = client_for(bob).get("/prompts/export/?q=count")
    assert 'filename="prompts.json"' in answer.headers["Content-Disposition"]
    entries = json.loads(answer.content)["prompts"]
    assert [entry["title"] for entry in entries] == ["Count"]
    bad = json.dumps([*entries, {"title": "Empty"}]).encode()
    page = client_for(bob).post("/prompts/import/", {"file": BytesIO(bad)})
    assert "1 prompt is yours now" in page.content.decode()
    assert "2. Empty: versions.1.text:" in page.content.decode()
    wrong = client_for(bob).post("/prompts/import/", {"file": BytesIO(b"nothing")})
    assert wrong.status_code == 422 and "not JSON" in wrong.content.decode()
