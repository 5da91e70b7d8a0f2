"""Pages of a PDF as people see them, and where on them a passage is."""

import io
from contextlib import closing
from pathlib import Path

import pypdfium2 as pdfium
import pytest
from PIL import Image

from knowledge.reading import Parsed, Reader, pages, pictures
from knowledge.reading.pictures import Place
from knowledge.tests import files

CHINESE = "机器学习是人工智能的一个分支，它研究计算机怎样模拟人类的学习行为，以获取新的知识或技能。"
ENGLISH = (
    "The quick brown fox jumps over the lazy dog while nobody of the household looks out of any of "
    "the windows, and so the afternoon passes without a word being said."
)


def read(path: Path) -> tuple[Parsed, Path]:
    with Reader() as reader:
        parsed = reader.read(path, path.name)
    text_file = path.with_suffix(".text")
    text_file.write_text(parsed.text, encoding="utf-8", newline="")
    return parsed, text_file


def within(path: Path, number: int, place: Place) -> str:
    """What pdfium itself finds there."""
    left, top, width, height = place
    with closing(pdfium.PdfDocument(path)) as document:
        page = document[number - 1]
        wide, high = page.get_size()
        text = page.get_textpage().get_text_bounded(
            left * wide, high - (top + height) * high, (left + width) * wide, high - top * high
        )
    assert isinstance(text, str)
    return text


@pytest.mark.parametrize(
    ("passage", "lines"),
    [("brown fox jumps", 1), (ENGLISH[40:140], 2), (CHINESE[10:40], 1), ((CHINESE * 3)[20:100], 3)],
)
def test_the_places_of_a_passage_hold_its_letters(tmp_path: Path, passage: str, lines: int) -> None:
    path = files.pdf(tmp_path, [f"Twice\n{ENGLISH}\n{CHINESE * 3}"] * 3)
    parsed, text_file = read(path)
    start = parsed.text.index(passage, parsed.pages[1])
    found = pictures.places(path, text_file, 2, (start, start + len(passage)))
    shown = [within(path, 2, place).strip() for place in found]
    assert "".join(shown).replace(" ", "") == passage.replace(" ", "")
    assert len(found) == lines


def test_a_passage_over_two_pages_has_places_on_both(tmp_path: Path) -> None:
    path = files.pdf(tmp_path, ["The first page.", "The second page."])
    parsed, text_file = read(path)
    whole = (4, len(parsed.text) - 6)
    shown = [
        [
            within(path, number, place).strip()
            for place in pictures.places(path, text_file, number, whole)
        ]
        for number in (1, 2, 3)
    ]
    assert shown == [["first page."], ["The second"], []]


def test_every_letter_is_where_it_is_drawn(tmp_path: Path) -> None:
    path = files.pdf(tmp_path, [f"{ENGLISH}\n{CHINESE}"])
    parsed, _text_file = read(path)
    for at, letter in enumerate(parsed.text):
        if letter.isspace():
            continue
        (place,) = pages.places(path, 1, at, at + 1)
        assert letter in within(path, 1, place)


def test_a_page_is_drawn(tmp_path: Path) -> None:
    path = files.pdf(tmp_path, [ENGLISH, CHINESE])
    picture = pictures.drawn(path, 2, 300)
    assert picture is not None
    with Image.open(io.BytesIO(picture)) as image:
        assert image.format == "PNG"
        assert image.width == 300
        assert len(image.convert("L").getcolors()) > 2


def test_no_picture_of_what_is_no_page(tmp_path: Path) -> None:
    assert pictures.drawn(files.pdf(tmp_path, [ENGLISH]), 2, 300) is None
    assert pictures.drawn(files.written(tmp_path, b"text", "a.pdf"), 1, 300) is None
