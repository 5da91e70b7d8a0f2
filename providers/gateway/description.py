"""What stands under `/v1/` as OpenAPI has it: answers and errors as the code writes them."""

from collections.abc import Mapping
from typing import Any

import orjson

from providers import errors as provider_errors
from providers.gateway.authentication import invalid_key
from providers.gateway.compose import ComposedAnswer, ComposedStream, Identity
from providers.gateway.errors import (
    GatewayError,
    bad_request,
    from_provider,
    no_such_model,
    unavailable,
)
from providers.gateway.message_compose import MessageAnswer, MessageStream
from providers.gateway.message_errors import error_body, status_of
from providers.gateway.model_pages import LIMIT_MAX
from providers.gateway.records import Call
from providers.gateway.request_schemas import BODIES, MODEL, Json, nullable
from providers.types import Finish, TextDelta, Usage

TAG = "Gateway"
REQUEST_ID = "3f0e0b5d5f7c4d0e9b8a7c6d5e4f3a2b"
EVENTS = (TextDelta("Hello!"), Usage(9, 2), Finish("stop"))


SUMMARIES = {
    "/v1/chat/completions": "A chat, as OpenAI's",
    "/v1/messages": "A chat, as Anthropic's",
    "/v1/messages/count_tokens": "Tokens of a chat, counted beforehand",
    "/v1/embeddings": "Vectors of texts, as OpenAI's",
    "/v1/rerank": "Documents, best first",
    "/v1/models": "The models this key may use",
    "/v1/models/{id}": "One model",
}
SHOWN_MODEL = {
    **{"id": MODEL, "object": "model", "created": 1795000000, "owned_by": "OpenAI"},
    "types": ["chat", "vision"],
}


def _call() -> Call:
    return Call(user_id=0, key_id=0)


def _examples(path: str) -> dict[str, Any]:
    """By content type; chats come from the code that answers them."""
    identity = Identity(f"chatcmpl-{REQUEST_ID}", MODEL, created=1795000000)
    if path == "/v1/chat/completions":
        answer = ComposedAnswer(identity, _call())
        stream = ComposedStream(identity, _call(), wants_usage=True)
    elif path == "/v1/messages":
        answer = MessageAnswer(f"msg_{REQUEST_ID}", MODEL, _call())  # type: ignore[assignment]
        stream = MessageStream(f"msg_{REQUEST_ID}", MODEL, _call())  # type: ignore[assignment]
    else:
        return {"application/json": _plain_example(path)}
    text = stream.start()
    for event in EVENTS:
        answer.feed(event)
        text += stream.feed(event)
    return {
        "application/json": orjson.loads(answer.body()),
        "text/event-stream": (text + stream.finish()).decode(),
    }


def _plain_example(path: str) -> Json:
    usage = {"prompt_tokens": 2, "total_tokens": 2}
    rows = [{"object": "embedding", "index": index, "embedding": [0.1, 0.2]} for index in range(2)]
    examples: dict[str, Json] = {
        "/v1/messages/count_tokens": {"input_tokens": 9},
        "/v1/embeddings": {
            **{"object": "list", "data": rows, "model": "text-embedding-3-small"},
            "usage": usage,
        },
        "/v1/rerank": {
            **{"id": f"rerank-{REQUEST_ID}", "model": "rerank-v3.5"},
            "results": [{"index": 0, "relevance_score": 0.97}],
            **{"usage": usage, "meta": {"tokens": {"input_tokens": 2}}},
        },
        "/v1/models": {"object": "list", "data": [SHOWN_MODEL]},
        "/v1/models/{id}": SHOWN_MODEL,
    }
    return examples[path]


def failures() -> list[GatewayError]:
    """One of each kind, as it is raised."""
    limited = GatewayError(
        429,
        "The key is limited to 60 requests per minute. Try again in 12 s.",
        kind="rate_limit_error",
        code="rate_limit_exceeded",
    )
    too_large = bad_request("The request is too large.", code="request_too_large", status=413)
    kinds = (
        *(provider_errors.ContextTooLong, provider_errors.Filtered),
        *(provider_errors.RateLimited, provider_errors.Authentication, provider_errors.NoMoney),
        *(provider_errors.Unavailable, provider_errors.Overloaded, provider_errors.TimedOut),
    )
    return [
        bad_request("'temperature' must be a number.", param="temperature"),
        invalid_key("The key is wrong, expired or revoked."),
        no_such_model("gpt-9"),
        too_large,
        limited,
        unavailable("The platform's database does not answer."),
        *(from_provider(kind()) for kind in kinds),
    ]


def _failed(path: str) -> Json:
    """Responses by status, with each failure in the dialect of the path."""
    found: dict[str, Json] = {}
    is_anthropic = path.startswith("/v1/messages")
    for error in failures():
        status = status_of(error) if is_anthropic else error.status
        body = error_body(error, REQUEST_ID) if is_anthropic else error.body()
        examples = found.setdefault(str(status), {})
        examples[error.code or "wrong_parameter"] = {"value": body}
    schema = {"$ref": f"#/components/schemas/{'AnthropicError' if is_anthropic else 'OpenAIError'}"}
    return {
        status: {
            "description": ", ".join(examples),
            "content": {"application/json": {"schema": schema, "examples": examples}},
        }
        for status, examples in sorted(found.items())
    }


def _operation(path: str) -> Json:
    answers = {
        kind: {"schema": {"type": "string" if kind == "text/event-stream" else "object"}}
        | {"example": example}
        for kind, example in _examples(path).items()
    }
    headers = {
        name: {"schema": {"type": "string"}, "description": note}
        for name, note in (
            ("x-request-id", "Yours, if you sent one; quote it when you report a problem."),
            ("x-platform-model", "`provider/id` of what answered."),
        )
    }
    done: Json = {"description": "The answer", "headers": headers, "content": answers}
    return {
        "operationId": "gateway_"
        + path.removeprefix("/v1/").translate(str.maketrans("/{}", "___")),
        "summary": SUMMARIES[path],
        "tags": [TAG],
        "security": [{"BearerAuth": []}, {"GatewayKey": []}],
        "responses": {"200": done} | _failed(path),
    }


def _asked(path: str) -> Json:
    schema, example = BODIES[path]
    content = {"application/json": {"schema": schema, "example": example}}
    return {"requestBody": {"required": True, "content": content}}


def _query(name: str, **schema: Any) -> Json:
    note = "Where `anthropic-version` is sent."
    return {"name": name, "in": "query", "schema": schema, "description": note}


PARAMETERS: dict[str, list[Json]] = {
    "/v1/models": [
        _query("limit", type="integer", minimum=1, maximum=LIMIT_MAX),
        _query("after_id", type="string"),
        _query("before_id", type="string"),
    ],
    "/v1/models/{id}": [
        {
            **{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
            "description": "As it is listed; it may hold slashes.",
        }
    ],
}


def _error_schema(properties: Mapping[str, Any]) -> Json:
    return {"type": "object", "required": list(properties), "properties": dict(properties)}


def described() -> Json:
    """`paths` and `components` for an OpenAPI document."""
    paths: Json = {path: {"post": _operation(path) | _asked(path)} for path in BODIES}
    for path, parameters in PARAMETERS.items():
        paths[path] = {"get": _operation(path) | {"parameters": parameters}}
    texts = {name: nullable("string") for name in ("message", "type", "param", "code")}
    shown = {name: {"type": "string"} for name in ("type", "message")}
    schemas = {
        "OpenAIError": _error_schema({"error": _error_schema(texts)}),
        "AnthropicError": _error_schema(
            {
                "type": {"const": "error"},
                "error": _error_schema(shown),
                "request_id": {"type": "string"},
            }
        ),
    }
    key = {"type": "apiKey", "in": "header", "name": "x-api-key"}
    components = {"schemas": schemas, "securitySchemes": {"GatewayKey": key}}
    return {"paths": paths, "components": components}
