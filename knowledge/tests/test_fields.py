"""Metadata on the pages: written as lines, and what a search is narrowed by."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from accounts.models import User
from knowledge import bases, fields
from knowledge.models import Base
from knowledge.tests.conftest import Ingested

WARRANTY = "The warranty lasts two years."
ClientFor = Callable[[User], Client]
EVERY_KIND: dict[str, Any] = {
    "product": "Pump 3: large",
    "code": "0042",
    "yes": "true",
    "is_old": True,
    "year": 2024,
    "weight": -1.5,
    "tag": ["manual", "7", "水泵"],
    "said": '"quoted"',
    "lines": "one\ntwo",
    "spaces": " around ",
}


def test_what_is_written_is_read_as_the_same() -> None:
    text = fields.written(EVERY_KIND)
    assert fields.read(text) == EVERY_KIND
    assert "product: Pump 3: large" in text and 'code: "0042"' in text and "year: 2024" in text


def test_lines_as_people_type_them() -> None:
    assert fields.read("\n 产品：水泵 \nsize:3\nopen: \n") == {
        "产品": "水泵",
        "size": 3,
        "open": "",
    }
    assert fields.read('a: "not closed') == {"a": '"not closed'}
    for wrong in ("no colon", "a: 1\n: 2"):
        with pytest.raises(ValidationError, match="Line"):
            fields.read(wrong)


def _describe(client: Client, document: Any, text: str) -> Any:
    return client.post(reverse("knowledge:describe", args=[document.pk]), {"metadata": text})


def test_fields_are_written_on_the_page_of_a_document(
    client_for: ClientFor, ingested: Ingested, base: Base, alice: User, bob: User
) -> None:
    document = ingested(WARRANTY)
    client = client_for(alice)
    assert _describe(client, document, "lang: en\nyear: 2024").status_code == 302
    document.refresh_from_db()
    assert document.metadata == {"lang": "en", "year": 2024}
    page = client.get(reverse("knowledge:document", args=[document.pk])).content.decode()
    assert "lang: en\nyear: 2024</textarea>" in page
    wrong = _describe(client, document, "lang: en\nyear 2025")
    assert wrong.status_code == 422
    assert "Line 2" in wrong.content.decode() and "year 2025</textarea>" in wrong.content.decode()
    many = "\n".join(f"f{number}: 1" for number in range(21))
    assert "at most" in _describe(client, document, many).content.decode()
    bases.change_base(base=base, actor=alice, is_shared=True)
    other = client_for(bob)
    page = other.get(reverse("knowledge:document", args=[document.pk])).content.decode()
    assert "<bdi>2024</bdi>" in page and "textarea" not in page.split("knowledge-parts")[0]
    assert _describe(other, document, "lang: zh").status_code == 404
    document.refresh_from_db()
    assert document.metadata["lang"] == "en"


def test_a_search_is_tried_among_some_documents(
    client_for: ClientFor, ingested: Ingested, base: Base, alice: User
) -> None:
    for name, lang, year in (("en.txt", "en", 2024), ("zh.txt", "zh", 2026)):
        ingested(f"{WARRANTY} {name}", name, metadata={"lang": lang, "year": year})
    client, address = client_for(alice), reverse("knowledge:try", args=[base.pk])

    def tried(*rows: tuple[str, str, str]) -> Any:
        data = {"question": "warranty", "mode": "lexical", "top_k": 5, "score_threshold": 0}
        data |= {"filter-TOTAL_FORMS": len(rows), "filter-INITIAL_FORMS": 0}
        for number, row in enumerate(rows):
            for name, value in zip(("name", "operator", "value"), row, strict=True):
                data[f"filter-{number}-{name}"] = value
        return client.post(address, data)

    def names(*rows: tuple[str, str, str]) -> set[str]:
        (found,) = tried(*rows).context["tried"]
        return {passage.document_name for passage in found.rows}

    both = {"en.txt", "zh.txt"}
    assert names() == names(("", "is", "")) == both
    assert names(("lang", "is", "zh")) == {"zh.txt"}
    assert names(("lang", "in", "zh, en")) == both
    assert names(("year", "is", "2024")) == {"en.txt"} and not names(("year", "is", '"2024"'))
    assert names(("year", ">", "2025"), ("lang", "is not", "en")) == {"zh.txt"}
    assert names(("added", "after", "2020-01-01")) == both
    assert names(("colour", "empty", "")) == both and not names(("colour", "not empty", ""))
    for row, said in (
        (("year", ">", "much"), "compared with a number"),
        (("lang", "is", ""), "needs a value"),
        (("", "is", "zh"), "Which field?"),
    ):
        wrong = tried(row)
        assert wrong.status_code == 422 and said in wrong.content.decode()
        assert not wrong.context["tried"]
    page = client.get(address).content.decode()
    for name in ("lang", "year", "document_name", "folder", "added"):
        assert f'<option value="{name}">' in page
