"""The bodies that the endpoints under `/v1/` take, as JSON Schema, with an example of each.

They are made of the names that the checks know; `tests/test_gateway_description.py` holds that what
a schema allows is read, and what it does not is refused.
"""

from typing import Any

from providers.gateway.chat_request import COUNTS, FORBIDDEN, NUMBERS
from providers.gateway.embeddings import FORMATS

Json = dict[str, Any]
MODEL = "gpt-4o"
HELLO = [{"role": "user", "content": "Hello"}]
PASSED_ON = "Properties that are not named here go to the provider as they are."


def nullable(kind: str, **rules: Any) -> Json:
    return {"type": [kind, "null"], **rules}


def _list_of(item: Json, **rules: Any) -> Json:
    return {"type": "array", "items": item, **rules}


def _body(required: str, properties: Json, note: str = PASSED_ON) -> Json:
    refused = dict.fromkeys(sorted(FORBIDDEN), False)
    return {
        "type": "object",
        "required": required.split(),
        "properties": {"model": TEXT, **properties, **refused},
        "additionalProperties": True,
        "description": note,
    }


STRING: Json = {"type": "string"}
TEXT: Json = {"type": "string", "minLength": 1}
OBJECT: Json = {"type": "object"}
COUNT: Json = nullable("integer", minimum=1)
FLAG: Json = nullable("boolean")
SETTINGS: Json = {
    **{name: nullable("number") for name in NUMBERS},
    **dict.fromkeys(COUNTS, COUNT),
}
IDS: Json = _list_of({"type": "integer"}, minItems=1)
MESSAGE: Json = {
    "type": "object",
    "required": ["role"],
    "properties": {
        "role": STRING,
        "content": {"anyOf": [nullable("string"), _list_of(OBJECT)]},
    },
}
TURN: Json = {
    "type": "object",
    "required": ["role", "content"],
    "properties": {
        "role": {"type": "string", "enum": ["user", "assistant", "system"]},
        "content": {"anyOf": [STRING, _list_of(OBJECT)]},
    },
}
QUESTION: Json = {
    "messages": _list_of(TURN, minItems=1),
    "system": {"anyOf": [nullable("string"), _list_of(OBJECT)]},
    "stream": FLAG,
    **SETTINGS,
    "stop_sequences": nullable("array", items=STRING),
}
# By path.
BODIES: dict[str, tuple[Json, Json]] = {
    "/v1/chat/completions": (
        _body(
            "model messages",
            {
                "messages": _list_of(MESSAGE, minItems=1),
                "stream": FLAG,
                "stream_options": nullable("object", properties={"include_usage": FLAG}),
                **SETTINGS,
                "stop": {"anyOf": [nullable("string"), _list_of(STRING)]},
                "tools": nullable("array", items=OBJECT),
                "response_format": nullable("object"),
            },
        ),
        {"model": MODEL, "messages": HELLO, "stream": False},
    ),
    "/v1/messages": (
        _body(
            "model messages max_tokens",
            QUESTION | {"max_tokens": {"type": "integer", "minimum": 1}},
            "Passed as it is to a provider that speaks Anthropic, translated for all others.",
        ),
        {"model": MODEL, "max_tokens": 256, "messages": HELLO},
    ),
    "/v1/messages/count_tokens": (
        _body("model messages", QUESTION, "An estimate of the platform, whatever the model."),
        {"model": MODEL, "messages": HELLO},
    ),
    "/v1/embeddings": (
        _body(
            "model input",
            {
                "input": {
                    "anyOf": [TEXT, _list_of(STRING, minItems=1), IDS, _list_of(IDS, minItems=1)],
                    "description": "A text, a list of texts, or token ids.",
                },
                "encoding_format": nullable("string", enum=[*FORMATS, None]),
                "dimensions": COUNT,
            },
        ),
        {"model": "text-embedding-3-small", "input": ["Hello", "Bonjour"]},
    ),
    "/v1/rerank": (
        _body(
            "model query documents",
            {
                "query": TEXT,
                "documents": _list_of(
                    {"anyOf": [STRING, {**OBJECT, "required": ["text"]}]}, minItems=1
                ),
                "top_n": COUNT,
                "return_documents": FLAG,
            },
            "In the shape that Cohere and Jina share.",
        ),
        {"model": "rerank-v3.5", "query": "Where?", "documents": ["In Bern.", "At nine."]},
    ),
}
