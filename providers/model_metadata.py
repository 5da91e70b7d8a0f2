"""What a row of an OpenAI-shaped model list says about a model, in the words of many providers.

Each reader knows some providers' words and says nothing about rows that lack them, so that all of
them can be asked about any row. Other dialects translate theirs into `{"type": …}`.
"""

from collections.abc import Mapping
from typing import Any

LITELLM_MODES = {
    **{"chat": "chat", "responses": "chat", "completion": "chat", "embedding": "embedding"},
    **{"rerank": "rerank", "image_generation": "image", "image_edit": "image"},
    **{"video_generation": "video", "audio_transcription": "stt", "audio_speech": "tts"},
    **{"realtime": "realtime", "moderation": "moderation", "ocr": "ocr", "search": "other"},
    **{"evaluation": "other", "extraction": "other", "decisions": "other"},
    **{"guardrail": "other", "vector_store": "other"},
}
# `type`, `model_type`, `mode` and `sub_type`, as Together, Qianfan, LM Studio, Xinference,
# LiteLLM and SiliconFlow use them.
TYPE_WORDS = {
    **LITELLM_MODES,
    **{"language": "chat", "code": "chat", "llm": "chat", "vlm": "chat", "embeddings": "embedding"},
    **{"reranker": "rerank", "image": "image", "text-to-image": "image", "image-to-image": "image"},
    **{"video": "video", "text-to-video": "video", "speech-to-text": "stt", "transcribe": "stt"},
}
TYPE_FIELDS = ("type", "model_type", "sub_type", "mode")
MODALITIES = (("text", "chat"), ("image", "image"), ("audio", "tts"), ("embeddings", "embedding"))
# Mistral, Azure; in this order, since one model may have several.
CAPABILITIES = (
    *(("completion_chat", "chat"), ("chat_completion", "chat"), ("ocr", "ocr")),
    *(("moderation", "moderation"), ("classification", "moderation")),
    *(("audio_transcription_realtime", "realtime"), ("audio_transcription", "stt")),
    *(("audio_speech", "tts"), ("embeddings", "embedding")),
)
# Which words and flags stand for which ability.
ABILITY_WORDS = {
    **{"vision": "vision", "image": "vision", "reasoning": "reasoning", "thinking": "reasoning"},
    **{"hybrid": "reasoning", "image_input": "vision"},
}
ABILITY_FLAGS = {
    **{"supports_image_input": "vision", "supports_vision": "vision", "vision": "vision"},
    **{"supports_reasoning": "reasoning", "thinking": "reasoning", "reasoning": "reasoning"},
}


def _map(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = row.get(name)
    return value if isinstance(value, Mapping) else {}


def _words(row: Mapping[str, Any], name: str) -> set[str]:
    value = row.get(name)
    return {word for word in value if isinstance(word, str)} if isinstance(value, list) else set()


def _by_word(row: Mapping[str, Any]) -> str | None:
    for field in TYPE_FIELDS:
        word = row.get(field)
        if isinstance(word, str) and word.lower() in TYPE_WORDS:
            return TYPE_WORDS[word.lower()]
    if "audio" in (row.get("type"), row.get("model_type")):
        return "stt" if "audio2text" in _words(row, "model_ability") else "tts"
    return None


def _by_modality(row: Mapping[str, Any]) -> str | None:
    outputs = _words(_map(row, "architecture"), "output_modalities")
    return next((kind for modality, kind in MODALITIES if modality in outputs), None)


def _by_capability(row: Mapping[str, Any]) -> str | None:
    flags = _map(row, "capabilities")
    return next((kind for name, kind in CAPABILITIES if flags.get(name) is True), None)


def _by_kind(row: Mapping[str, Any]) -> str | None:
    """Fireworks."""
    kind = str(row.get("kind") or "")
    if "EMBEDDING" in kind:
        return "embedding"
    if "FLUMINA" in kind:
        return "image"
    return "chat" if row.get("supports_chat") is True else None


def stated_type(row: Mapping[str, Any]) -> str | None:
    """The main type; None where the row does not say."""
    info = _map(row, "model_info")  # LiteLLM keeps it a level deeper
    found = _by_word(row) or _by_word(info) or _by_modality(row)
    return found or _by_capability(row) or _by_kind(row)


def stated_abilities(row: Mapping[str, Any]) -> set[str]:
    """ "vision" and "reasoning", as far as the row says so."""
    inputs = _words(_map(row, "architecture"), "input_modalities") | _words(row, "input_modalities")
    words = _words(row, "capabilities") | _words(row, "model_ability")
    flags = _map(row, "capabilities")
    words |= {name for name, value in flags.items() if value is True}
    words |= {name for name in flags if _map(flags, name).get("supported") is True}
    words |= inputs & {"image"} | _words(row, "supported_parameters") & {"reasoning"}
    found = {ABILITY_WORDS[word] for word in words if word in ABILITY_WORDS}
    for level in (row, _map(row, "model_info")):
        found |= {ability for flag, ability in ABILITY_FLAGS.items() if level.get(flag) is True}
    return found | {"vision"} if row.get("type") == "vlm" else found
