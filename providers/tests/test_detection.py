"""Types of models: from metadata, from the price table, from names; measured on labelled ids.

`labelled_ids.txt` has the labels as their sources gave them (litellm, Dify's plugins), mistakes of
the sources included. Run with `-rP` to see the rate and every miss.
"""

from pathlib import Path
from typing import Any

import pytest

from accounts.models import User
from providers.detection import detect_types, type_by_name
from providers.model_list import looked_up
from providers.models import ModelPrice, Provider
from providers.price_import import import_prices, read_seed
from providers.types import ListedModel

LABELLED = [
    line.split(" ", 1)
    for line in (Path(__file__).parent / "labelled_ids.txt").read_text("utf-8").splitlines()
]


def misses(found: dict[str, str]) -> list[str]:
    wrong = [f"{i}: labelled {kind}, found {found[i]}" for kind, i in LABELLED if found[i] != kind]
    rate = 1 - len(wrong) / len(LABELLED)
    print(f"{rate:.2%} of {len(LABELLED)} ids right; misses:", *wrong, sep="\n  ")  # noqa: T201
    return wrong


def test_names_alone_type_98_percent_right() -> None:
    wrong = misses({model_id: type_by_name(model_id) for _kind, model_id in LABELLED})
    assert len(wrong) <= 0.02 * len(LABELLED)


def test_with_the_price_table_98_percent_are_right(db: None, alice: User) -> None:
    """As a refresh does it, at each of the table's providers."""
    import_prices(read_seed(), ModelPrice)
    rows = [ListedModel(i, *_by_name(i)) for _kind, i in LABELLED]
    found = {row.model_id: row.types[0] for row in rows}
    for slug in set(ModelPrice.objects.values_list("provider_slug", flat=True)):
        of_slug = looked_up(Provider(owner=alice, preset=slug), rows)
        found |= {row.model_id: row.types[0] for row in of_slug if row.evidence == "table"}
    assert len(misses(found)) <= 0.02 * len(LABELLED)


def _by_name(model_id: str) -> tuple[tuple[str, ...], None, str]:
    types, evidence = detect_types(model_id)
    return types, None, evidence


@pytest.mark.parametrize(
    ("row", "types"),
    [
        ({"type": "embedding"}, ("embedding",)),  # Together
        ({"type": "audio"}, ("tts",)),
        ({"type": "transcribe"}, ("stt",)),
        ({"sub_type": "reranker"}, ("rerank",)),  # SiliconFlow
        ({"sub_type": "text-to-image"}, ("image",)),
        ({"model_type": "LLM", "model_ability": ["chat", "vision"]}, ("chat", "vision")),
        ({"model_type": "LLM", "model_ability": ["hybrid"]}, ("chat", "reasoning")),  # Xinference
        ({"model_type": "audio", "model_ability": ["audio2text"]}, ("stt",)),
        ({"model_type": "audio", "model_ability": ["text2audio"]}, ("tts",)),
        ({"type": "vlm"}, ("chat", "vision")),  # LM Studio
        ({"type": "embeddings"}, ("embedding",)),
        ({"model_info": {"mode": "audio_speech"}}, ("tts",)),  # LiteLLM
        ({"model_info": {"mode": "responses", "supports_vision": True}}, ("chat", "vision")),
        ({"architecture": {"output_modalities": ["image", "text"]}}, ("chat",)),  # OpenRouter
        ({"architecture": {"output_modalities": ["image"]}}, ("image",)),
        ({"architecture": {"output_modalities": ["audio"]}}, ("tts",)),
        (
            {
                "architecture": {"output_modalities": ["text"], "input_modalities": ["image"]},
                "supported_parameters": ["tools", "reasoning"],
            },
            ("chat", "reasoning", "vision"),
        ),
        ({"capabilities": {"completion_chat": True, "vision": True}}, ("chat", "vision")),
        ({"capabilities": {"completion_chat": False, "ocr": True}}, ("ocr",)),  # Mistral
        ({"capabilities": {"classification": True}}, ("moderation",)),
        ({"capabilities": {"audio_transcription_realtime": True}}, ("realtime",)),
        ({"capabilities": {"chat_completion": True}}, ("chat",)),  # Azure
        ({"capabilities": {"embeddings": True}}, ("embedding",)),
        (
            {"capabilities": {"image_input": {"supported": True}}, "type": "chat"},
            ("chat", "vision"),
        ),
        ({"kind": "EMBEDDING_MODEL"}, ("embedding",)),  # Fireworks
        ({"kind": "FLUMINA_BASE_MODEL"}, ("image",)),
        ({"supports_chat": True, "supports_image_input": True}, ("chat", "vision")),
        ({"input_modalities": ["text", "image"], "type": "chat"}, ("chat", "vision")),  # xAI
    ],
)
def test_metadata_wins(row: dict[str, Any], types: tuple[str, ...]) -> None:
    name = "whisper-rerank-embed"
    assert detect_types(name, row) == (types, "metadata")


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"type": "model"},
        {"type": 7, "capabilities": "chat", "architecture": [], "model_info": None},
        {"capabilities": {"completion_chat": "yes"}},
        {"architecture": {"output_modalities": "text"}},
    ],
)
def test_rows_that_say_nothing_leave_it_to_the_name(row: dict[str, Any]) -> None:
    assert detect_types("bge-reranker-v2", row) == (("rerank",), "name")


def test_the_price_table_comes_between(db: None, alice: User) -> None:
    provider = Provider(owner=alice, preset="deepseek", base_url="https://api.deepseek.com")
    common = {"provider_slug": "deepseek", "main_type": "rerank", "context_tokens": 99}
    ModelPrice.objects.create(model_pattern="acme-1", **common)
    ModelPrice.objects.create(model_pattern="glob-*", **common)
    ModelPrice.objects.create(
        model_pattern="acme-2", provider_slug="*", main_type="chat", supports_vision=True
    )
    rows = [
        ListedModel("acme-1", ("chat",)),
        ListedModel("acme-1x", ("chat",), evidence="metadata"),
        ListedModel("glob-1", ("chat",)),
        ListedModel("acme-2", ("chat", "reasoning"), 5),
    ]
    rows.append(ListedModel("ACME-1", ("chat",), 7, evidence="metadata"))
    found = looked_up(provider, rows)
    assert [row.types for row in found] == [
        ("rerank",),
        ("chat",),
        ("chat",),
        ("chat", "vision"),
        ("chat",),
    ]
    assert [row.evidence for row in found] == ["table", "metadata", "name", "table", "metadata"]
    assert [row.context_tokens for row in found] == [99, None, None, 5, 7]
