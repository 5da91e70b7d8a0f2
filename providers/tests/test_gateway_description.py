"""The document says what the gateway does: a body that it allows is read, any other refused."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from anthropic.types import Message
from django.conf import settings
from django.test import Client
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion

from accounts.models import User
from providers.gateway.app import HANDLERS
from providers.gateway.chat_request import read_chat_body
from providers.gateway.description import described, failures
from providers.gateway.embeddings import read_embeddings_body
from providers.gateway.errors import GatewayError
from providers.gateway.message_request import read_messages_body, read_question
from providers.gateway.request_schemas import BODIES
from providers.gateway.rerank import read_rerank_body

READERS: dict[str, Callable[[bytes], Any]] = {
    "/v1/chat/completions": read_chat_body,
    "/v1/messages": read_messages_body,
    "/v1/messages/count_tokens": read_question,
    "/v1/embeddings": read_embeddings_body,
    "/v1/rerank": read_rerank_body,
}
TYPES: dict[str, Any] = {
    **{"string": str, "array": list, "object": dict, "boolean": bool, "null": type(None)},
    **{"integer": int, "number": int | float},
}
CONTENTS: list[Any] = ["x", None, 7, [], [{}], ["x"]]
# Of every shape that some property takes, and some that none does.
VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 7, 0.5, "", "x", "float", "base64", [], {}),
    *(["x"], ["x", 7], [7], [[7]], [[7], ["x"]], [[]], [{}], ["x", {}], [True]),
    *([{"text": "x"}], ["x", {"text": "x"}], [{"role": "user"}], [{"role": 7, "content": "x"}]),
    *([{"role": "user", "content": each}] for each in CONTENTS),
    *([{"role": "cook", "content": "x"}], [{"type": "text", "text": "x"}]),
    *({"include_usage": True}, {"include_usage": 1}, {"type": "json_object"}),
]


def allows(schema: Any, value: Any) -> bool:
    """As much of JSON Schema as the document uses."""
    if schema is False:
        return False
    if "anyOf" in schema and not any(allows(each, value) for each in schema["anyOf"]):
        return False
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if isinstance(value, int) and value < schema.get("minimum", value):
        return False
    if isinstance(value, str):
        return len(value) >= int(schema.get("minLength", 0))
    if isinstance(value, list):
        is_long = len(value) >= int(schema.get("minItems", 0))
        return is_long and all(allows(schema.get("items", {}), each) for each in value)
    if isinstance(value, dict):
        named = schema.get("properties", {})
        is_whole = set(schema.get("required", ())) <= value.keys()
        return is_whole and all(allows(named.get(k, {}), each) for k, each in value.items())
    return True


def _is(value: Any, kind: str) -> bool:
    is_kind: bool = isinstance(value, TYPES[kind])
    return is_kind and (kind == "boolean" or not isinstance(value, bool))


def reads(path: str, body: dict[str, Any]) -> bool:
    try:
        READERS[path](json.dumps(body).encode())
    except GatewayError as error:
        assert error.status == 400
        return False
    return True


@pytest.mark.parametrize("path", BODIES)
def test_what_the_schema_allows_is_what_is_read(path: str) -> None:
    schema, example = BODIES[path]
    assert reads(path, example) and allows(schema, example)
    for name in schema["required"]:
        assert not reads(path, {k: v for k, v in example.items() if k != name}), name
    for name in [*schema["properties"], "of_no_concern"]:
        for value in VALUES:
            body = example | {name: value}
            assert reads(path, body) == allows(schema, body), f"{name}: {value!r}"


def test_every_endpoint_is_described() -> None:
    paths = described()["paths"]
    found = {(path, method.upper()) for path, each in paths.items() for method in each}
    served = {(path, method) for path, (method, _handler) in HANDLERS.items()}
    assert found == served | {("/v1/models/{id}", "GET")}


def _example(path: str, kind: str = "application/json") -> Any:
    [operation] = described()["paths"][path].values()
    return operation["responses"]["200"]["content"][kind]["example"]


def test_the_examples_are_what_the_sdks_read() -> None:
    answer = ChatCompletion.model_validate(_example("/v1/chat/completions"))
    assert answer.choices[0].message.content == "Hello!"
    message = Message.model_validate(_example("/v1/messages"))
    assert message.stop_reason == "end_turn"
    assert len(CreateEmbeddingResponse.model_validate(_example("/v1/embeddings")).data) == 2
    assert "[DONE]" in _example("/v1/chat/completions", "text/event-stream")
    assert "event: message_stop" in _example("/v1/messages", "text/event-stream")


def test_every_failure_is_in_the_documentation() -> None:
    page = (Path(settings.BASE_DIR) / "docs" / "gateway.md").read_text(encoding="utf-8")
    for error in failures():
        assert error.code is None or f"`{error.code}`" in page, error.code
        assert re.search(rf"^\| {error.status} \|", page, re.M), error.status
    responses = described()["paths"]["/v1/messages"]["post"]["responses"]
    assert {"200", "400", "401", "404", "429", "502", "504", "529"} <= responses.keys()
    shown = responses["529"]["content"]["application/json"]["examples"]["overloaded"]["value"]
    assert shown["type"] == "error" and shown["error"]["type"] == "overloaded_error"


def test_it_is_part_of_the_platforms_document(
    alice: User, client_for: Callable[[User], Client]
) -> None:
    document = client_for(alice).get("/api/v1/openapi.json").json()
    assert described()["paths"].items() <= document["paths"].items()
    assert {"OpenAIError", "AnthropicError"} <= document["components"]["schemas"].keys()
    assert {"GatewayKey", "BearerAuth"} <= document["components"]["securitySchemes"].keys()
    assert "/api/v1/keys" in document["paths"]
