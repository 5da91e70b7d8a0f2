"""Token counts where a provider gives none. An estimate is always marked as one.

The formula and what a message, a request and an image cost besides their text are from a
measurement with eight vocabularies: between 0.96 and 1.30 of the truth for Chinese, English,
Japanese and code, so never more than 4 % too low.
"""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from providers.types import ChatMessage

# Role and separators of the usual chat templates.
TOKENS_PER_MESSAGE = 4
TOKENS_PER_REQUEST = 3
TOKENS_PER_IMAGE = 1000
BYTES_PER_TOKEN = 4
CJK = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]+")
IMAGE_TYPES = frozenset({"image_url", "input_image", "image"})


def estimated_tokens(text: str) -> float:
    """One token a CJK character and one per four bytes of the rest. Not rounded, so that the
    pieces of a stream can be added up."""
    if text.isascii():
        return len(text) / BYTES_PER_TOKEN
    rest = CJK.sub("", text)
    size = len(rest.encode("utf-8", "surrogatepass"))
    return len(text) - len(rest) + size / BYTES_PER_TOKEN


def text_parts(content: Any) -> Iterable[str]:
    """The texts of a message's `content`, which is a string, a list of parts, or null."""
    if isinstance(content, str):
        return (content,)
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, Mapping))
        return (part for part in parts if isinstance(part, str))
    return ()


def _images(content: Any) -> int:
    parts = content if isinstance(content, list) else ()
    types = [part.get("type") for part in parts if isinstance(part, Mapping)]
    return sum(isinstance(each, str) and each in IMAGE_TYPES for each in types)


def estimated_prompt_tokens(messages: Iterable[ChatMessage | Mapping[str, Any]]) -> int:
    """Texts, images and what a chat format adds; tools are not counted."""
    total = float(TOKENS_PER_REQUEST)
    for message in messages:
        if isinstance(message, ChatMessage):
            content: Any = message.content
            images = len(message.images)
        else:
            content = message.get("content")
            images = _images(content)
        total += TOKENS_PER_MESSAGE + TOKENS_PER_IMAGE * images
        total += sum(estimated_tokens(text) for text in text_parts(content))
    return math.ceil(total)
