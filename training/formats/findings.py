"""Secrets and personal data in records: what kind, how many, where. Never the whole of one."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

LISTED = 50
MAX_PER_RECORD = 20

EMAIL = re.compile(
    rb"(?<![\w.+-])[A-Za-z0-9][\w.+-]{0,63}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,4}"
    rb"\.[A-Za-z]{2,24}(?![\w-])"
)
# What a line must hold, its digits as zeros, before the slow patterns look for numbers in it.
ZEROS = bytes.maketrans(b"123456789", b"000000000")
NUMBERS = (b"0" * 11, b"000 0000 0000", b"000-0000-0000", b"0000 0000 0000", b"0000-0000-0000")
PHONE = re.compile(rb"(?<![\d.])(?:\+?86[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}(?![\d.])")
ID_NUMBER = re.compile(
    rb"(?<![\dA-Za-z])[1-9]\d{5}(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx]"
    rb"(?![\dA-Za-z])"
)
CARD = re.compile(rb"(?<![\d.])[3-6]\d{3}(?:[ -]?\d{4}){2}[ -]?\d{1,7}(?![\d.])")
KEY_MARKS = (
    *(b"sk-", b"AKIA", b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_", b"glpat-"),
    *(b"xox", b"AIza", b"hf_", b"LTAI", b"eyJ"),
)
KEY = re.compile(
    rb"(?<![\w-])(?:sk-[\w-]{20,}|AKIA[0-9A-Z]{16}|gh[pousr]_\w{36,}|github_pat_\w{22,}"
    rb"|glpat-[\w-]{20,}|xox[abprs]-[\w-]{10,}|AIza[\w-]{35}|hf_[A-Za-z0-9]{30,}"
    rb"|LTAI[A-Za-z0-9]{12,26}|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,})"
)
PRIVATE_KEY = re.compile(rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----")
PASSWORD = re.compile(
    rb"(?i)(?:password|passwd|pwd|\xe5\xaf\x86\xe7\xa0\x81)\s*(?:[:=]|\xef\xbc\x9a|\xe6\x98\xaf)\s*"
    rb"[^\s\"\\,;]{6,}"
)
ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


Kind = tuple[str, re.Pattern[bytes], Callable[[str], bool]]


@dataclass
class Found:
    count: int = 0
    records: int = 0
    places: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {"count": self.count, "records": self.records, "places": self.places}


def note(line: bytes, place: dict[str, int], found: dict[str, Found]) -> None:
    """Add what stands in `line` (a record as JSON) at `place` ({"line", "record"}) to `found`."""
    for kind, matches in _matches(line):
        each = found.setdefault(kind, Found())
        each.count += len(matches)
        each.records += 1
        if len(each.places) < LISTED:
            each.places.append({**place, "sample": masked(matches[0])})


def _matches(line: bytes) -> Iterator[tuple[str, list[str]]]:
    for likely, kinds in GROUPS:
        if likely(line):
            yield from _exactly(line, kinds)


def _exactly(line: bytes, kinds: Sequence[Kind]) -> Iterator[tuple[str, list[str]]]:
    for kind, pattern, is_right in kinds:
        texts = [found.group().decode(errors="replace") for found in pattern.finditer(line)]
        texts = [text for text in texts[:MAX_PER_RECORD] if is_right(text)]
        if texts:
            yield kind, texts


def masked(text: str) -> str:
    """Enough to find it again: how it begins and ends."""
    shown = 4 if len(text) >= 16 else 2
    return f"{text[:shown]}…{text[-shown:]}"


def _digits(text: str) -> str:
    return "".join(char for char in text if char.isdecimal())


def is_id_number(text: str) -> bool:
    """The check character of a Chinese resident's number (GB 11643, ISO 7064 MOD 11-2)."""
    total = sum(int(digit) * weight for digit, weight in zip(text[:17], ID_WEIGHTS, strict=True))
    return "10X98765432"[total % 11] == text[17].upper()


def is_card(text: str) -> bool:
    """Luhn's check digit; a number that is a resident's is told as that."""
    digits = _digits(text)
    if not 15 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    if len(digits) == 18 and ID_NUMBER.fullmatch(digits.encode()) and is_id_number(digits):
        return False
    doubled = [int(digit) * (1 + index % 2) for index, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def _any(text: str) -> bool:
    return True


def _has(*marks: bytes) -> Callable[[bytes], bool]:
    def has(line: bytes) -> bool:
        for mark in marks:  # noqa: SIM110  a generator for any() takes twice as long
            if mark in line:
                return True
        return False

    return has


def _has_numbers(line: bytes) -> bool:
    return _has_any_number(line.translate(ZEROS))


_has_any_number = _has(*NUMBERS)


GROUPS: tuple[tuple[Callable[[bytes], bool], tuple[Kind, ...]], ...] = (
    (_has(b"PRIVATE KEY"), (("private_key", PRIVATE_KEY, _any),)),
    (_has(*KEY_MARKS), (("api_key", KEY, _any),)),
    (_has(b"ass", b"wd", b"ASS", "密码".encode()), (("password", PASSWORD, _any),)),
    (
        _has_numbers,
        (("id_number", ID_NUMBER, is_id_number), ("card", CARD, is_card), ("phone", PHONE, _any)),
    ),
    (_has(b"@"), (("email", EMAIL, _any),)),
)
