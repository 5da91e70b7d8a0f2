"""OpenAI's requests in the words of other dialects, and what administrators change in them."""

import json
from dataclasses import replace
from typing import Any

import pytest

from providers.errors import BadRequest
from providers.registry import ADAPTERS
from providers.types import (
    ChatMessage,
    ChatRequest,
    Profile,
    ProviderState,
    Target,
    ToolCall,
    model_family,
)

HELLO = [{"role": "user", "content": "Hi"}]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
JSON_SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
EVERY = pytest.mark.parametrize("kind", [kind for kind in ADAPTERS if kind != "echo"])


def target(kind: str, **changes: Any) -> Target:
    return replace(Target(kind, "https://p.test", "k", "m-1", False, provider_id=1), **changes)


def sent(kind: str, messages: Any = HELLO, /, **parameters: Any) -> Any:
    return sent_to(target(kind), messages, **parameters)


def sent_to(where: Target, messages: Any = HELLO, /, **parameters: Any) -> Any:
    request = ChatRequest("m-1", messages, parameters)
    return json.loads(ADAPTERS[where.kind].chat(where, request).body)


@pytest.mark.parametrize(
    ("kind", "choice", "wanted"),
    [
        ("anthropic", "required", {"tool_choice": {"type": "any"}}),
        ("anthropic", "none", {"tool_choice": {"type": "none"}}),
        ("gemini", "required", {"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}),
        ("cohere", "required", {"tool_choice": "REQUIRED"}),
        ("cohere", "none", {"tool_choice": "NONE"}),
        ("openai", "required", {"tool_choice": "required"}),
    ],
)
def test_tools_can_be_forced(kind: str, choice: str, wanted: dict[str, Any]) -> None:
    assert sent(kind, tools=[TOOL], tool_choice=choice).items() >= wanted.items()


def test_one_tool_can_be_forced() -> None:
    choice = {"type": "function", "function": {"name": "f"}}
    body = sent("anthropic", tools=[TOOL], tool_choice=choice, parallel_tool_calls=False)
    assert body["tool_choice"] == {"type": "tool", "name": "f", "disable_parallel_tool_use": True}
    config = sent("gemini", tools=[TOOL], tool_choice=choice)["toolConfig"]
    assert config["functionCallingConfig"] == {"mode": "ANY", "allowedFunctionNames": ["f"]}
    other = {"type": "function", "function": {"name": "g"}}
    assert sent("cohere", tools=[other, TOOL], tool_choice=choice)["tools"] == [TOOL]


def test_json_can_be_asked_for() -> None:
    wanted = {"response_format": JSON_SCHEMA}
    body = sent("anthropic", **wanted)
    assert body["output_config"]["format"] == {"type": "json_schema", "schema": SCHEMA}
    assert sent("gemini", **wanted)["generationConfig"] == {
        "responseMimeType": "application/json",
        "responseJsonSchema": SCHEMA,
    }
    assert sent("ollama", **wanted)["format"] == SCHEMA
    assert sent("ollama", response_format={"type": "json_object"})["format"] == "json"
    assert sent("cohere", **wanted)["response_format"] == {"type": "json_object", "schema": SCHEMA}
    assert "format" not in sent("ollama", response_format={"type": "text"})


def test_an_unusual_schema_goes_whole_to_google() -> None:
    odd = {"type": "object", "properties": {"a": {"type": ["string", "null"]}}}
    tool = {"type": "function", "function": {"name": "f", "parameters": odd}}
    declared = sent("gemini", tools=[tool])["tools"][0]["functionDeclarations"]
    assert declared == [{"name": "f", "parametersJsonSchema": odd}]


@pytest.mark.parametrize("stop", ["END", ["END"]])
def test_stops_and_limits_have_their_own_names(stop: Any) -> None:
    asked = {"stop": stop, "max_completion_tokens": 9, "top_p": 0.5, "temperature": 0}
    body = sent("anthropic", **asked)
    assert (body["stop_sequences"], body["max_tokens"], body["top_p"]) == (["END"], 9, 0.5)
    assert body["temperature"] == 0
    config = sent("gemini", **asked)["generationConfig"]
    assert config == {
        **{"stopSequences": ["END"], "maxOutputTokens": 9, "topP": 0.5, "temperature": 0}
    }
    options = sent("ollama", **asked)["options"]
    assert options == {"stop": ["END"], "num_predict": 9, "top_p": 0.5, "temperature": 0}
    body = sent("cohere", **asked)
    assert (body["stop_sequences"], body["max_tokens"], body["p"]) == (["END"], 9, 0.5)


def test_thinking_is_asked_for_in_each_providers_way() -> None:
    body = sent("anthropic", reasoning_effort="medium", max_tokens=100, temperature=0.5)
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 8192}
    assert body["max_tokens"] > 8192 and "temperature" not in body
    new = target("anthropic", profile=Profile(thinking="adaptive"))
    body = sent_to(new, reasoning_effort="high")
    assert body["thinking"]["type"] == "adaptive" and body["output_config"] == {"effort": "high"}
    assert sent("anthropic", reasoning_effort="none")["thinking"] == {"type": "disabled"}
    old = sent_to(target("gemini", model_id="gemini-2.5-pro"), reasoning_effort="low")
    assert old["generationConfig"]["thinkingConfig"]["thinkingBudget"] == 1024
    level = sent_to(target("gemini", model_id="gemini-3-pro"), reasoning_effort="low")
    assert level["generationConfig"]["thinkingConfig"]["thinkingLevel"] == "LOW"
    assert sent("ollama", reasoning_effort="none")["think"] is False
    gpt_oss = sent_to(target("ollama", model_id="gpt-oss:20b"), reasoning_effort="low")
    assert gpt_oss["think"] == "low"


IMAGES = [ChatMessage("user", "What?", images=("https://x.test/a.png", "data:image/gif;base64,R0"))]


def test_images_by_address_and_with_the_message() -> None:
    text, by_address, inside = sent("anthropic", IMAGES)["messages"][0]["content"]
    assert text == {"type": "text", "text": "What?"}
    assert by_address["source"] == {"type": "url", "url": "https://x.test/a.png"}
    assert inside["source"] == {"type": "base64", "media_type": "image/gif", "data": "R0"}
    parts = sent("gemini", IMAGES)["contents"][0]["parts"]
    assert parts[1:] == [
        {"fileData": {"fileUri": "https://x.test/a.png"}},
        {"inlineData": {"mimeType": "image/gif", "data": "R0"}},
    ]
    for kind in ("openai", "cohere"):
        content = sent(kind, IMAGES)["messages"][0]["content"]
        assert [part["type"] for part in content] == ["text", "image_url", "image_url"]
    by_address_only = [replace(IMAGES[0], images=IMAGES[0].images[:1])]
    assert sent("dify", by_address_only)["files"][0]["url"] == "https://x.test/a.png"


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        ("ollama", "https://x.test/a.png"),
        ("dify", "data:image/gif;base64,R0"),
        ("gemini", "data:image/gif,plain"),
    ],
)
def test_an_image_a_dialect_cannot_carry_is_refused(kind: str, url: str) -> None:
    with pytest.raises(BadRequest):
        sent(kind, [ChatMessage("user", "", images=(url,))])


def test_anthropics_roles_alternate() -> None:
    messages = [
        ChatMessage("system", "A"),
        ChatMessage("user", "one"),
        ChatMessage("user", "two"),
        ChatMessage("assistant", "", tool_calls=(ToolCall("a", "f"), ToolCall("b", "f", "oops"))),
        ChatMessage("tool", "1", tool_call_id="a"),
        ChatMessage("tool", "2", tool_call_id="b"),
        ChatMessage("user", "go on"),
        ChatMessage("system", "B"),
    ]
    body = sent("anthropic", messages)
    assert body["system"] == "A\n\nB"
    assert [m["role"] for m in body["messages"]] == ["user", "assistant", "user"]
    calls = [block["input"] for block in body["messages"][1]["content"]]
    assert calls == [{}, {"arguments": "oops"}]
    assert [block["type"] for block in body["messages"][2]["content"]] == [
        *("tool_result", "tool_result", "text")
    ]


def test_a_lost_signature_has_a_stand_in() -> None:
    turn = ChatMessage("assistant", "", tool_calls=(ToolCall("a", "f"), ToolCall("b", "g")))
    answer = ChatMessage("tool", "no json", tool_call_id="b")
    contents = sent("gemini", [*HELLO, turn, answer])["contents"]
    first, second = contents[1]["parts"]
    assert first["thoughtSignature"] == "skip_thought_signature_validator"
    assert "thoughtSignature" not in second
    answered = contents[2]["parts"][0]["functionResponse"]
    assert answered == {"name": "g", "response": {"result": "no json"}}


STATES = {
    "openai": {"reasoning_content": "SECRET"},
    "responses": {"reasoning": [{"type": "reasoning", "encrypted_content": "SECRET"}]},
    "anthropic": {"thinking": [{"type": "thinking", "thinking": "", "signature": "SECRET"}]},
    "gemini": {"calls": ["SECRET"]},
    "ollama": {"thinking": "SECRET"},
    "cohere": {"tool_plan": "SECRET"},
    "dify": {"conversation_id": "SECRET"},
}


@EVERY
@pytest.mark.parametrize("said_by", STATES)
def test_state_goes_back_to_its_own_provider_only(kind: str, said_by: str) -> None:
    mine = target(kind)
    own = ProviderState(said_by, 1, model_family(mine.model_id), STATES[said_by])
    for state, is_mine in (
        (own, kind == said_by),
        (replace(own, provider_id=2), False),
        (replace(own, family="other-9"), False),
    ):
        turn = ChatMessage("assistant", "x", tool_calls=(ToolCall("a", "f"),), state=state)
        as_mapping = {"role": "assistant", "content": "x", "provider_state": state}
        answer = ChatMessage("tool", "1", tool_call_id="a")
        body = json.dumps(sent_to(mine, [*HELLO, turn, answer]))
        assert ("SECRET" in body) == is_mine
        assert "provider_state" not in json.dumps(sent_to(mine, [*HELLO, as_mapping]))


@pytest.mark.parametrize(
    ("model_id", "family"),
    [
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4"),
        ("gemini-3-pro-preview", "gemini-3"),
        ("openai/gpt-5.1", "gpt-5"),
        ("deepseek-reasoner", "deepseek-reasoner"),
        ("", ""),
    ],
)
def test_a_model_has_a_family(model_id: str, family: str) -> None:
    assert model_family(model_id) == family


@EVERY
def test_administrators_change_bodies(kind: str) -> None:
    extra = {"x": {"a": 1}, "generationConfig": {"candidateCount": 1}}
    where = target(kind, extra_body=extra, drop_params=("temperature", "stream_options"))
    body = sent_to(where, temperature=0.5, max_tokens=7, seed=None)
    assert body["x"] == {"a": 1}
    assert body["generationConfig"]["candidateCount"] == 1
    assert kind != "gemini" or body["generationConfig"]["maxOutputTokens"] == 7
    assert "temperature" not in json.dumps(body) and "stream_options" not in body
    assert "null" not in json.dumps(body), "some providers refuse it"


def test_a_profile_renames_the_limit() -> None:
    where = target("openai", profile=Profile(max_tokens_field="max_completion_tokens"))
    body = sent_to(where, max_tokens=7)
    assert body["max_completion_tokens"] == 7 and "max_tokens" not in body
    body = sent_to(where, max_tokens=7, max_completion_tokens=9)
    assert body["max_completion_tokens"] == 9 and "max_tokens" not in body


AZURE = "https://r.openai.azure.com"
DATED = f"{AZURE}/openai/deployments/m-1/chat/completions?api-version="


@pytest.mark.parametrize(
    ("base_url", "version", "url", "models"),
    [
        (f"{AZURE}/openai/v1/", "", f"{AZURE}/openai/v1/chat/completions", "/openai/v1/models"),
        (AZURE, "2025-04-01-preview", f"{DATED}2025-04-01-preview", "2025-04-01-preview"),
        (f"{AZURE}/openai", "", f"{DATED}2024-10-21", "/openai/models?api-version=2024-10-21"),
        (
            f"{AZURE}/openai/deployments/other",
            "",
            f"{DATED}2024-10-21".replace("m-1", "other"),
            "/openai/models?api-version=2024-10-21",
        ),
    ],
)
def test_azures_addresses(base_url: str, version: str, url: str, models: str) -> None:
    where = target("azure", base_url=base_url, profile=Profile(api_version=version))
    chat = ADAPTERS["azure"].chat(where, ChatRequest("m-1", HELLO))
    assert chat.url == url and chat.headers["api-key"] == "k"
    assert "Authorization" not in chat.headers
    assert json.loads(chat.body)["model"] == "m-1"
    assert ADAPTERS["azure"].models(where).url.endswith(models)


def test_addresses_are_taken_with_and_without_their_version() -> None:
    request = ChatRequest("m-1", HELLO)
    for kind, base, url in (
        ("anthropic", "https://p.test/v1", "https://p.test/v1/messages"),
        ("ollama", "http://p.test/v1/", "http://p.test/api/chat"),
    ):
        assert ADAPTERS[kind].chat(target(kind, base_url=base), request).url == url
    paths = {"chat": "https://other.test/c", "models": "/list"}
    where = target("openai", profile=Profile(paths=paths))
    assert ADAPTERS["openai"].chat(where, request).url == "https://other.test/c"
    assert ADAPTERS["openai"].models(where).url == "https://p.test/list"


def test_dify_without_a_conversation_is_told_what_was_said() -> None:
    messages: list[Any] = [ChatMessage("user", "one"), ChatMessage("assistant", "two"), *HELLO]
    assert sent("dify", messages)["query"] == "user: one\n\nassistant: two\n\nuser: Hi"
    state = ProviderState("dify", 1, model_family("m-1"), {"conversation_id": "c1"})
    messages[1] = replace(messages[1], state=state)
    body = sent("dify", messages)
    assert (body["query"], body["conversation_id"]) == ("Hi", "c1")
