"""One contract for all dialects: the wire examples of the facts, however the bytes are cut."""

import json
from typing import Any

import pytest

from providers.adapters.cohere import CohereAdapter
from providers.adapters.gemini import GeminiAdapter
from providers.adapters.ollama import OllamaAdapter
from providers.adapters.openai import OpenAIAdapter
from providers.adapters.reading import FINISH
from providers.registry import ADAPTERS
from providers.tests.wire import (
    BASE,
    CHATS,
    CODES,
    EXAMPLES,
    KEY,
    STREAMS,
    WIRE,
    Read,
    body_of,
    read,
    request_of,
    target_of,
)
from providers.types import ChatRequest, EmbeddingRequest, RerankRequest

NOT_CHATS = {
    *("openai_embeddings", "openai_models", "gemini_embeddings", "ollama_embeddings"),
    *("ollama_tags", "ollama_show", "cohere_embed", "cohere_rerank"),
}
FOLLOW_UPS = {
    **{"openai_tools": "follow_up_messages", "anthropic_thinking_tool": "follow_up_messages"},
    **{"gemini_thinking_tool": "follow_up_contents"},
    **{"ollama_thinking_tool": "follow_up_messages", "cohere_thinking_tool": "follow_up_messages"},
}


def check(name: str, found: Read) -> None:
    wanted = dict(EXAMPLES[name]["expect"])
    wanted.pop("flags", None)
    error, usage = wanted.pop("error", None), wanted.pop("usage", None)
    if error is None:
        assert found.error is None
    else:
        assert found.error is not None and found.error.code == CODES[error["kind"]]
        if "status" in error:
            assert found.error.upstream_status == error["status"]
    for part, value in (usage or {}).items():
        assert usage_part(found, part) == value, part
    calls = wanted.pop("tool_calls", [])
    assert found.tool_calls(calls) == calls
    state: Any = found.state.data if found.state else {}
    seen = {
        "signature": lambda: state["thinking"][0]["signature"],
        "tool_plan": lambda: state["tool_plan"],
        "conversation_id": lambda: state["conversation_id"],
        "thoughts": lambda: {
            key: {"tool": step.tool, "observation": step.observation}
            for key, step in found.steps.items()
        },
    }
    for part, value in wanted.items():
        assert (seen[part]() if part in seen else getattr(found, part)) == value, part
    assert found.reasoning == wanted.get("reasoning", "")
    assert found.finish == wanted.get("finish")


def usage_part(found: Read, part: str) -> Any:
    usage = found.usage
    assert usage is not None
    if part in ("cost", "currency"):
        return str(getattr(usage, part))
    return getattr(usage, f"{part}_tokens")


def test_every_example_is_in_some_test() -> None:
    assert {*CHATS} | NOT_CHATS == EXAMPLES.keys()
    assert len(EXAMPLES) == 46


def test_reasons_of_an_end_are_those_of_the_facts() -> None:
    wanted = {
        word: name for name, words in WIRE["normalisation"]["finish"].items() for word in words
    }
    assert wanted == FINISH


@pytest.mark.parametrize("name", CHATS)
def test_an_answer_is_read_whole(name: str) -> None:
    check(name, read(name, [body_of(name)]))


@pytest.mark.parametrize("name", CHATS)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
def test_an_answer_is_read_in_pieces(name: str, size: int) -> None:
    body = body_of(name)
    check(name, read(name, [body[at : at + size] for at in range(0, len(body), size)]))


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_means_the_same_wherever_it_is_split(name: str) -> None:
    body = body_of(name)
    for at in range(1, len(body)):
        check(name, read(name, [body[:at], body[at:]]))


@pytest.mark.parametrize("name", CHATS)
def test_the_request_is_as_the_provider_wants_it(name: str) -> None:
    example, target = EXAMPLES[name], target_of(name)
    sent = ADAPTERS[target.kind].chat(target, request_of(name))
    assert (sent.method, sent.url) == (example["method"], BASE + example["path"])
    assert json.loads(sent.body) == example["request"]
    headers = {name.lower(): value for name, value in sent.headers.items()}
    for header, value in example.get("headers", {}).items():
        assert headers[header] == value.replace("<key>", KEY)
    assert KEY not in sent.url and KEY in "".join(headers.values())


@pytest.mark.parametrize("name", FOLLOW_UPS)
def test_what_a_provider_wants_back_goes_back(name: str) -> None:
    found = read(name, [body_of(name)])
    target, asked = target_of(name), request_of(name)
    calls = [
        {
            "id": call["id"],
            "type": "function",
            "function": {k: call[k] for k in ("name", "arguments")},
        }
        for call in found.calls.values()
    ]
    # Google's example leaves the text out of what goes back.
    content = None if "gemini" in name else found.text or None
    turn: dict[str, Any] = {"role": "assistant", "content": content, "tool_calls": calls}
    turn |= {"provider_state": found.state} if found.state else {}
    results = [
        {"role": "tool", "tool_call_id": call["id"], "content": '{"c":11}' if n == 0 else '{"c":3}'}
        for n, call in enumerate(calls)
    ]
    again = ChatRequest("m", [*asked.messages, turn, *results], asked.parameters)
    body = json.loads(ADAPTERS[target.kind].chat(target, again).body)
    sent = body.get("messages") or body["contents"]
    wanted = EXAMPLES[name][FOLLOW_UPS[name]]
    assert sent[-len(wanted) :] == wanted


def test_openais_reasoning_items_go_back_as_they_came() -> None:
    name = "responses_tool"
    found, target, asked = read(name, [body_of(name)]), target_of(name), request_of(name)
    call = next(iter(found.calls.values()))
    function = {"name": call["name"], "arguments": call["arguments"]}
    calls = [{"id": call["id"], "type": "function", "function": function}]
    turn = {"role": "assistant", "content": None, "tool_calls": calls}
    answer = {"role": "tool", "tool_call_id": call["id"], "content": '{"c":11}'}
    assert found.state is not None
    messages = [*asked.messages, {**turn, "provider_state": found.state}, answer]
    sent = ADAPTERS["responses"].chat(target, ChatRequest("m", messages, asked.parameters))
    items, wanted = sent_body(sent)["input"], EXAMPLES[name]["follow_up_input"]
    assert [items[0], *items[2:]] == [wanted[0], *wanted[2:]]
    summary = [{"type": "summary_text", "text": "Need a tool."}]
    assert items[1] == {"id": "rs_1", "type": "reasoning", "summary": summary}


def test_a_whole_response_is_read() -> None:
    stream = EXAMPLES["responses_tool"]["stream"].split("data: ")
    body = json.dumps(json.loads(stream[-1])["response"]).encode()
    check("responses_tool", read("responses_tool", [body], is_stream=False))


def sent_body(sent: Any) -> Any:
    return json.loads(sent.body)


def test_openai_embeddings() -> None:
    check_embeddings("openai_embeddings", OpenAIAdapter(), EmbeddingRequest(["a", "b"]))


def test_ollama_embeddings() -> None:
    check_embeddings("ollama_embeddings", OllamaAdapter(), EmbeddingRequest(["a", "b"]))


def test_cohere_embeddings() -> None:
    request = EmbeddingRequest(["a", "b"], purpose="document")
    check_embeddings("cohere_embed", CohereAdapter(), request)


def check_embeddings(name: str, adapter: Any, request: EmbeddingRequest) -> None:
    example = EXAMPLES[name]
    sent = adapter.embed(target_of(name), request)
    assert sent.url == BASE + example["path"]
    assert sent_body(sent) == example["request"]
    check_vectors(name, adapter)


def check_vectors(name: str, adapter: Any) -> None:
    found, wanted = adapter.read_embeddings(body_of(name)), EXAMPLES[name]["expect"]
    assert found.vectors == wanted["vectors"]
    for part, value in wanted.get("usage", {}).items():
        assert getattr(found.usage, f"{part}_tokens") == value


def test_gemini_embeddings() -> None:
    """Its example asks for each text in another way, which ours does for all of them alike."""
    name, adapter = "gemini_embeddings", GeminiAdapter()
    target, wanted = target_of(name), EXAMPLES[name]["request"]["requests"]
    assert target.model_id == "e-1"
    full = adapter.embed(target, EmbeddingRequest(["a"], purpose="document", dimensions=768))
    plain = adapter.embed(target, EmbeddingRequest(["b"]))
    assert full.url == BASE + EXAMPLES[name]["path"]
    assert [*sent_body(full)["requests"], *sent_body(plain)["requests"]] == wanted
    check_vectors(name, adapter)


def test_rerank() -> None:
    name, request = "cohere_rerank", RerankRequest("q", ["a", "b"], top_n=2)
    for adapter in (CohereAdapter(), OpenAIAdapter()):
        sent = adapter.rerank(target_of(name), request)
        assert sent_body(sent) == EXAMPLES[name]["request"]
        rows = adapter.read_ranking(body_of(name)).rows
        assert [row.index for row in rows] == EXAMPLES[name]["expect"]["order"]
        assert [row.score for row in rows] == EXAMPLES[name]["expect"]["scores"]


@pytest.mark.parametrize("name", ["openai_models", "ollama_tags"])
def test_a_model_list(name: str) -> None:
    target = target_of(name)
    adapter = ADAPTERS[target.kind]
    sent = adapter.models(target)
    assert (sent.method, sent.url) == ("GET", BASE + EXAMPLES[name]["path"])
    found = [model.model_id for model in adapter.read_models(body_of(name))]
    assert found == EXAMPLES[name]["expect"]["ids"]


def test_ollama_tells_what_a_model_can_do() -> None:
    name, adapter = "ollama_show", OllamaAdapter()
    sent, wanted = adapter.details(target_of(name), "q:1"), EXAMPLES[name]["expect"]
    assert sent_body(sent) == EXAMPLES[name]["request"]
    assert sent.url == BASE + EXAMPLES[name]["path"]
    found = adapter.read_details(body_of(name), "q:1")
    assert found.types == (wanted["type"], "reasoning")
    assert (found.context_tokens, found.supports_tools) == (wanted["context"], wanted["tools"])
    assert "vision" not in found.types
