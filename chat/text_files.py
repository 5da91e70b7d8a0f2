"""Text files that people attach: whatever says it is text, in the encoding it turns out to have."""

import codecs
import re
from pathlib import PurePath

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

MAX_BYTES = 1024**2
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Two bytes of GB 2312, which is what nearly all of a Chinese text in a GB encoding is made of.
CHINESE = re.compile(rb"[\xa1-\xf7][\xa1-\xfe]")
HIGH = re.compile(rb"[\x80-\xff]")
# A text has line breaks, tabs, form feeds and the escapes of a terminal, and no other of these.
BINARY = re.compile("[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
LANGUAGES = {
    **{"py": "python", "js": "javascript", "mjs": "javascript", "ts": "typescript"},
    **{"md": "markdown", "yml": "yaml", "sh": "bash", "rs": "rust", "rb": "ruby"},
    **{"kt": "kotlin", "cs": "csharp", "h": "c", "hpp": "cpp", "cc": "cpp", "txt": ""},
}
TICKS = re.compile(r"`{3,}")


def decoded(content: bytes) -> str:
    """Raises ValidationError for what is no text."""
    text = _text_of(content).replace("\r\n", "\n").replace("\r", "\n")
    if BINARY.search(text):
        raise ValidationError(_not_text())
    if not text.strip():
        raise ValidationError(_("The file is empty."))
    return text


def _text_of(content: bytes) -> str:
    encodings = [name for mark, name in BOMS if content.startswith(mark)][:1]
    for encoding in encodings or ("utf-8", *_old_encodings(content)):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ValidationError(_not_text())


def _old_encodings(content: bytes) -> tuple[str, ...]:
    """Which one a text without a mark may be in: a western one has single accented letters."""
    high = len(HIGH.findall(content))
    is_chinese = 2 * len(CHINESE.findall(content)) > 0.8 * high
    return ("gb18030", "cp1252") if is_chinese else ("cp1252",)


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
