"""The report on a dataset's file: every rejection, and what should not stand in the others."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from conftest import ApiClient
from training import datasets
from training.formats.findings import Found, is_card, is_id_number, masked, note
from training.tests.test_datasets import media, store

__all__ = ["media"]
OK = {"instruction": "q", "output": "a"}
SECRETS = {
    "private_key": ["-----BEGIN RSA PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----"],
    "api_key": [
        "sk-proj-abcdefghijklmnop0123456789",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_" + "a1B2" * 9,
        "hf_" + "abcDEF" * 6,
        "AIza" + "0123456789abcdefghij_ABCDEFGHIJ-klm"[:35],
        "LTAI5tAbCdEfGhIjKlMnOpQr",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    ],
    "password": ["password: hunter22!", "密码：abc12345", "PASSWORD=letmein99", "密码是qwe12345"],
    "id_number": ["11010519491231002X", "34052419800101001X"],
    "card": ["4111 1111 1111 1111", "6222021234567890128", "5500-0000-0000-0004"],
    "phone": ["13812345678", "+86 138-1234-5678", "电话138 1234 5678。"],
    "email": ["first.last+tag@mail.example.com", "联系a@b.cn，"],
}
HARMLESS = [
    *(
        "a@b",
        "@name",
        "x@y.z",
        "2024-01-01 10:00:00",
        "1234567890123456789012345",
        "3.14159265358979",
    ),
    *("11010519491231002", "110105194912310021", "1234 5678 9012 3456", "0000 0000 0000 0000"),
    *("sk-short", "skeleton-key", "password", "the password is", "10138123456789", "https://a.b/c"),
    *("12812345678", "eyJ and more", "密码学", "PRIVATE KEY"),
]


def kinds_in(text: str) -> dict[str, Found]:
    found: dict[str, Found] = {}
    note(json.dumps({"output": text}, ensure_ascii=False).encode(), {"line": 3, "record": 2}, found)
    return found


@pytest.mark.parametrize(
    ("kind", "text"), [(kind, text) for kind, texts in SECRETS.items() for text in texts]
)
def test_secrets_and_personal_data_are_found(kind: str, text: str) -> None:
    found = kinds_in(f"Please note {text} and go on.")
    assert list(found) == [kind], found
    (place,) = found[kind].places
    assert (place["line"], place["record"], found[kind].count) == (3, 2, 1)
    assert len(place["sample"]) <= 9 and text not in place["sample"]


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_like_it_is_left_alone(text: str) -> None:
    assert kinds_in(f"So {text} it is") == {}


def test_check_digits() -> None:
    assert is_id_number("11010519491231002X") and not is_id_number("110105194912310029")
    assert is_card("4111111111111111") and not is_card("4111111111111112")
    assert masked("13812345678") == "13…78"


def test_the_report_counts_lists_and_masks(
    alice: User,
    bob: User,
    client_for: Callable[[User], Client],
    api: Callable[[User], ApiClient],
) -> None:
    rows: list[Any] = [OK, {**OK, "output": "Write to ada@example.com or bob@example.com"}]
    rows += [{**OK, "output": n} for n in range(120)]
    rows += [{"instruction": "=cmd()", "output": " "}, {"instruction": "q"}]
    content = "\n".join(json.dumps(row) for row in rows).encode()
    dataset = store(alice, content, "data.jsonl")
    assert dataset.reasons == {
        "wrong_type": {"stops": 120},
        "empty": {"kept": 1},
        "missing_field": {"dropped": 1},
    }
    path = f"/datasets/{dataset.pk}/report/"
    page = client_for(alice).get(path).content.decode()
    for text in ("would stop with an error", "E-mail addresses", "Line 2, record 2", "ad…om"):
        assert text in page
    assert "ada@example.com" not in page
    last = client_for(alice).get(f"{path}?page=3").content.decode()
    assert "“output” is empty" in last and "“output” is missing" in last
    chosen = client_for(alice).get(f"{path}?code=missing_field").content.decode()
    assert "“output” is missing" in chosen and "must be text" not in chosen
    assert client_for(alice).get(f"{path}?code=nosuch&page=99").status_code == 200
    assert (
        "E-mail addresses (2)" in client_for(alice).get(f"/datasets/{dataset.pk}/").content.decode()
    )
    answer = api(alice).get(f"datasets/{dataset.pk}/report?limit=1&offset=121").json()
    assert (answer["count"], answer["items"][0]["line"]) == (122, 124)
    assert answer["items"][0]["fate"] == "dropped" and answer["items"][0]["fix"]
    assert answer["reasons"][0]["count"] == 120
    assert answer["findings"][0]["places"] == [{"line": 2, "record": 2, "sample": "ad…om"}]
    only = api(alice).get(f"datasets/{dataset.pk}/report?code=empty").json()
    assert [item["record"] for item in only["items"]] == [123]
    for hidden in (path, f"/datasets/{dataset.pk}/report.csv"):
        assert client_for(bob).get(hidden).status_code == 404
    assert api(bob).get(f"datasets/{dataset.pk}/report").status_code == 404


def test_the_report_as_csv_in_the_language_of_the_reader(
    alice: User, client_for: Callable[[User], Client]
) -> None:
    dataset = store(alice, [OK, {"instruction": "q", "output": 5}])
    client = client_for(alice)
    client.cookies["django_language"] = "zh-hans"
    answer = client.get(f"/datasets/{dataset.pk}/report.csv")
    text = b"".join(answer).decode()
    head, row = text.splitlines()
    assert "原因" in head and "必须" in row and "会报错中止" in row, text


def test_a_file_without_faults_has_an_empty_report(
    alice: User, client_for: Callable[[User], Client]
) -> None:
    dataset = store(alice, [OK])
    page = client_for(alice).get(f"/datasets/{dataset.pk}/report/").content.decode()
    assert "Nothing to report" in page
    (dataset.file.parent / "report.jsonl").unlink()
    assert len(datasets.rejections_of(dataset)) == 0
