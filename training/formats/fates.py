"""What LLaMA-Factory 0.9.5 would have done with a record that we refuse.

Learned by giving such files to it: training/tests/test_dataset_trainer.py holds every line of this
against the real thing.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum


class Fate(StrEnum):
    """kept: it would be learned as it is. dropped: left out without a word but in the log.
    stops: the whole training would end with an error before it begins."""

    KEPT = "kept"
    DROPPED = "dropped"
    STOPS = "stops"


KEPT = {"empty", "text_beside_calls", "too_long", "picture_large"}
DROPPED = {"no_turns", "role_order", "no_answer", "pair_after_answer"}
# Roles that a conversation may have, in both of its spellings.
KNOWN_ROLES = {"human", "gpt", "user", "assistant", "system", "observation", "tool"}
KNOWN_ROLES |= {"function_call"}
QUESTIONS = {"instruction", "text"}
MEDIA = ("videos", "audios")


def fate_of(code: str, params: Mapping[str, str | int], format: str) -> Fate:
    """Of a record among good ones of the same file."""
    if code in KEPT:
        return Fate.KEPT
    if code in DROPPED or code == "unknown_role":
        return _of_conversation(params, format)
    judged = _BY_CODE.get(code)
    return judged(params) if judged else Fate.STOPS


def _of_conversation(params: Mapping[str, str | int], format: str) -> Fate:
    """KTO compares each answer with that of the record before, and finds none."""
    is_text = params.get("role") not in ("number", "boolean", "list", "object")
    return Fate.DROPPED if format != "kto" and is_text else Fate.STOPS


def _of_missing(params: Mapping[str, str | int]) -> Fate:
    """An empty question or text is one; a conversation that is not there cannot be counted."""
    field = params.get("field")
    if field in QUESTIONS:
        return Fate.KEPT
    return Fate.STOPS if field in ("conversations", "messages") else Fate.DROPPED


def _of_missing_in_turn(params: Mapping[str, str | int]) -> Fate:
    return Fate.DROPPED if params.get("field") in ("from", "role") else Fate.STOPS


def _of_candidate(params: Mapping[str, str | int]) -> Fate:
    return Fate.KEPT if params.get("role") in KNOWN_ROLES else Fate.STOPS


def _of_unstorable(params: Mapping[str, str | int]) -> Fate:
    return Fate.STOPS if params.get("kind") == "surrogate" else Fate.KEPT


def _of_cells(params: Mapping[str, str | int]) -> Fate:
    """Cells too few are filled up with nothing; for those too many there is no column."""
    is_short = int(params.get("found_cells", 0)) < int(params.get("expected_cells", 0))
    return Fate.DROPPED if is_short else Fate.STOPS


def _of_media(params: Mapping[str, str | int]) -> Fate:
    """A column of pictures is not looked at; a text that is none cannot be read."""
    return Fate.KEPT if params.get("field") in MEDIA else Fate.STOPS


def _of_pixels(params: Mapping[str, str | int]) -> Fate:
    """Pillow, which the trainer opens pictures with, only warns of the first half."""
    return Fate.STOPS if int(params.get("times", 2)) > 1 else Fate.KEPT


def _of_kind(params: Mapping[str, str | int]) -> Fate:
    return Fate.KEPT if params.get("kind") in ("TIFF", "JPEG 2000") else Fate.STOPS


_BY_CODE: dict[str, Callable[[Mapping[str, str | int]], Fate]] = {
    "missing_field": _of_missing,
    "turn_missing_field": _of_missing_in_turn,
    "candidate_role": _of_candidate,
    "unstorable": _of_unstorable,
    "cell_count": _of_cells,
    "media": _of_media,
    "picture_pixels": _of_pixels,
    "picture_kind": _of_kind,
}
