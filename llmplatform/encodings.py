"""Which encoding a text file is in. Without Django: documents are read where there is none."""

import codecs
import re

BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Two bytes of GB 2312 or Big5: nearly all of a Chinese text in an old encoding is made of them.
CHINESE = re.compile(rb"[\xa1-\xf9][\x40-\x7e\xa1-\xfe]")
HIGH = re.compile(rb"[\x80-\xff]")
# A text has line breaks, tabs, form feeds and the escapes of a terminal, and no other of these.
BINARY = re.compile("[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
# The commonest of simplified and traditional writing: in the wrong encoding there are hardly any.
COMMON = re.compile(
    "[的一是不了在人有我他这這中大来來上国國个個到说說们們为為子和你地出道也时時年得就那要下以生会會"
    "自着著去之过過家学學对對可她里裡后後小么麼心多天而能好都然没沒日于於起还還发發成事只作当當想看文"
    "，。、：；！？「」“”《》]"
)
SAMPLE = 64 * 1024
# Fewer bytes with a zero among them tell nothing: two signs of anything are a word in UTF-16.
WIDE_LEAST = 8


def decoded(content: bytes) -> str | None:
    """`content` as text, line breaks as they are; None for what is no text."""
    marked = [name for mark, name in BOMS if content.startswith(mark)][:1]
    for encoding in marked or ("utf-8", *_old(content)):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not BINARY.search(text):
            return text
    return None


def _old(content: bytes) -> tuple[str, ...]:
    """Which ones a text without a mark may be in, the likeliest first."""
    sample = content[:SAMPLE]
    if b"\x00" in sample and len(sample) >= WIDE_LEAST:
        # Every other byte of western text in UTF-16 is zero, the second one in little-endian.
        wide = ("utf-16-le", "utf-16-be")
        return wide if sample[1::2].count(0) >= sample[::2].count(0) else wide[::-1]
    high = len(HIGH.findall(sample))
    # A western text has single accented letters.
    if 2 * len(CHINESE.findall(sample)) > 0.8 * high:
        chinese = sorted(("gb18030", "big5"), key=lambda name: -_common(sample, name))
        return (*chinese, "cp1252")
    return ("cp1252",)


def _common(sample: bytes, encoding: str) -> int:
    return len(COMMON.findall(sample.decode(encoding, errors="ignore")))
