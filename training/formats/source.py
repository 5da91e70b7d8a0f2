"""The bytes of an uploaded file as checked UTF-8 chunks, without ever holding the file."""

import codecs
from collections.abc import Iterator
from typing import BinaryIO

from training.formats.problems import Refusal

CHUNK_BYTES = 256 * 1024
# A multi-byte character of any encoding fits into the overlap.
SAMPLE_BYTES = 64 * 1024
MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
# In this order: every later one accepts nearly anything.
CANDIDATES = (("gb18030", "GBK"), ("shift_jis", "Shift-JIS"), ("cp1252", "Windows-1252"))
UTF8 = "utf-8"
# What a file may be said to be written in; nothing but UTF-8 is ever assumed.
ENCODINGS = {
    UTF8: "UTF-8",
    "gb18030": "GBK",
    "big5": "Big5",
    "shift_jis": "Shift-JIS",
    "cp1252": "Windows-1252",
    "utf-16": "UTF-16",
    "utf-32": "UTF-32",
}
# Files that are no text, whatever their name says, by how they begin.
SIGNATURES = (
    (b"PK\x03\x04", "Excel or ZIP"),
    (b"\xd0\xcf\x11\xe0", "Excel or Word"),
    (b"PAR1", "Parquet"),
    (b"\x1f\x8b", "gzip"),
    (b"%PDF-", "PDF"),
    (b"SQLite format 3\0", "SQLite"),
    (b"ARROW1", "Arrow"),
)


def chunks_of(file: BinaryIO, encoding: str = UTF8) -> Iterator[bytes]:
    """UTF-8 chunks without byte order mark. Refusal "empty_file", "not_text" or "encoding"."""
    head = file.read(CHUNK_BYTES)
    if not head:
        raise Refusal("empty_file")
    for signature, found in SIGNATURES:
        if head.startswith(signature):
            raise Refusal("not_text", found=found)
    return _checked(file, head) if encoding == UTF8 else _converted(file, head, encoding)


def _converted(file: BinaryIO, chunk: bytes, encoding: str) -> Iterator[bytes]:
    """From the encoding that somebody has named."""
    decoder, line = codecs.getincrementaldecoder(encoding)(), 1
    while True:
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeError as error:
            raise Refusal("decoding", encoding=ENCODINGS[encoding], line=line) from error
        line += text.count("\n")
        if text := text.removeprefix("\ufeff") if line == 1 else text:
            yield text.encode()
        if not chunk:
            return
        chunk = file.read(CHUNK_BYTES)


def _checked(file: BinaryIO, chunk: bytes) -> Iterator[bytes]:
    check = codecs.getincrementaldecoder("utf-8")()
    line = 1
    _refuse_wide(chunk)
    chunk = chunk.removeprefix(codecs.BOM_UTF8)
    while chunk:
        following = file.read(CHUNK_BYTES)
        try:
            check.decode(chunk, final=not following)
        except UnicodeDecodeError as error:
            line += error.object[: error.start].count(b"\n")
            sample = error.object[error.start : error.start + SAMPLE_BYTES]
            raise Refusal("encoding", encoding=_guess(sample), line=line) from error
        line += chunk.count(b"\n")
        yield chunk
        chunk = following


def _refuse_wide(head: bytes) -> None:
    """UTF-16 and UTF-32, with their mark or known by the zero bytes of ASCII characters."""
    for mark, name in MARKS:
        if head.startswith(mark):
            raise Refusal("encoding", encoding=name, line=1)
    if b"\0" in head[:4]:
        raise Refusal("encoding", encoding="UTF-16", line=1)


def _guess(sample: bytes) -> str:
    """The likely encoding of `sample`, or "" if none fits."""
    for codec, name in CANDIDATES:
        decoder = codecs.getincrementaldecoder(codec)()
        try:
            decoder.decode(sample, final=False)
        except UnicodeDecodeError:
            continue
        return name
    return ""
