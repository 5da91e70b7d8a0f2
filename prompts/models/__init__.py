"""The prompt library's tables."""

from prompts.models.library import (
    PresetSeed,
    Prompt,
    PromptFavourite,
    PromptQuerySet,
    PromptTag,
)
from prompts.models.versions import PRODUCTION, PromptLabel, PromptUseDay, PromptVersion

__all__ = [
    "PRODUCTION",
    "PresetSeed",
    "Prompt",
    "PromptFavourite",
    "PromptLabel",
    "PromptQuerySet",
    "PromptTag",
    "PromptUseDay",
    "PromptVersion",
]
