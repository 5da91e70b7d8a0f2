"""Text files that people attach: whatever says it is text, in the encoding it turns out to have."""

import re
from pathlib import PurePath

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from llmplatform import encodings

MAX_BYTES = 1024**2
LANGUAGES = {
    **{"py": "python", "js": "javascript", "mjs": "javascript", "ts": "typescript"},
    **{"md": "markdown", "yml": "yaml", "sh": "bash", "rs": "rust", "rb": "ruby"},
    **{"kt": "kotlin", "cs": "csharp", "h": "c", "hpp": "cpp", "cc": "cpp", "txt": ""},
}
TICKS = re.compile(r"`{3,}")


def decoded(content: bytes) -> str:
    """Raises ValidationError for what is no text."""
    text = encodings.decoded(content)
    if text is None:
        raise ValidationError(_not_text())
    if not text.strip():
        raise ValidationError(_("The file is empty."))
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _not_text() -> str:
    return _("This is neither an image (JPEG, PNG, WebP, GIF) nor a text file.")


def fenced(name: str, text: str) -> str:
    """How a model reads a file: its name, then its text in a fence that the text cannot close."""
    ticks = max((len(found) for found in TICKS.findall(text)), default=2) + 1
    fence = "`" * max(ticks, 3)
    end = "" if text.endswith("\n") else "\n"
    return f"File: {name}\n{fence}{_language(name)}\n{text}{end}{fence}"


def _language(name: str) -> str:
    ending = PurePath(name).suffix.lstrip(".").lower()
    return LANGUAGES.get(ending, ending if ending.isalnum() and len(ending) < 12 else "")
