"""`/v1/embeddings` and `/v1/rerank` in front of every dialect that has them."""

import base64
import struct
from collections.abc import Callable
from typing import Any

import httpx
import openai
import pytest

from providers.models import Provider
from providers.tests.conftest import MakeKey, Records
from providers.tests.stand_in import Replay

MakeProvider = Callable[..., Provider]


@pytest.mark.parametrize(
    ("kind", "example", "counted"),
    [
        *(("openai", "openai_embeddings", 2), ("cohere", "cohere_embed", 2)),
        *(("gemini", "gemini_embeddings", None), ("ollama", "ollama_embeddings", 2)),
    ],
)
def test_the_sdk_gets_vectors_of_every_dialect(
    sdk: Any,
    replayed: MakeProvider,
    replay: Replay,
    recorded: Records,
    kind: str,
    example: str,
    counted: int | None,
) -> None:
    replayed(kind, "embedding")
    replay.mode = example
    # The SDK asks for base64 by itself.
    for fields in ({}, {"encoding_format": "float"}):
        answer = sdk.embeddings.create(model="m", input=["a", "b"], **fields)
        rows = [row.embedding for row in answer.data]
        assert rows == [pytest.approx([0.1, 0.2]), pytest.approx([0.3, 0.4])]
        assert answer.usage.prompt_tokens == (counted or 1)
    first = recorded(2)[0]
    assert (first.status, first.kind, first.completion_tokens) == ("done", "embedding", 0)
    assert first.is_estimated == (counted is None) and first.prompt_tokens == (counted or 1)


def test_base64_is_little_endian_float32(
    live_url: str, make_key: MakeKey, replayed: MakeProvider, replay: Replay
) -> None:
    replayed("cohere", "embedding")
    replay.mode = "cohere_embed"
    body = {"model": "m", "input": ["a", "b"], "encoding_format": "base64", "dimensions": 2}
    headers = {"authorization": f"Bearer {make_key()}"}
    answer = httpx.post(f"{live_url}/v1/embeddings", json=body, headers=headers).json()
    packed = base64.b64decode(answer["data"][1]["embedding"])
    assert struct.unpack("<2f", packed) == pytest.approx((0.3, 0.4))
    assert replay.seen[0]["output_dimension"] == 2


def test_token_ids_pass_to_openai_only(sdk: Any, replayed: MakeProvider, replay: Replay) -> None:
    replayed("openai", "embedding")
    replayed("cohere", "embedding")
    replay.mode = "openai_embeddings"
    sdk.embeddings.create(model="openai/m", input=[[1, 2], [3]], user="u")
    assert replay.seen[0]["input"] == [[1, 2], [3]] and replay.seen[0]["user"] == "u"
    with pytest.raises(openai.BadRequestError, match="token ids") as error:
        sdk.embeddings.create(model="cohere/m", input=[1, 2])
    assert error.value.param == "input"


@pytest.mark.parametrize(
    "given", ["a", ["a"], ["a", "b", "c"], [1, 2], [[1, 2]], [[1], [2], [3]]], ids=str
)
def test_there_is_one_vector_for_each_input(
    sdk: Any, replayed: MakeProvider, replay: Replay, recorded: Records, given: Any
) -> None:
    """The provider gives two, whatever is asked: fewer or more belong to nothing."""
    replayed("openai", "embedding")
    replay.mode = "openai_embeddings"
    with pytest.raises(openai.InternalServerError) as error:
        sdk.embeddings.create(model="m", input=given)
    assert error.value.code == "invalid_answer"
    assert recorded(1)[0].status == "failed"


def test_the_type_of_a_model_counts(sdk: Any, echo: Provider, replayed: MakeProvider) -> None:
    replayed("anthropic", "embedding")
    with pytest.raises(openai.BadRequestError) as chat:
        sdk.embeddings.create(model="echo", input="a")
    assert chat.value.code == "model_not_embedding"
    with pytest.raises(openai.BadRequestError) as without:
        sdk.embeddings.create(model="m", input="a")
    assert without.value.code == "not_supported"


def rerank(url: str, key: str, **fields: Any) -> httpx.Response:
    body = {"model": "m", "query": "q", "documents": ["a", {"text": "b"}]} | fields
    return httpx.post(f"{url}/v1/rerank", json=body, headers={"authorization": f"Bearer {key}"})


@pytest.mark.parametrize("kind", ["cohere", "openai"])
def test_documents_are_ranked(
    live_url: str,
    make_key: MakeKey,
    replayed: MakeProvider,
    replay: Replay,
    recorded: Records,
    kind: str,
) -> None:
    replayed(kind, "rerank")
    replay.mode = "cohere_rerank"
    key = make_key()
    whole = rerank(live_url, key, return_documents=True).json()
    assert whole["results"] == [
        {"index": 1, "relevance_score": 0.9, "document": {"text": "b"}},
        {"index": 0, "relevance_score": 0.1, "document": {"text": "a"}},
    ]
    assert replay.seen[0]["documents"] == ["a", "b"]
    short = rerank(live_url, key, top_n=1).json()
    assert short["results"] == [{"index": 1, "relevance_score": 0.9}] and short["id"]
    assert [row.status for row in recorded(2)] == ["done", "done"]


@pytest.mark.parametrize(
    ("path", "changes", "param"),
    [
        *(("rerank", {"query": ""}, "query"), ("rerank", {"documents": []}, "documents")),
        *(("rerank", {"documents": [7]}, "documents"), ("rerank", {"top_n": 0}, "top_n")),
        ("rerank", {"return_documents": 1}, "return_documents"),
        *(("embeddings", {"input": each}, "input") for each in ("", [], 7, ["a", 7], None)),
        ("embeddings", {"encoding_format": "hex"}, "encoding_format"),
        ("embeddings", {"dimensions": 0}, "dimensions"),
    ],
)
def test_bad_bodies_are_named(
    live_url: str, echo: Provider, make_key: MakeKey, path: str, changes: Any, param: str
) -> None:
    body = {"model": "echo", "query": "q", "documents": ["a"], "input": "a"} | changes
    headers = {"authorization": f"Bearer {make_key()}"}
    answer = httpx.post(f"{live_url}/v1/{path}", json=body, headers=headers)
    assert answer.status_code == 400 and answer.json()["error"]["param"] == param
