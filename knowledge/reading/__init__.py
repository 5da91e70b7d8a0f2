"""From a file to its text and structure, whatever is in the file."""

from knowledge.reading.reader import Reader
from knowledge.reading.types import Block, Note, Parsed, Unreadable

__all__ = ["Block", "Note", "Parsed", "Reader", "Unreadable"]
