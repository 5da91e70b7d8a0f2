"""Anthropic's official SDK against the gateway, in front of echo, OpenAI's dialect and its own."""

from collections.abc import Callable
from typing import Any

import anthropic
import httpx
import openai
import pytest

from providers.gateway import exchange as exchange_module
from providers.gateway.sealed_state import seal, unseal
from providers.models import Provider, ProviderModel
from providers.tests.conftest import MakeKey, Records
from providers.tests.stand_in import LEAK, Replay, StandIn
from providers.types import ProviderState

HELLO: Any = [{"role": "user", "content": "hello there"}]
WEATHER: Any = {
    "name": "get_weather",
    "description": "Weather of a city",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}
PIXEL = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}


def ask(claude: Any, text: str = "hello there", model: str = "m", **fields: Any) -> Any:
    messages = fields.pop("messages", [{"role": "user", "content": text}])
    return claude.messages.create(model=model, max_tokens=100, messages=messages, **fields)


def streamed(claude: Any, model: str = "m", **fields: Any) -> tuple[list[Any], Any]:
    """Events and the message that the SDK puts together from them."""
    fields.setdefault("messages", HELLO)
    with claude.messages.stream(model=model, max_tokens=100, **fields) as stream:
        return list(stream), stream.get_final_message()


def test_the_sdk_talks_to_echo(claude: Any, echo: Provider, recorded: Records) -> None:
    answer = claude.messages.with_raw_response.create(
        model="echo", max_tokens=100, system="Be short.", messages=HELLO
    )
    assert answer.headers["request-id"] == answer.headers["x-request-id"]
    message = answer.parse()
    assert message.type == "message" and message.content[0].text == "hello there"
    assert message.stop_reason == "end_turn" and message.usage.output_tokens > 0
    [row] = recorded(1)
    assert (row.status, row.model_label, row.provider_label) == ("done", "echo", "echo")
    assert row.prompt_tokens and row.completion_tokens


def test_the_sdk_streams_thoughts_and_text(claude: Any, echo: Provider) -> None:
    question = [{"role": "user", "content": "/think why"}]
    events, message = streamed(claude, "echo", messages=question)
    thought, text = message.content
    assert (thought.type, text.type, text.text) == ("thinking", "text", "why")
    assert "characters" in thought.thinking
    kinds = [event.type for event in events if not event.type.startswith(("text", "thinking"))]
    assert kinds[0] == "message_start" and kinds[-1] == "message_stop"
    assert kinds.count("content_block_start") == kinds.count("content_block_stop") == 2
    assert message.stop_reason == "end_turn" and message.usage.output_tokens > 0


def test_limits_end_an_answer(claude: Any, echo: Provider) -> None:
    answer = claude.messages.create(model="echo", max_tokens=1, messages=HELLO)
    assert answer.stop_reason == "max_tokens"


def test_tokens_are_counted_beforehand(claude: Any, echo: Provider, recorded: Records) -> None:
    plain = claude.messages.count_tokens(model="echo", messages=HELLO)
    tools = claude.messages.count_tokens(model="echo", messages=HELLO, tools=[WEATHER])
    assert 0 < plain.input_tokens < tools.input_tokens
    assert recorded(0) == []


def test_models_are_listed_in_the_callers_shape(claude: Any, echo: Provider) -> None:
    [model] = claude.models.list()
    assert (model.type, model.id, model.display_name) == ("model", "echo", "echo")
    assert claude.models.retrieve("echo/echo").created_at.year >= 2025
    with pytest.raises(anthropic.NotFoundError):
        claude.models.retrieve("nothing")


def test_lists_of_models_have_pages(
    claude: Any, live_url: str, make_key: MakeKey, echo: Provider
) -> None:
    for name in "abcde":
        ProviderModel.objects.create(provider=echo, model_id=name, name=name, types=["chat"])
    every = [model.id for model in claude.models.list()]
    assert len(every) == 6
    pages = list(claude.models.list(limit=4).iter_pages())
    assert [[model.id for model in page.data] for page in pages] == [every[:4], every[4:]]
    before = claude.models.list(limit=2, before_id=every[4])
    assert [model.id for model in before.data] == every[2:4] and before.has_more
    headers = {"x-api-key": make_key(), "anthropic-version": "2023-06-01"}
    for query in (
        *("limit=0", "limit=1001", "limit=x", "limit=-1", "limit=", "limit=²", "after_id=z"),
        f"after_id={every[0]}&before_id={every[1]}",
    ):
        answer = httpx.get(f"{live_url}/v1/models?{query}", headers=headers)
        assert answer.status_code == 400, query
        assert answer.json()["error"]["type"] == "invalid_request_error"


def test_a_silent_model_keeps_the_sdk_waiting(
    claude: Any, remote: Provider, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ping may come before anything else, and is no part of the message."""
    monkeypatch.setattr(exchange_module, "HEARTBEAT_S", 0.05)
    monkeypatch.setattr(stand_in, "think_s", 0.5)
    _events, message = streamed(claude)
    assert message.content[0].text == "one two three"


# --- In front of OpenAI's dialect -----------------------------------------------


def test_a_request_is_said_in_openais_words(
    claude: Any, remote: Provider, stand_in: StandIn
) -> None:
    shown = {"type": "image", "source": PIXEL}
    result = {
        "type": "tool_result",
        "tool_use_id": "c1",
        "content": [{"type": "text", "text": "8"}],
    }
    messages = [
        {"role": "user", "content": [shown, {"type": "text", "text": "What?"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": ""},
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "c1", "name": "get_weather", "input": {"city": "Bern"}},
            ],
        },
        {"role": "user", "content": [result, {"type": "text", "text": "Go on."}]},
    ]
    answer = ask(
        claude,
        messages=messages,
        system=[{"type": "text", "text": "Be short.", "cache_control": {"type": "ephemeral"}}],
        tools=[WEATHER],
        tool_choice={"type": "any", "disable_parallel_tool_use": True},
        stop_sequences=["END"],
        extra_body={"temperature": 0.5, "top_k": 3},
    )
    assert answer.content[0].text == "hi" and answer.stop_reason == "end_turn"
    usage = answer.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (5, 4, 3)
    [sent] = stand_in.seen
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    call = {"name": "get_weather", "arguments": '{"city":"Bern"}'}
    assert sent["messages"] == [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": [image, {"type": "text", "text": "What?"}]},
        {
            "role": "assistant",
            "content": "I look.",
            "tool_calls": [{"id": "c1", "type": "function", "function": call}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "8"},
        {"role": "user", "content": "Go on."},
    ]
    assert sent["tools"][0]["function"]["parameters"] == WEATHER["input_schema"]
    assert (sent["tool_choice"], sent["parallel_tool_calls"]) == ("required", False)
    assert (sent["stop"], sent["temperature"], sent["max_tokens"]) == (["END"], 0.5, 100)
    assert "top_k" not in sent and "system" not in sent


@pytest.mark.parametrize("types", [("chat",), ("chat", "reasoning")])
def test_thinking_is_asked_for_where_a_model_reasons(
    claude: Any, replayed: Callable[..., Provider], replay: Replay, types: tuple[str, ...]
) -> None:
    replayed("openai", *types)
    replay.mode = "openai_reasoning"
    streamed(claude, thinking={"type": "enabled", "budget_tokens": 2048})
    expected = "low" if "reasoning" in types else None
    assert replay.seen[0].get("reasoning_effort") == expected
    assert "thinking" not in replay.seen[0]


def test_a_stream_of_openai_becomes_messages(
    claude: Any, remote: Provider, stand_in: StandIn, recorded: Records
) -> None:
    stand_in.mode = "reasoning"
    _events, message = streamed(claude)
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.content[0].thinking == "two and two" and message.content[1].text == "4"
    assert message.usage.cache_read_input_tokens == 4
    [row] = recorded(1)
    assert (row.prompt_tokens, row.completion_tokens, row.cached_tokens) == (9, 3, 4)


@pytest.mark.parametrize(
    ("mode", "kind", "status"),
    [
        ("401", anthropic.InternalServerError, 502),
        ("429", anthropic.RateLimitError, 429),
        ("500", anthropic.InternalServerError, 502),
    ],
)
def test_errors_of_a_provider_have_anthropics_shape(
    claude: Any, remote: Provider, stand_in: StandIn, mode: str, kind: type, status: int
) -> None:
    stand_in.mode = mode
    with pytest.raises(kind) as found:
        ask(claude)
    error: Any = found.value
    assert error.status_code == status and LEAK not in str(error.body)
    assert error.body["type"] == "error" and error.body["request_id"] == error.request_id


def test_an_error_ends_a_stream(claude: Any, remote: Provider, stand_in: StandIn) -> None:
    stand_in.mode = "error-event"
    with pytest.raises(anthropic.APIStatusError) as error:
        streamed(claude)
    assert LEAK not in str(error.value)


def test_errors_of_the_caller(claude: Any, echo: Provider, live_url: str) -> None:
    with pytest.raises(anthropic.NotFoundError) as missing:
        ask(claude, model="nothing")
    assert missing.value.body["error"]["type"] == "not_found_error"  # type: ignore[index]
    with pytest.raises(anthropic.APIStatusError, match="overloaded_error") as busy:
        ask(claude, "/error", model="echo")
    assert busy.value.status_code == 529
    stranger = anthropic.Anthropic(base_url=live_url, api_key="llmp_no.no", max_retries=0)
    with pytest.raises(anthropic.AuthenticationError) as refused:
        ask(stranger, model="echo")
    assert refused.value.body["error"]["type"] == "authentication_error"  # type: ignore[index]


USER = {"role": "user", "content": "x"}
GOOD = {"model": "echo", "max_tokens": 9, "messages": [USER]}


@pytest.mark.parametrize(
    "body",
    [
        {"model": "echo", "messages": [USER]},
        GOOD | {"max_tokens": 0},
        GOOD | {"messages": []},
        GOOD | {"messages": ["x"]},
        GOOD | {"messages": [{"role": "tool", "content": "x"}]},
        GOOD | {"messages": [{"role": "user", "content": 7}]},
        GOOD | {"messages": [{"role": "user", "content": [{"type": "odd"}]}]},
        GOOD | {"system": 7},
        GOOD | {"stop_sequences": 7},
        GOOD | {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        GOOD | {"api_base": "http://127.0.0.1/"},
        GOOD
        | {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image", "source": {"type": "url", "url": "file:///etc/passwd"}}
                    ],
                }
            ]
        },
    ],
)
def test_bad_bodies(live_url: str, echo: Provider, make_key: MakeKey, body: Any) -> None:
    headers = {"x-api-key": make_key()}
    answer = httpx.post(f"{live_url}/v1/messages", json=body, headers=headers)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["type"] == "invalid_request_error"


# --- In front of its own dialect -------------------------------------------------


def test_anthropics_own_answers_pass_through(
    claude: Any, replayed: Callable[..., Provider], replay: Replay, recorded: Records
) -> None:
    replayed("anthropic")
    replay.mode = "anthropic_thinking_tool"
    cached = [{"type": "text", "text": "Be short.", "cache_control": {"type": "ephemeral"}}]
    _events, message = streamed(
        claude, system=cached, tools=[WEATHER], extra_headers={"anthropic-beta": "a-1,b-2"}
    )
    thought, text, call = message.content
    assert (thought.signature, text.text) == ("EqQB==", "I look it up.")
    assert (call.id, call.input, message.stop_reason) == ("toolu_1", {"city": "Bern"}, "tool_use")
    assert message.id == "msg_1" and message.usage.cache_read_input_tokens == 100
    [sent] = replay.seen
    assert sent["system"] == cached and sent["model"] == "m" and sent["tools"] == [WEATHER]
    assert replay.headers[0]["anthropic-beta"] == "a-1,b-2"
    assert replay.headers[0]["x-api-key"] == "sk-stored-key-12345"
    [row] = recorded(1)
    assert (row.prompt_tokens, row.completion_tokens, row.cached_tokens) == (120, 42, 100)
    assert row.status == "done" and not row.is_estimated


def test_a_whole_answer_passes_through(
    claude: Any, replayed: Callable[..., Provider], replay: Replay, recorded: Records
) -> None:
    replayed("anthropic")
    replay.mode = "anthropic_blocking"
    foreign = ProviderState("gemini", 1, "gemini-3", {"text": "s"})
    kept = [
        {"type": "text", "text": "before"},
        {"type": "redacted_thinking", "data": seal(foreign)},
        {"type": "redacted_thinking", "data": "its own"},
    ]
    messages = [*HELLO, {"role": "assistant", "content": kept}, *HELLO]
    assert ask(claude, messages=messages).content[0].text == "A cat."
    assert replay.seen[0]["messages"][1]["content"] == [kept[0], kept[2]]
    assert recorded(1)[0].completion_tokens == 4


def test_documents_pass_through_but_no_internal_addresses(
    claude: Any, replayed: Callable[..., Provider], replay: Replay
) -> None:
    replayed("anthropic")
    replay.mode = "anthropic_blocking"
    for url, is_good in (("https://example.com/a.pdf", True), ("http://127.0.0.1/a.pdf", False)):
        block = {"type": "document", "source": {"type": "url", "url": url}}
        messages = [{"role": "user", "content": [block]}]
        if is_good:
            assert ask(claude, messages=messages).content[0].text == "A cat."
            continue
        with pytest.raises(anthropic.BadRequestError, match="public"):
            ask(claude, messages=messages)
    assert len(replay.seen) == 1


def test_an_error_event_of_anthropic(
    claude: Any, replayed: Callable[..., Provider], replay: Replay, recorded: Records
) -> None:
    replayed("anthropic")
    replay.mode = "anthropic_stream_error"
    with pytest.raises(anthropic.APIStatusError, match="overloaded_error"):
        streamed(claude)
    assert recorded(1)[0].error_code == "overloaded"


# --- The other way round: OpenAI's clients in front of Anthropic -----------------


def test_signatures_survive_an_openai_clients_loop_of_tools(
    sdk: openai.OpenAI, replayed: Callable[..., Provider], replay: Replay
) -> None:
    replayed("anthropic")
    replay.mode = "anthropic_thinking_tool"
    function = {"name": "get_weather", "parameters": WEATHER["input_schema"]}
    create: Any = sdk.chat.completions.create
    asked: dict[str, Any] = {"model": "m", "tools": [{"type": "function", "function": function}]}
    chunks = list(
        create(**asked, messages=HELLO, stream=True, stream_options={"include_usage": True})
    )
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    states = [delta.provider_state for delta in deltas if hasattr(delta, "provider_state")]
    assert "".join(getattr(d, "reasoning_content", None) or "" for d in deltas) == "Need a tool."
    assert chunks[-2].choices[0].finish_reason == "tool_calls"
    usage = chunks[-1].usage
    assert (usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens) == (120, 100)
    [state] = states
    assert "EqQB" not in state, "a client cannot read it"

    call = {"name": "get_weather", "arguments": '{"city": "Bern"}'}
    said = {
        "role": "assistant",
        "content": "I look it up.",
        "tool_calls": [{"id": "toolu_1", "type": "function", "function": call}],
    }
    result = {"role": "tool", "tool_call_id": "toolu_1", "content": "8 degrees"}
    replay.mode = "anthropic_blocking"
    for extra in ({"provider_state": state}, {}, {"provider_state": "forged"}):
        answer = create(**asked, messages=[*HELLO, said | extra, result])
        assert answer.choices[0].message.content == "A cat."
    kept, dropped, forged = [sent["messages"][1]["content"] for sent in replay.seen[1:]]
    assert kept[0] == {"type": "thinking", "thinking": "Need a tool.", "signature": "EqQB=="}
    assert [block["type"] for block in dropped] == ["text", "tool_use"] and forged == dropped


def test_a_state_is_ours_or_nothing() -> None:
    state = ProviderState("gemini", 7, "gemini-3", {"calls": ["s1"]})
    sealed = seal(state)
    assert unseal(sealed) == state and "s1" not in sealed
    for wrong in (None, 7, "", "llmp.", sealed[:-3], "x" + sealed, "llmp.é", {"kind": "gemini"}):
        assert unseal(wrong) is None


def test_signatures_of_other_providers_survive_a_loop_of_tools(
    claude: Any, replayed: Callable[..., Provider], replay: Replay
) -> None:
    replayed("gemini")
    replay.mode = "gemini_thinking_tool"
    _events, message = streamed(claude, tools=[WEATHER])
    [call] = [block for block in message.content if block.type == "tool_use"]
    assert message.stop_reason == "tool_use" and message.content[-1].type == "redacted_thinking"
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "8 degrees"}
    said = [block.model_dump(exclude_none=True) for block in message.content]
    history = [
        *HELLO,
        {"role": "assistant", "content": said},
        {"role": "user", "content": [result]},
    ]
    streamed(claude, tools=[WEATHER], messages=history)
    parts = replay.seen[1]["contents"][1]["parts"]
    [signed] = [part for part in parts if "functionCall" in part]
    assert signed["functionCall"]["name"] == "get_weather"
    assert signed["thoughtSignature"] not in ("", "skip_thought_signature_validator")
