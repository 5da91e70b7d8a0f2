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


def chunks_of(file: BinaryIO) -> Iterator[bytes]:
    """Chunks without the UTF-8 byte order mark; Refusal("encoding") or ("empty_file")."""
    check = codecs.getincrementaldecoder("utf-8")()
    line, chunk = 1, file.read(CHUNK_BYTES)
    if not chunk:
        raise Refusal("empty_file")
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
