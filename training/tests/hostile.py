"""Files that are wrong in every way files are, with the verdict each must get.

Line numbers are those an editor shows. `theirs` is what LLaMA-Factory makes of the file as it is,
where that does not follow from the verdict: the records it takes, or "stops".
"""

import gzip
import io
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from training.tests.bundles import asked, boasting, bundle, damaged, locked, packed, picture

OK = {"instruction": "q", "output": "a"}
LINE = json.dumps(OK)
MIB = 1024 * 1024


@dataclass(frozen=True)
class Hostile:
    title: str
    file_name: str
    content: bytes
    records: int = 0
    rejected: tuple[tuple[int, str], ...] = ()
    refusal: str = ""
    place: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    theirs: int | str | None = None

    @property
    def is_json(self) -> bool:
        return self.file_name.endswith((".json", ".jsonl"))


def lines(*rows: object, end: str = "\n") -> bytes:
    return end.join(row if isinstance(row, str) else _json(row) for row in rows).encode()


def _json(row: object) -> str:
    """As it is read; half a pair of surrogates can only be written as an escape."""
    text = json.dumps(row, ensure_ascii=False)
    return json.dumps(row) if re.search("[\ud800-\udfff]", text) else text


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return file.getvalue()


def turns(*roles: str) -> list[dict[str, str]]:
    return [{"from": role, "value": role} for role in roles]


PRETTY = json.dumps([OK, {**OK, "output": 5}, OK, {"instruction": "q"}, OK], indent=2).encode()
CHINESE = lines({"instruction": "你好，世界", "output": "好"}, OK)
TABLE = "instruction,output\n"
WIDE = "{" + ",".join(f'"c{n}": 1' for n in range(300)) + "," + LINE[1:]

JSON_RECORDS = [
    Hostile("a byte order mark", "a.json", b"\xef\xbb\xbf" + lines(OK, OK), 2),
    Hostile("Windows line ends", "a.jsonl", lines(OK, OK, OK, end="\r\n"), 3),
    Hostile("line ends of two kinds", "a.jsonl", f"{LINE}\r\n{LINE}\n\r\n{LINE}".encode(), 3),
    Hostile("blank lines and blanks", "a.jsonl", f"\n\n  {LINE}  \n\t\n{LINE}\n\n".encode(), 2),
    Hostile("no line end at the end", "a.jsonl", lines(OK, OK), 2),
    Hostile("lines called an array", "a.json", lines(OK, OK), 2),
    Hostile("an array called lines", "a.jsonl", lines([OK, OK]), 2),
    Hostile(
        "an indented array",
        "a.json",
        PRETTY,
        3,
        ((6, "wrong_type"), (14, "missing_field")),
    ),
    Hostile(
        "a broken line", "a.jsonl", lines(OK, '{"instruction": ', OK), 2, ((2, "broken_line"),)
    ),
    Hostile(
        "a record over two lines",
        "a.jsonl",
        lines(OK, '{"instruction": "q",', '"output": "a"}', OK),
        2,
        ((2, "broken_line"), (3, "broken_line")),
        # Arrow reads on over the end of a line, which JSON lines are not to do.
        theirs=3,
    ),
    Hostile(
        "two records on a line",
        "a.jsonl",
        lines(OK, LINE + LINE, OK),
        2,
        ((2, "broken_line"),),
        theirs=4,
    ),
    Hostile("a comma after each line", "a.jsonl", lines(LINE + ",", OK), 1, ((1, "broken_line"),)),
    Hostile("single quotation marks", "a.jsonl", lines(OK, str(OK), OK), 2, ((2, "broken_line"),)),
    Hostile(
        "a line of something else", "a.jsonl", lines(OK, "<html>", OK), 2, ((2, "broken_line"),)
    ),
    Hostile("cut off in the last line", "a.jsonl", lines(OK, OK)[:-7], 1, ((2, "broken_line"),)),
    Hostile(
        "values that are no objects",
        "a.jsonl",
        lines(OK, "5", "null", "[]", '"x"', OK),
        2,
        ((2, "not_object"), (3, "not_object"), (4, "not_object"), (5, "not_object")),
    ),
    Hostile(
        "NaN in an answer",
        "a.jsonl",
        lines(OK, '{"instruction": "q", "output": NaN}', OK),
        2,
        ((2, "wrong_type"),),
    ),
    Hostile("NaN where nobody looks", "a.jsonl", lines('{"x": NaN, ' + LINE[1:], OK), 2),
    Hostile(
        "5,000 digits where nobody looks",
        "a.jsonl",
        lines(OK, '{"n": ' + "9" * 5000 + ", " + LINE[1:], OK),
        3,
    ),
    Hostile(
        "5,000 digits in an answer",
        "a.jsonl",
        lines(OK, '{"instruction": "q", "output": ' + "9" * 5000 + "}", OK),
        2,
        ((2, "wrong_type"),),
    ),
    Hostile(
        "the same key twice", "a.jsonl", lines('{"output": 5, ' + LINE[1:], OK), 2, theirs="stops"
    ),
    Hostile("300 columns", "a.jsonl", lines(OK, WIDE, OK), 3),
    Hostile(
        "a zero character", "a.jsonl", lines({**OK, "output": "a\0b"}, OK), 1, ((1, "unstorable"),)
    ),
    Hostile(
        "half a pair",
        "a.jsonl",
        lines('{"instruction": "q", "output": "\\ud83d"}', OK),
        1,
        ((1, "unstorable"),),
    ),
    Hostile(
        "a whole pair", "a.jsonl", lines('{"instruction": "q", "output": "\\ud83d\\ude00"}', OK), 2
    ),
    Hostile(
        "odd line separators in a text",
        "a.jsonl",
        lines({**OK, "output": "a\u2028b\u2029c\x85d\x0be"}, OK),
        2,
    ),
    Hostile(
        "texts that override direction",
        "a.jsonl",
        lines({**OK, "output": "\u202eabc\u2066"}, OK),
        2,
    ),
    Hostile(
        "a record of 3 MiB",
        "a.jsonl",
        lines(OK, {**OK, "output": "x" * 3 * MIB}, OK),
        2,
        ((2, "too_long"),),
    ),
    Hostile(
        "other types",
        "a.jsonl",
        lines(
            OK,
            {**OK, "output": 5},
            {**OK, "output": ["a"]},
            {**OK, "output": {"a": 1}},
            {**OK, "output": True},
            OK,
        ),
        2,
        ((2, "wrong_type"), (3, "wrong_type"), (4, "wrong_type"), (5, "wrong_type")),
    ),
    Hostile(
        "null and missing answers",
        "a.jsonl",
        lines(OK, {**OK, "output": None}, {"instruction": "q"}, OK),
        2,
        ((2, "missing_field"), (3, "missing_field")),
    ),
    Hostile(
        "empty answers",
        "a.jsonl",
        lines(OK, {**OK, "output": ""}, {**OK, "output": " \n"}, OK),
        2,
        ((2, "empty"), (3, "empty")),
    ),
    Hostile(
        "a history that is none",
        "a.jsonl",
        lines({**OK, "history": [["q", "a"]]}, {**OK, "history": [["q"]]}, OK),
        2,
        ((2, "history_invalid"),),
    ),
    Hostile("dates as some answers", "a.jsonl", lines({**OK, "output": "2024-01-01"}, OK), 2),
    Hostile(
        "numbers as texts", "a.jsonl", lines({**OK, "output": "5"}, {**OK, "output": "1e9"}), 2
    ),
    Hostile(
        "pictures that are not there",
        "a.jsonl",
        lines(OK, {**OK, "images": ["a.png"]}, OK),
        2,
        ((2, "picture_no_zip"),),
    ),
    Hostile("videos", "a.jsonl", lines(OK, {**OK, "videos": ["a.mp4"]}, OK), 2, ((2, "media"),)),
    Hostile(
        "formulas and markup",
        "a.jsonl",
        lines(
            {**OK, "output": "=cmd|' /C calc'!A0"}, {**OK, "output": "<script>alert(1)</script>"}
        ),
        2,
    ),
    Hostile(
        "placeholders of templates",
        "a.jsonl",
        lines({**OK, "output": "{{ x }} {% y %} <|im_end|>"}),
        1,
    ),
    Hostile(
        "turns out of order",
        "a.jsonl",
        lines(
            {"conversations": turns("human", "gpt")},
            {"conversations": turns("human", "human", "gpt")},
            {"conversations": turns("gpt", "human")},
            {"conversations": turns("human")},
            {"conversations": []},
            {"conversations": turns("human", "bot")},
        ),
        1,
        (
            (2, "role_order"),
            (3, "role_order"),
            (4, "no_answer"),
            (5, "no_turns"),
            (6, "unknown_role"),
        ),
    ),
    Hostile(
        "turns without text",
        "a.jsonl",
        lines(
            {"conversations": turns("human", "gpt")},
            {"conversations": [{"from": "human"}, *turns("gpt")]},
        ),
        1,
        ((2, "turn_missing_field"),),
    ),
    Hostile(
        "broken tools",
        "a.jsonl",
        lines(
            {"conversations": turns("human", "gpt"), "tools": ""},
            {"conversations": turns("human", "gpt"), "tools": "search"},
        ),
        1,
        ((2, "tools_invalid"),),
    ),
    Hostile(
        "a call that is no JSON",
        "a.jsonl",
        lines(
            {"conversations": turns("human", "gpt")},
            {"conversations": turns("human", "function_call")},
        ),
        1,
        ((2, "call_invalid"),),
    ),
    Hostile(
        "pairs with one answer",
        "a.jsonl",
        lines(
            *[{"instruction": "q", "chosen": "a", "rejected": "b"}] * 2,
            {"instruction": "q", "chosen": "a"},
        ),
        2,
        ((3, "missing_field"),),
    ),
    Hostile(
        "verdicts that are words",
        "a.jsonl",
        lines({**OK, "kto_tag": True}, {**OK, "kto_tag": "yes"}, {**OK, "kto_tag": False}),
        2,
        ((2, "wrong_type"),),
    ),
    Hostile(
        "a conversation without an answer among verdicts",
        "a.jsonl",
        lines(
            {"conversations": turns("human", "gpt"), "kto_tag": True},
            {"conversations": turns("human"), "kto_tag": True},
            {"conversations": turns("human", "gpt"), "kto_tag": False},
        ),
        2,
        ((2, "no_answer"),),
    ),
]
JSON_FILES = [
    Hostile("nothing", "a.jsonl", b"", refusal="empty_file"),
    Hostile("blanks", "a.json", b" \n\n\t", refusal="empty_file"),
    Hostile("only a byte order mark", "a.json", b"\xef\xbb\xbf", refusal="empty_file"),
    Hostile("an empty array", "a.json", b"[]", refusal="no_records"),
    Hostile(
        "a comma too many",
        "a.json",
        b"[\n" + LINE.encode() + b",\n]",
        refusal="broken_json",
        place={"line": 3, "column": 1},
    ),
    Hostile(
        "a comma too few",
        "a.json",
        lines("[", OK, OK, "]"),
        refusal="broken_json",
        place={"line": 3, "column": 1},
    ),
    Hostile("no closing bracket", "a.json", lines("[", LINE + ",", OK), refusal="broken_json"),
    Hostile(
        "no closing quotation mark",
        "a.json",
        lines("[", LINE + ",", '{"instruction": "q]'),
        refusal="cut_off",
        place={"line": 3, "column": 1},
    ),
    Hostile(
        "a word instead of a value",
        "a.json",
        lines("[", '{"instruction": q}', "]"),
        refusal="broken_json",
        place={"line": 2, "column": 17},
    ),
    Hostile(
        "comments",
        "a.json",
        lines("[ // first", OK, "]"),
        refusal="broken_json",
        place={"line": 1, "column": 3},
    ),
    Hostile(
        "an indented object",
        "a.json",
        json.dumps(OK, indent=1).encode(),
        refusal="single_object",
        theirs=1,
    ),
    Hostile(
        "records inside of an object",
        "a.json",
        lines({"data": [OK, OK]}),
        refusal="wrapped",
        place={"field": "data"},
    ),
    Hostile(
        "other columns",
        "a.json",
        lines([{"question": "q", "answer": "a"}]),
        refusal="wrong_columns",
    ),
    Hostile("only numbers", "a.json", b"[1, 2, 3]", refusal="no_valid_records"),
    Hostile(
        "no good record",
        "a.jsonl",
        lines({**OK, "output": 1}, {**OK, "output": 2}),
        refusal="no_valid_records",
    ),
    Hostile(
        "nothing but dates",
        "a.jsonl",
        lines(*[{**OK, "output": f"2024-01-0{n}"} for n in (1, 2)]),
        refusal="only_times",
    ),
    Hostile(
        "GBK",
        "a.jsonl",
        lines(OK, "x").replace(b"x", "你好".encode("gbk")),
        refusal="encoding",
        place={"encoding": "GBK", "line": 2},
    ),
    Hostile(
        "UTF-16",
        "a.json",
        CHINESE.decode().encode("utf-16"),
        refusal="encoding",
        place={"encoding": "UTF-16", "line": 1},
    ),
    Hostile(
        "UTF-16 without a mark",
        "a.json",
        CHINESE.decode().encode("utf-16-le"),
        refusal="encoding",
        place={"encoding": "UTF-16"},
    ),
    Hostile(
        "UTF-32",
        "a.json",
        CHINESE.decode().encode("utf-32"),
        refusal="encoding",
        place={"encoding": "UTF-32"},
    ),
    Hostile(
        "half a character",
        "a.jsonl",
        lines(OK) + b'\n{"instruction": "\xe4\xbd"}',
        refusal="encoding",
        place={"line": 2},
    ),
    Hostile(
        "a spreadsheet called JSON",
        "a.json",
        _zip(),
        refusal="not_text",
        place={"found": "Excel or ZIP"},
    ),
    Hostile(
        "compressed",
        "a.jsonl",
        gzip.compress(LINE.encode()),
        refusal="not_text",
        place={"found": "gzip"},
        theirs=1,
    ),
    Hostile(
        "a web page",
        "a.json",
        b"<!DOCTYPE html>\n<html></html>",
        refusal="broken_json",
        place={"line": 1, "column": 1},
    ),
    Hostile(
        "one line of 3 MiB that never ends",
        "a.json",
        b'[{"instruction": "' + b"x" * 3 * MIB,
        refusal="cut_off",
        place={"line": 1, "column": 2},
    ),
]
TABLES = [
    Hostile(
        "Windows line ends inside of cells",
        "a.csv",
        b'instruction,output\r\n"a\r\nb",c\r\nd,\r\n',
        1,
        ((4, "empty"),),
    ),
    Hostile(
        "cells too many and too few",
        "a.csv",
        f"{TABLE}q,a\nq,a,b\nq\n".encode(),
        1,
        ((3, "cell_count"), (4, "cell_count")),
    ),
    Hostile(
        "a quotation mark in the middle",
        "a.csv",
        f'{TABLE}"a"b,c\nq,"say ""hi"""\n'.encode(),
        1,
        ((2, "stray_quote"),),
    ),
    Hostile("semicolons and a mark", "a.csv", b"\xef\xbb\xbfinstruction;output\nq;1,5\n", 1),
    Hostile("tabs", "a.tsv", b"instruction\toutput\nq\ta, b\n", 1),
    Hostile(
        "GBK, and it is said",
        "a.csv",
        f"{TABLE}你好,好\n".encode("gbk"),
        1,
        options={"encoding": "gb18030"},
    ),
    Hostile(
        "UTF-16 as Excel writes it, and it is said",
        "a.csv",
        "instruction\toutput\n你好\t好\n".encode("utf-16"),
        1,
        options={"encoding": "utf-16"},
    ),
    Hostile(
        "NaN, NA and null as words", "a.csv", f"{TABLE}NaN,NA\nnull,None\n007,1e5\n".encode(), 3
    ),
    Hostile(
        "Parquet called CSV",
        "a.csv",
        b"PAR1\x15\x04\x15\x18\x15\x1cL\x15\x06\x15\x00\x12\x00\x00PAR1",
        refusal="not_text",
    ),
    Hostile("nothing at all", "a.csv", b"", refusal="empty_file"),
    Hostile(
        "formulas in cells, after a blank row",
        "a.csv",
        f'{TABLE}\n=1+1,"@SUM(A1)"\n-q,+a\n=q,\n'.encode(),
        2,
        ((5, "empty"),),
    ),
    Hostile("only a header", "a.csv", TABLE.encode(), refusal="no_records"),
    Hostile(
        "a header twice", "a.csv", b"instruction,output,output\nq,a,b\n", refusal="header_twice"
    ),
    Hostile(
        "a column without a name",
        "a.csv",
        b"instruction,output,\nq,a,\n",
        refusal="header_empty",
        place={"column": 3},
    ),
    Hostile(
        "a quotation mark that never closes",
        "a.csv",
        f'{TABLE}q,a\nq,"a\nq,a\n'.encode() * 1,
        refusal="open_quote",
        place={"line": 3},
    ),
    Hostile(
        "a row of a million cells",
        "a.csv",
        b"," * 1_000_000 + b"\nq,a\n",
        refusal="too_many_columns",
    ),
    Hostile(
        "GBK",
        "a.csv",
        f"{TABLE}你好,好\n".encode("gbk"),
        refusal="encoding",
        place={"encoding": "GBK", "line": 2},
    ),
    Hostile(
        "another encoding than is said",
        "a.csv",
        f"{TABLE}q,a\n".encode() + b"\xff\xff\n",
        refusal="decoding",
        place={"encoding": "Big5"},
        options={"encoding": "big5"},
    ),
    Hostile("a spreadsheet called CSV", "a.csv", _zip(), refusal="not_text"),
    Hostile(
        "a zero character in a cell",
        "a.csv",
        f"{TABLE}q,a\0b\nq,a\n".encode(),
        1,
        ((2, "unstorable"),),
    ),
    Hostile(
        "a cell of 3 MiB",
        "a.csv",
        f"{TABLE}q,{'x' * 3 * MIB}\nq,a\n".encode(),
        1,
        ((2, "too_long"),),
    ),
]
TEXTS = [
    Hostile("paragraphs of three systems", "a.txt", b"one\r\none\r\n\r\ntwo\r\rthree\n\n\nfour", 4),
    Hostile("a zero character", "a.txt", b"one\n\nt\0wo\n\nthree", 2, ((3, "unstorable"),)),
    Hostile(
        "a paragraph of 3 MiB",
        "a.txt",
        b"one\n\n" + b"word " * 629_146 + b"\n\nthree",
        2,
        ((3, "too_long"),),
    ),
    Hostile(
        "one solid line, in blocks",
        "a.txt",
        b"x" * 250,
        3,
        options={"split": "blocks", "block_chars": 100},
    ),
    Hostile("nothing but blank lines", "a.txt", b"\n \n\t\n", refusal="empty_file"),
    Hostile(
        "a PDF called text", "a.txt", b"%PDF-1.7\n", refusal="not_text", place={"found": "PDF"}
    ),
    Hostile(
        "Shift-JIS",
        "a.txt",
        "日本語のテキスト。これはテストです".encode("shift_jis"),
        refusal="encoding",
        place={"line": 1},
    ),
]
# The trainer would take minutes over them.
SLOW = [
    Hostile(
        "10,000 levels",
        "a.jsonl",
        lines(OK, '{"x": ' + "[" * 10_000 + "]" * 10_000 + ", " + LINE[1:], OK),
        2,
        ((2, "too_deep"),),
    ),
    Hostile(
        "40,000 columns",
        "a.jsonl",
        lines(OK, "{" + ", ".join(f'"c{n}": 1' for n in range(40_000)) + "}"),
        1,
        ((2, "missing_field"),),
    ),
]
PICTURE = {"a.png": picture()}
SHOWN = bundle([asked("a.png")], PICTURE)
ZIPS = [
    Hostile("a ZIP that is none", "a.zip", lines(OK), refusal="zip_broken"),
    Hostile("a ZIP that is cut off", "a.zip", SHOWN[:-30], refusal="zip_broken"),
    Hostile("a ZIP whose records are damaged", "a.zip", damaged(SHOWN), refusal="zip_broken"),
    Hostile("a ZIP with a password", "a.zip", locked(SHOWN), refusal="zip_encrypted"),
    Hostile("a list of files of 2 GiB", "a.zip", boasting(SHOWN), refusal="zip_too_many"),
    Hostile("pictures alone", "a.zip", packed(PICTURE), refusal="zip_no_data"),
    Hostile("a workbook called ZIP", "a.zip", _zip(), refusal="zip_no_data"),
    Hostile(
        "two files of records",
        "a.zip",
        packed({"a.json": b"[]", "b/c.csv": b""}),
        refusal="zip_two_data",
        place={"names": "a.json, b/c.csv"},
    ),
    Hostile(
        "a ZIP bomb",
        "a.zip",
        bundle([asked("a.png")], {"a.png": bytes(80 * MIB)}),
        refusal="zip_bomb",
    ),
    Hostile("an empty file in a ZIP", "a.zip", packed({"a.json": b""}), refusal="empty_file"),
    Hostile("a ZIP in a ZIP", "a.zip", packed({"a.json": SHOWN}), refusal="not_text"),
    Hostile(
        "paths out of a ZIP",
        "a.zip",
        packed({"a.jsonl": lines(asked("a.png"), asked("../a.png")), **PICTURE, "../a.png": b""}),
        1,
        ((2, "picture_escapes"),),
    ),
    Hostile(
        "texts in a ZIP with pictures",
        "a.zip",
        packed({"a.jsonl": lines(OK, asked("a.png"), {**OK, "output": "<image>"}), **PICTURE}),
        2,
        ((3, "image_count"),),
    ),
]
HOSTILE = [*JSON_RECORDS, *JSON_FILES, *SLOW, *TABLES, *TEXTS, *ZIPS]
