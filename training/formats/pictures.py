"""Pictures in records: the names of their files, and the marks in the texts where they belong.

LLaMA-Factory stops unless a conversation has exactly as many marks as pictures.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from training.formats.layouts import Layout, Record, Turn
from training.formats.problems import Problem, type_name

PLACEHOLDER = "<image>"
OTHER_MEDIA = ("<video>", "<audio>")
COLUMN = "images"
PAIR, TAGGED = ("chosen", "rejected"), ("good", "bad")


def images_of(record: Record, shown: Sequence[str] = ()) -> list[str]:
    """Names or addresses of the pictures in their order; `shown`: those among OpenAI's parts."""
    value = record.get(COLUMN) or []
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list):
        raise Problem("wrong_type", field=COLUMN, expected="list", found=type_name(value))
    for name in names:
        if not isinstance(name, str):
            raise Problem("wrong_type", field=COLUMN, expected="string", found=type_name(name))
    if names and shown:
        raise Problem("pictures_twice")
    return [*names, *shown]


def address_of(part: Mapping[str, Any], label: str) -> str:
    """Of OpenAI's `image_url` part."""
    address = part.get("image_url")
    if isinstance(address, dict):
        address = address.get("url")
    if not isinstance(address, str) or not address:
        raise Problem("missing_field", field=f"{label}.image_url.url")
    return address


def mentions_pictures(value: object) -> bool:
    """Whether an uploaded record has pictures, right or wrong."""
    if not isinstance(value, dict):
        return False
    turns = value.get("messages")
    contents = [each.get("content") for each in _objects(turns)]
    return bool(value.get(COLUMN)) or any(
        part.get("type") == "image_url" for content in contents for part in _objects(content)
    )


def _objects(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def check_marks(layout: Layout, cleaned: Record) -> None:
    """Problem where marks and pictures do not match. For datasets with pictures: others are
    trained by templates for which a mark is a text like any other, as is plain text always."""
    if layout.format == "text":
        return
    turns = list(layout.turns(cleaned))
    wanted = len(cleaned.get(COLUMN, ()))
    for read in _read_together(turns):
        found = sum(turn.text.count(PLACEHOLDER) for turn in read)
        if found != wanted:
            raise Problem("image_count", placeholders=found, pictures=wanted)
    for mark in OTHER_MEDIA:
        if any(mark in turn.text for turn in turns):
            raise Problem("other_mark", mark=mark)


def _read_together(turns: Sequence[Turn]) -> Iterator[list[Turn]]:
    """What the trainer reads as one conversation, each of which must match."""
    asked = [turn for turn in turns if turn.speaker not in PAIR + TAGGED]
    answers = [turn for turn in turns if turn.speaker in PAIR + TAGGED]
    for answer in answers:
        yield [*asked, answer]
    if not answers or answers[0].speaker in TAGGED:
        # With a verdict, it also reads the question with the answer of another record.
        yield asked


def with_pictures(turns: Sequence[Turn], addresses: Sequence[str]) -> Iterator[Turn]:
    """Each picture with the turn in whose text it stands."""
    left = list(addresses)
    for turn in turns:
        count = turn.text.count(PLACEHOLDER)
        yield replace(turn, pictures=tuple(left[:count])) if count and left else turn
        left = left[count:]
