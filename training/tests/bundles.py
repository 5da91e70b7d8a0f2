"""ZIP files with records and pictures, for tests."""

import io
import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

COLOURS = ("red", "green", "blue")


def picture(colour: str = "red", kind: str = "PNG", size: tuple[int, int] = (20, 16)) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", size, colour).save(target, kind)
    return target.getvalue()


def bundle(records: Sequence[Any], files: Mapping[str, bytes], name: str = "data.jsonl") -> bytes:
    """The records as JSON lines, with the files beside them."""
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    return packed({name: lines.encode(), **files})


def packed(files: Mapping[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def asked(*names: str, text: str = "What colour is it?", answer: str = "red") -> dict[str, Any]:
    """An alpaca record about these pictures."""
    return {"instruction": "<image>" * len(names) + text, "output": answer, "images": [*names]}


def colours(count: int = 12) -> bytes:
    """Records about pictures of one colour, and one without a picture."""
    rows = [asked(f"img/{n}.png", answer=COLOURS[n % 3]) for n in range(count)]
    files = {f"img/{n}.png": picture(COLOURS[n % 3], size=(30 + n, 24)) for n in range(count)}
    return bundle([*rows, {"instruction": "Say red.", "output": "red"}], files)


def wide(width: int) -> bytes:
    """A PNG that says it is so wide."""
    content = bytearray(picture())
    content[16:20] = width.to_bytes(4, "big")
    content[29:33] = zlib.crc32(bytes(content[12:29])).to_bytes(4, "big")
    return bytes(content)


def with_link(content: bytes) -> bytes:
    """The ZIP with a symbolic link in it."""
    target = io.BytesIO(content)
    with zipfile.ZipFile(target, "a") as archive:
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    return target.getvalue()


HOSTILE_FILES = {
    "a.png": picture(),
    "text.png": b"no picture",
    "cut.png": picture(size=(300, 300))[:-40],
    "drawing.svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>",
    "bomb.png": wide(2**30),
    "scan.tif": picture(kind="TIFF"),
    "phone.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40),
}
PART = {"type": "image_url", "image_url": {"url": "a.png"}}
# Records that are wrong, with the verdict each must get, among HOSTILE_FILES.
HOSTILE_PICTURES: list[tuple[dict[str, Any], str]] = [
    (asked("no.png"), "picture_missing"),
    (asked("../a.png"), "picture_escapes"),
    (asked("/etc/passwd"), "picture_escapes"),
    (asked("C:\\a.png"), "picture_escapes"),
    (asked("link.png"), "picture_escapes"),
    (asked("https://example.com/a.png"), "picture_remote"),
    (asked("//example.com/a.png"), "picture_remote"),
    (asked("file:///etc/passwd"), "picture_remote"),
    (asked("text.png"), "picture_broken"),
    (asked("cut.png"), "picture_broken"),
    (asked("drawing.svg"), "picture_broken"),
    (asked("data.jsonl"), "picture_broken"),
    (asked("scan.tif"), "picture_kind"),
    (asked("phone.heic"), "picture_kind"),
    (asked("bomb.png"), "picture_pixels"),
    ({**asked("a.png"), "instruction": "No mark."}, "image_count"),
    ({**asked("a.png"), "instruction": "<image><image>"}, "image_count"),
    ({"instruction": "<image>", "output": "a"}, "image_count"),
    ({**asked("a.png"), "output": "<image>"}, "image_count"),
    ({**asked("a.png"), "output": "<video>"}, "other_mark"),
    ({**asked("a.png"), "videos": ["a.mp4"]}, "media"),
    ({**asked("a.png"), "audios": ["a.mp3"]}, "media"),
    ({**asked("a.png"), "images": [5]}, "wrong_type"),
    ({**asked("a.png"), "images": {"path": "a.png"}}, "wrong_type"),
]
HOSTILE_CHATS: list[tuple[dict[str, Any], str]] = [
    (
        {
            "messages": [
                {"role": "user", "content": [PART]},
                {"role": "assistant", "content": "a"},
            ],
            "images": ["a.png"],
        },
        "pictures_twice",
    ),
    (
        {
            "messages": [{"role": "user", "content": "q"}],
            "chosen": {"role": "assistant", "content": [PART]},
            "rejected": {"role": "assistant", "content": "a"},
        },
        "picture_in_answer",
    ),
    (
        {
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": {}}]},
                {"role": "assistant", "content": "a"},
            ]
        },
        "missing_field",
    ),
]


def locked(whole: bytes) -> bytes:
    """As if it had a password."""
    content = bytearray(whole)
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = content.find(mark)
        while start >= 0:
            content[start + place] |= 1
            start = content.find(mark, start + 4)
    return bytes(content)


def damaged(whole: bytes) -> bytes:
    """One byte of the first file is another."""
    content = bytearray(whole)
    content[45] ^= 0xFF
    return bytes(content)


def boasting(whole: bytes) -> bytes:
    """Its end promises a longer list of files than anybody's."""
    content = bytearray(whole)
    end = content.rfind(b"PK\x05\x06")
    content[end + 12 : end + 16] = (2**31).to_bytes(4, "little")
    return bytes(content)


OPENAI = {
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Compare"},
                {"type": "image_url", "image_url": {"url": "a.png"}},
                {"type": "image_url", "image_url": {"url": "b.png"}},
                {"type": "text", "text": "these."},
                {"type": "text", "text": "Briefly."},
            ],
        },
        {"role": "assistant", "content": "Red and blue."},
    ]
}
TURNS = [{"from": "human", "value": "<image>What?"}, {"from": "gpt", "value": "Red."}]
PAIR = {"instruction": "<image>Which?", "chosen": "Red.", "rejected": "Blue.", "images": ["a.png"]}
# A good record of every format that may have pictures.
EVERY_FORMAT: list[tuple[dict[str, Any], str]] = [
    (OPENAI, "openai"),
    ({"conversations": TURNS, "images": ["a.png"]}, "sharegpt"),
    ({"conversations": TURNS, "images": "a.png"}, "sharegpt"),
    (PAIR, "preference"),
    ({**asked("a.png"), "kto_tag": True}, "kto"),
    (
        {
            "conversations": TURNS[:1],
            "chosen": {"from": "gpt", "value": "Red."},
            "rejected": {"from": "gpt", "value": "Blue."},
            "images": ["a.png"],
        },
        "preference",
    ),
]
