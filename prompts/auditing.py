"""What the audit log may know of a prompt: the words of a private one are its owner's alone."""

from collections.abc import Mapping
from typing import Any

from prompts.models import Prompt

AUDITED_CHARS = 2000
WORDS = ("title", "description", "text", "note")


def is_private(prompt: Prompt) -> bool:
    return prompt.owner_id is not None and not prompt.is_shared


def audited(values: Mapping[str, Any], *, is_private: bool) -> dict[str, Any]:
    words = {name: values[name][:AUDITED_CHARS] for name in WORDS if name in values}
    return {**values, **(dict.fromkeys(words, "private") if is_private else words)}
