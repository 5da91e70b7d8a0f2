"""Chinese PDFs whose fonts are not in the file, on machines that have none either."""

import io
import struct
from pathlib import Path

from PIL import ImageFont

from knowledge.reading import fonts, pages, pdf
from knowledge.tests import files

LINE = "梯度下降法"


def test_the_font_is_one_that_others_read_too() -> None:
    square = ImageFont.truetype(io.BytesIO(fonts.font()), 100)
    assert square.getlength("一") == square.getlength("𠀀") == 100
    assert square.getbbox("一", anchor="ls") == (0, -85, 100, 9)
    assert square.getlength("l") == square.getlength("ｱ") == 20


def test_the_font_says_where_its_tables_are() -> None:
    content = fonts.font()
    count = struct.unpack(">H", content[4:6])[0]
    for at in range(12, 12 + 16 * count, 16):
        tag, _sum, start, length = struct.unpack(">4sIII", content[at : at + 16])
        assert start % 4 == 0 and start + length <= len(content), tag


def test_lines_that_say_the_same_are_all_read(tmp_path: Path) -> None:
    path = files.pdf(tmp_path, ["\n".join([LINE] * 5)])
    assert pdf.load(path).text.count(LINE) == 5


def test_drawing_in_between_changes_nothing(tmp_path: Path) -> None:
    path = files.pdf(tmp_path, ["\n".join([f"{LINE}，and English."] * 5)])
    before = pdf.load(path), pages.places(path, 1, 2, 12)
    drawn = tmp_path / "page.png"
    pictures = set()
    for _time in range(3):
        pages.draw(path, 1, 200, drawn)
        pictures.add(drawn.read_bytes())
        assert (pdf.load(path), pages.places(path, 1, 2, 12)) == before
    assert len(pictures) == 1
    assert len(before[1]) == 1
