"""API of knowledge bases: what is asked, answered and refused."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.models import ApiKey, User
from knowledge import bases
from knowledge.models import Base, Document
from knowledge.tests.conftest import Ingested

WARRANTY = "The warranty lasts two years."
BASES = "knowledge/bases"


def _file(content: str = WARRANTY, name: str = "manual.txt") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content.encode())


def _upload(client: Any, path: str, **fields: Any) -> Any:
    return client.client.post(f"/api/v1/{path}", fields)


def test_from_nothing_to_a_passage(api: Any, alice: User, work: Callable[[], int]) -> None:
    client = api(alice)
    made = client.post(BASES, name="Manuals")
    assert made.status_code == 201
    base = made.json()
    assert (base["index"]["model"], base["documents"], base["is_mine"]) == ("", 0, True)
    address = f"{BASES}/{base['id']}"
    added = _upload(client, f"{address}/documents", file=_file(), metadata='{"lang": "en"}')
    assert added.status_code == 201, added.content
    assert added.json()["status"] == "pending"
    work()
    document = client.get(f"{address}/documents").json()["items"][0]
    assert (document["status"], document["chunks"], document["error"]) == ("ready", 1, None)
    found = client.post(f"{address}/search", query="warranty").json()
    result = found["results"][0]
    assert result["content"] == WARRANTY
    assert result["document"] == {"id": document["id"], "name": "manual.txt"}
    assert 0 < result["score"] <= 1 and result["position"] == 0
    assert result["metadata"] == {"lang": "en"}
    assert client.get(address).json()["ready"] == 1
    chunks = client.get(f"knowledge/documents/{document['id']}/chunks").json()
    assert chunks["items"][0]["text"] == WARRANTY
    assert client.delete(f"knowledge/documents/{document['id']}").status_code == 204
    assert client.post(f"{address}/search", query="warranty").json()["results"] == []
    assert client.delete(address).status_code == 204
    assert not Base.objects.exists()


def test_the_same_content_is_a_conflict(api: Any, alice: User, base: Base) -> None:
    address = f"{BASES}/{base.pk}/documents"
    assert _upload(api(alice), address, file=_file()).status_code == 201
    again = _upload(api(alice), address, file=_file(name="other.txt"))
    assert again.status_code == 409
    assert again.json()["error"]["code"] == "duplicate"
    assert "manual.txt" in again.json()["error"]["fields"]["file"][0]


@pytest.mark.parametrize(
    "body",
    [
        {"name": ""},
        {"name": "x", "top_k": 0},
        {"name": "x", "chunk_chars": 5},
        {"name": "x", "chunk_chars": 200, "overlap_chars": 150},
        {"name": "x", "embedding_model": 999},
        {"name": "x", "provider": 999, "dataset_id": "a"},
        {"name": "x", "score_threshold": 2},
        {"name": "x", "surprise": 1},
        {"name": "a\u0000b"},
    ],
)
def test_what_is_wrong_with_a_base_is_said(api: Any, alice: User, body: dict[str, Any]) -> None:
    answer = api(alice).post(BASES, **body)
    assert answer.status_code == 422, answer.content
    assert answer.json()["error"]["fields"]
    assert not Base.objects.exists()


@pytest.mark.parametrize("path", [BASES, f"{BASES}/{{pk}}/documents"])
def test_lists_are_searched_for_anything(api: Any, alice: User, base: Base, path: str) -> None:
    for query in ("?q=%00", "?q=manual&status=%00", "?q=manual%00s"):
        assert api(alice).get(path.format(pk=base.pk) + query).status_code == 200


def test_two_bases_of_one_name_are_refused(api: Any, alice: User, base: Base) -> None:
    assert api(alice).post(BASES, name="manuals").status_code == 422


@pytest.mark.parametrize("metadata", ["[]", "{", '{"a": {"b": 1}}', '{"": "x"}'])
def test_metadata_is_checked(api: Any, alice: User, base: Base, metadata: str) -> None:
    answer = _upload(api(alice), f"{BASES}/{base.pk}/documents", file=_file(), metadata=metadata)
    assert answer.status_code == 422
    assert "metadata" in answer.json()["error"]["fields"]
    assert not Document.objects.exists()


def test_filters_narrow_a_search(api: Any, alice: User, base: Base, ingested: Ingested) -> None:
    ingested(WARRANTY, "en.txt", metadata={"lang": "en", "year": 2024})
    ingested(f"{WARRANTY} Always.", "zh.txt", metadata={"lang": "zh", "year": 2026})

    def names(*conditions: dict[str, Any], logic: str = "and") -> set[str]:
        body = {"query": "warranty", "filters": {"logic": logic, "conditions": conditions}}
        answer = api(alice).post(f"{BASES}/{base.pk}/search", **body)
        assert answer.status_code == 200, answer.content
        return {each["document"]["name"] for each in answer.json()["results"]}

    is_zh = {"name": "lang", "operator": "is", "value": "zh"}
    assert names(is_zh) == {"zh.txt"}
    assert names({"name": "year", "operator": ">", "value": 2025}) == {"zh.txt"}
    assert names({"name": "year", "operator": "≤", "value": "2025"}) == {"en.txt"}
    assert names({"name": "document_name", "operator": "start with", "value": "en"}) == {"en.txt"}
    assert names(is_zh, {"name": "year", "operator": "<", "value": 2025}) == set()
    assert len(names(is_zh, {"name": "year", "operator": "<", "value": 2025}, logic="or")) == 2
    wrong = {"name": "year", "operator": ">", "value": "much"}
    body = {"query": "warranty", "filters": {"conditions": [wrong]}}
    assert api(alice).post(f"{BASES}/{base.pk}/search", **body).status_code == 422


def test_others_read_a_shared_base_and_change_nothing(
    api: Any, alice: User, bob: User, base: Base, ingested: Ingested
) -> None:
    document = ingested(WARRANTY)
    address = f"{BASES}/{base.pk}"
    assert api(bob).get(address).status_code == 404
    assert api(bob).post(f"{address}/search", query="warranty").status_code == 404
    bases.change_base(base=base, actor=alice, is_shared=True)
    assert api(bob).post(f"{address}/search", query="warranty").json()["results"]
    assert api(bob).get(address).json()["is_mine"] is False
    refused = [
        api(bob).patch(address, name="x"),
        api(bob).delete(address),
        _upload(api(bob), f"{address}/documents", file=_file("other")),
        api(bob).delete(f"knowledge/documents/{document.pk}"),
        api(bob).post(f"knowledge/documents/{document.pk}/retry"),
        api(bob).get(f"{address}/questions"),
    ]
    assert [each.status_code for each in refused] == [404] * 6


def test_a_search_of_another_base_finds_nothing_of_this_one(
    api: Any, alice: User, bob: User, base: Base, ingested: Ingested
) -> None:
    ingested(WARRANTY)
    theirs = bases.create_base(owner=bob, name="Theirs")
    answer = api(bob).post(f"{BASES}/{theirs.pk}/search", query=WARRANTY)
    assert answer.json()["results"] == []


class TestDify:
    """Dify's External Knowledge API; every code of its contract."""

    address = "/api/v1/dify/retrieval"

    @pytest.fixture
    def key(self, alice: User) -> str:
        return ApiKey.issue(user=alice, name="dify")[1]

    def _ask(self, client: Any, key: str | None, body: Any = b"") -> Any:
        headers = {} if key is None else {"Authorization": key}
        return client.post(self.address, body, content_type="application/json", headers=headers)

    def _body(self, base: Base | str, **changes: Any) -> dict[str, Any]:
        setting = {"top_k": 2, "score_threshold": 0.0}
        pk = base if isinstance(base, str) else str(base.pk)
        return {"knowledge_id": pk, "query": "warranty", "retrieval_setting": setting, **changes}

    def test_records(self, client: Any, key: str, base: Base, ingested: Ingested) -> None:
        ingested(WARRANTY, "manual.md", metadata={"lang": "en"})
        ingested(f"{WARRANTY} 再见", "zh.md", metadata={"lang": "zh"})
        condition = {"name": "lang", "comparison_operator": "is", "value": "en"}
        body = self._body(
            base, metadata_condition={"logical_operator": "and", "conditions": [condition]}
        )
        answer = self._ask(client, f"Bearer {key}", body)
        assert answer.status_code == 200
        [record] = answer.json()["records"]
        assert (record["content"], record["title"]) == (WARRANTY, "manual.md")
        assert 0 < record["score"] <= 1
        assert record["metadata"]["lang"] == "en"

    def test_nothing_found_is_an_empty_list(self, client: Any, key: str, base: Base) -> None:
        answer = self._ask(client, f"Bearer {key}", self._body(base))
        assert (answer.status_code, answer.json()) == (200, {"records": []})

    @pytest.mark.parametrize("header", [None, "", "Bearer", "Basic abc", "Bearer "])
    def test_no_header_is_1001(self, client: Any, base: Base, header: str | None) -> None:
        answer = self._ask(client, header, self._body(base))
        assert (answer.status_code, answer.json()["error_code"]) == (403, 1001)

    def test_a_wrong_key_is_1002(self, client: Any, key: str, base: Base) -> None:
        answer = self._ask(client, f"Bearer {key}x", self._body(base))
        assert (answer.status_code, answer.json()["error_code"]) == (403, 1002)

    def test_the_probe_of_a_registration_passes(self, client: Any, key: str) -> None:
        assert self._ask(client, f"Bearer {key}").status_code == 400
        assert self._ask(client, "Bearer wrong").status_code == 403

    @pytest.mark.parametrize("pk", ["999999", "x", "", "9" * 30])
    def test_an_unknown_base_is_2001(self, client: Any, key: str, pk: str) -> None:
        answer = self._ask(client, f"Bearer {key}", self._body(pk))
        assert (answer.status_code, answer.json()["error_code"]) == (404, 2001)

    def test_somebody_elses_base_is_2001(self, client: Any, bob: User, base: Base) -> None:
        _row, key = ApiKey.issue(user=bob, name="dify")
        answer = self._ask(client, f"Bearer {key}", self._body(base))
        assert (answer.status_code, answer.json()["error_code"]) == (404, 2001)

    @pytest.mark.parametrize(
        "changes",
        [
            {"query": ""},
            {"query": 1},
            {"retrieval_setting": None},
            {"query": "a\u0000"},
            {"metadata_condition": {"conditions": [{"name": "a", "comparison_operator": "?"}]}},
        ],
    )
    def test_what_is_no_query_is_400(
        self, client: Any, key: str, base: Base, changes: dict[str, Any]
    ) -> None:
        answer = self._ask(client, f"Bearer {key}", self._body(base, **changes))
        assert answer.status_code == 400
        assert {*answer.json()} == {"error_code", "error_msg"}

    def test_a_key_with_limits_is_refused(self, client: Any, alice: User, base: Base) -> None:
        _row, key = ApiKey.issue(user=alice, name="limited", rpm=1)
        answer = self._ask(client, f"Bearer {key}", self._body(base))
        assert (answer.status_code, answer.json()["error_code"]) == (403, 1002)

    def test_a_field_may_be_named_by_a_list(
        self, client: Any, key: str, base: Base, ingested: Ingested
    ) -> None:
        ingested(WARRANTY, metadata={"lang": "en"})
        condition = {"name": ["lang"], "comparison_operator": "not empty"}
        body = self._body(base, metadata_condition={"conditions": [condition]})
        assert len(self._ask(client, f"Bearer {key}", body).json()["records"]) == 1
