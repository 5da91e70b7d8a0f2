"""What people call the types of models; programs write the keys."""

from django.utils.functional import Promise
from django.utils.translation import pgettext_lazy

# In the order of the form: what a model does, then what chat models can do besides.
TYPE_NAMES: dict[str, str | Promise] = {
    "chat": pgettext_lazy("type of a model", "chat"),
    "embedding": pgettext_lazy("type of a model", "embedding"),
    "rerank": pgettext_lazy("type of a model", "rerank"),
    "image": pgettext_lazy("type of a model", "image"),
    "video": pgettext_lazy("type of a model", "video"),
    "stt": pgettext_lazy("type of a model", "speech to text"),
    "tts": pgettext_lazy("type of a model", "text to speech"),
    "realtime": pgettext_lazy("type of a model", "live speech"),
    "ocr": pgettext_lazy("type of a model", "text recognition"),
    "moderation": pgettext_lazy("type of a model", "moderation"),
    "other": pgettext_lazy("type of a model", "other"),
    "vision": pgettext_lazy("type of a model", "vision"),
    "reasoning": pgettext_lazy("type of a model", "reasoning"),
}


def type_name(code: str) -> str:
    """In the reader's language; what has no name stays as it is."""
    return str(TYPE_NAMES.get(code, code))
