"""Model lists: what a provider says about a model comes before what its name suggests."""

import json
from typing import Any

from providers.registry import ADAPTERS
from providers.types import ListedModel


def listed(kind: str, body: Any) -> dict[str, ListedModel]:
    return {m.model_id: m for m in ADAPTERS[kind].read_models(json.dumps(body).encode())}


def test_anthropics_capabilities() -> None:
    yes, no = {"supported": True}, {"supported": False}
    rows = [
        {
            **{"id": "claude-x-1", "display_name": "X", "max_input_tokens": 200000},
            **{"max_tokens": 8192, "capabilities": {"image_input": yes, "thinking": no}},
        },
        {"id": "claude-y-1", "max_input_tokens": None},
        {"id": None},
    ]
    found = listed("anthropic", {"data": rows, "has_more": False})
    assert found.keys() == {"claude-x-1", "claude-y-1"}
    first = found["claude-x-1"]
    assert first.types == ("chat", "vision")
    assert (first.context_tokens, first.output_tokens, first.name) == (200000, 8192, "X")
    assert found["claude-y-1"].context_tokens is None


def test_googles_methods() -> None:
    rows = [
        {
            **{"name": "models/gemini-3-pro", "supportedGenerationMethods": ["generateContent"]},
            **{"inputTokenLimit": 1000, "outputTokenLimit": 10, "thinking": True},
        },
        {"name": "models/text-1", "supportedGenerationMethods": ["embedContent"]},
        {"name": "models/veo-9", "supportedGenerationMethods": ["predictLongRunning"]},
        {"name": "models/imagen-4", "supportedGenerationMethods": ["predict"]},
        {"name": "models/gemini-3-pro-image", "supportedGenerationMethods": ["generateContent"]},
        {"name": "models/gemini-9-live", "supportedGenerationMethods": ["bidiGenerateContent"]},
    ]
    found = listed("gemini", {"models": rows})
    assert found["gemini-3-pro"].types == ("chat", "reasoning", "vision")
    assert found["gemini-3-pro"].context_tokens == 1000
    assert {name: model.types[0] for name, model in found.items()} == {
        **{"gemini-3-pro": "chat", "text-1": "embedding", "veo-9": "video"},
        **{"imagen-4": "image", "gemini-3-pro-image": "image", "gemini-9-live": "realtime"},
    }


def test_coheres_endpoints() -> None:
    rows = [
        {"name": "a", "endpoints": ["embed", "classify"], "context_length": 512},
        {"name": "b", "endpoints": ["rerank"]},
        {"name": "c", "endpoints": ["chat"], "features": ["vision", "tools"]},
        {"name": "d", "endpoints": []},
    ]
    found = listed("cohere", {"models": rows})
    assert found["a"].types == ("embedding",) and found["a"].context_tokens == 512
    assert found["b"].types == ("rerank",)
    assert found["c"].types == ("chat", "vision") and found["c"].supports_tools is True
    assert found["d"].types == ("chat",) and found["d"].supports_tools is None


def test_ollamas_new_servers_tell_more() -> None:
    rows = [
        {"name": "e:1", "capabilities": ["embedding"]},
        {"name": "v:1", "capabilities": ["completion", "vision", "thinking"]},
        {"name": "nomic-embed-text:latest"},
    ]
    found = listed("ollama", {"models": rows})
    assert found["e:1"].types == ("embedding",) and found["e:1"].evidence == "metadata"
    assert found["v:1"].types == ("chat", "reasoning", "vision")
    assert found["v:1"].supports_tools is False
    assert found["nomic-embed-text:latest"].types == ("embedding",)
    assert found["nomic-embed-text:latest"].evidence == "name"


def test_one_dify_key_is_one_application() -> None:
    found = listed("dify", {"name": "Help desk", "mode": "advanced-chat", "tags": []})
    assert found["Help desk"].types == ("chat",)


def test_a_bare_list_is_a_list() -> None:
    assert listed("openai", [{"id": "a"}, {"id": ""}, {"id": 3}, None]).keys() == {"a"}
