"""The fonts that pdfium takes for Chinese, Japanese and Korean ones that a PDF only names.

To read, it needs no shapes, only how much room a letter takes: without any font, lines that say the
same count as one, and with a real one it draws every letter twice to measure it, which is far
slower. So it is given one in which each letter is a square, or a part of one. What is read then
depends on no font of the machine, and a passage is found again on its page by another one. To draw,
it takes those that are installed.
"""

import ctypes
import struct
from functools import cache
from typing import Any

from pypdfium2 import raw

# Shift-JIS, Korean, GB 2312 and Big5, as Windows counts them.
CHARSETS = {128, 129, 134, 136}
SQUARE, SLIP = 1, 2
EM = 1000
# No wider than the narrowest of the letters that are as wide as they need.
NARROW = 200
LOW, HIGH = -120, 880
# Letters do not touch each other.
INSET = 30


def read_with_squares() -> None:
    """For documents that are opened from now on."""
    raw.FPDF_SetSystemFontInfo(_squares())


def draw_with_installed() -> None:
    """For documents that are opened from now on."""
    # A new one each time: pdfium empties it when another takes its place.
    raw.FPDF_SetSystemFontInfo(raw.FPDF_GetDefaultSystemFontInfo())


@cache
def _squares() -> Any:
    """Kept for as long as the process lives: pdfium only has its address."""
    types = dict(raw.FPDF_SYSFONTINFO._fields_)
    calls = {"MapFont": _map, "GetFontData": _copy, "DeleteFont": _nothing, "Release": _nothing}
    made = raw.FPDF_SYSFONTINFO(version=2)
    for name, call in calls.items():
        setattr(made, name, types[name](call))
    return made


def _map(_self: Any, _weight: int, _italic: int, charset: int, *_more: Any) -> int | None:
    return SQUARE if charset in CHARSETS else None


def _copy(_self: Any, _font: Any, table: int, into: Any, room: int) -> int:
    """All of it; tables of their own are asked for to learn whether it is a collection."""
    if table:
        return 0
    content = font()
    if room >= len(content):
        ctypes.memmove(into, content, len(content))
    return len(content)


def _nothing(*_all: Any) -> None:
    return


@cache
def font() -> bytes:
    """TrueType, of two shapes for all characters: see the OpenType specification."""
    boxes = _box(0), _box(EM), _box(NARROW)
    begins = [sum(map(len, boxes[:count])) for count in range(len(boxes) + 1)]
    tables = {
        b"OS/2": struct.pack(">H", 4).ljust(96, b"\0"),
        b"cmap": struct.pack(">HHHHI", 0, 1, 3, 10, 12) + _characters(),
        b"glyf": b"".join(boxes),
        b"head": struct.pack(
            ">IIIIHHqqhhhhHHhhh",
            *(0x10000, 0x10000, 0, 0x5F0F3CF5, 0, EM, 0, 0),
            *(0, LOW, EM, HIGH, 0, 8, 2, 1, 0),
        ),
        b"hhea": struct.pack(">Ihhh", 0x10000, HIGH, LOW, 0).ljust(34, b"\0") + b"\0\3",
        b"hmtx": struct.pack(">HhHhHh", EM, 0, EM, INSET, NARROW, INSET),
        b"loca": struct.pack(">4I", *begins),
        b"maxp": struct.pack(">IHHH", 0x10000, len(boxes), 4, 1).ljust(32, b"\0"),
        b"name": struct.pack(">HHH", 0, 0, 6),
        b"post": struct.pack(">I", 0x30000).ljust(32, b"\0"),
    }
    return _file(tables)


def _box(width: int) -> bytes:
    if not width:
        return b""
    left, bottom, right, top = INSET, LOW + INSET, width - INSET, HIGH - INSET
    corners = (left, 0, right - left, 0, bottom, top - bottom, 0, bottom - top)
    head = struct.pack(">5hHH4B", 1, left, bottom, right, top, 3, 0, *[1] * 4)
    return head + struct.pack(">8h", *corners)


def _characters() -> bytes:
    """Which shape each has: format 13, many to one."""
    groups = [(0x20, 0x2FF, SLIP), (0x300, 0xFF60, SQUARE), (0xFF61, 0xFFDC, SLIP)]
    groups.append((0xFFE0, 0x10FFFF, SQUARE))
    head = struct.pack(">HHIII", 13, 0, 16 + 12 * len(groups), 0, len(groups))
    return head + b"".join(struct.pack(">III", *group) for group in groups)


def _file(tables: dict[bytes, bytes]) -> bytes:
    head = struct.pack(">IHHHH", 0x10000, len(tables), 128, 3, 32)
    at = len(head) + 16 * len(tables)
    content = b""
    for tag, table in tables.items():
        head += struct.pack(">4sIII", tag, 0, at + len(content), len(table))
        content += table + b"\0" * (-len(table) % 4)
    return head + content
