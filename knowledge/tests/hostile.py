"""Files that are made to harm who reads them, small ones."""

import stat
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

from reportlab.pdfgen.canvas import Canvas

from knowledge.tests import files

CATALOG = b"<</Type/Catalog/Pages 2 0 R>>"
ONE_PAGE = b"<</Type/Pages/Count 1/Kids[3 0 R]>>"
PAGE = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 4 0 R/Resources 5 0 R>>"
FONT = b"<</Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>"
SAYS_HELLO = b"BT /F 12 Tf 9 9 Td (hello) Tj ET"
SECRET = '<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


def raw_pdf(folder: Path, objects: Sequence[bytes], name: str, before: bytes = b"") -> Path:
    written, begins = before + b"%PDF-1.7\n", []
    for number, content in enumerate(objects, start=1):
        begins.append(len(written))
        written += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    rows = b"".join(b"%010d 00000 n \n" % begin for begin in begins)
    size = len(objects) + 1
    end = b"xref\n0 %d\n0000000000 65535 f \n%btrailer<</Root 1 0 R/Size %d/Prev %d>>\n" % (
        *(size, rows, size),
        len(written),  # a table of references that is before itself
    )
    return files.written(folder, written + end + b"startxref\n%d\n%%%%EOF" % len(written), name)


def stream(content: bytes, entries: bytes = b"") -> bytes:
    packed = zlib.compress(content, 9)
    head = b"<</Length %d/Filter/FlateDecode%b>>" % (len(packed), entries)
    return head + b"stream\n" + packed + b"\nendstream"


def many_pages(folder: Path) -> Path:
    pages = b"<</Type/Pages/Count 10001/Kids[%b]>>" % (b"3 0 R " * 10_001)
    return raw_pdf(folder, [CATALOG, pages, PAGE, stream(SAYS_HELLO), FONT], "many.pdf")


def pages_in_a_circle(folder: Path) -> Path:
    pages = b"<</Type/Pages/Count 5/Kids[2 0 R 2 0 R]/Parent 2 0 R>>"
    return raw_pdf(folder, [CATALOG, pages], "circle.pdf")


def outline_in_a_circle(folder: Path) -> Path:
    catalog = b"<</Type/Catalog/Pages 2 0 R/Outlines 6 0 R>>"
    outline = b"<</First 7 0 R/Last 7 0 R>>"
    item = b"<</Title(a)/Next 7 0 R/First 7 0 R/Parent 6 0 R/Dest[3 0 R/Fit]>>"
    content = stream(SAYS_HELLO)
    return raw_pdf(folder, [catalog, ONE_PAGE, PAGE, content, FONT, outline, item], "outline.pdf")


def page_of_letters(folder: Path) -> Path:
    """A page with more letters than there is memory for."""
    lines = (b"1 0 0 1 0 %d Tm(%b)Tj\n" % (9 * line, b"a" * 90) for line in range(80_000))
    content = stream(b"BT /F 1 Tf\n" + b"".join(lines) + b"ET")
    return raw_pdf(folder, [CATALOG, ONE_PAGE, PAGE, content, FONT], "letters.pdf")


def long_work(folder: Path) -> Path:
    """Markdown that takes seconds."""
    return files.markdown(folder, "*a* `b`\n\n" * 1_500_000)


def polyglot(folder: Path) -> Path:
    page = b"<!DOCTYPE html><html><script>alert(1)</script></html>\n"
    objects = [CATALOG, ONE_PAGE, PAGE, stream(SAYS_HELLO), FONT]
    return raw_pdf(folder, objects, "poly.html", before=page)


def locked_pdf(folder: Path) -> Path:
    path = folder / "locked.pdf"
    canvas = Canvas(str(path), encrypt="secret")
    canvas.drawString(9, 9, "hello")
    canvas.save()
    return path


def _document(body: str, prolog: str = "") -> str:
    return f'{prolog}<w:document xmlns:w="{files.WORD}"><w:body>{body}</w:body></w:document>'


def _said(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def _docx(body: str, prolog: str = "") -> Callable[[Path], Path]:
    def docx(folder: Path) -> Path:
        return files.zipped(folder, {"word/document.xml": _document(body, prolog)}, "a.docx")

    return docx


bomb = _docx(_said("a" * 10_000_000))
fetching_docx = _docx(_said("&x;"), SECRET)
laughing_docx = _docx(_said("&l9;"), f'<!DOCTYPE x [<!ENTITY l0 "lol">{LAUGHS}]>')
deep_docx = _docx("<w:sdt>" * 999 + _said("x" * 999) + "</w:sdt>" * 999)


def many_members(folder: Path) -> Path:
    parts = {"word/document.xml": _document(""), **{f"{n}": "" for n in range(10_001)}}
    return files.zipped(folder, parts, "many.docx")


def linking(folder: Path) -> Path:
    path = _docx(_said("hello"))(folder)
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("word/link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    return path


def lying(folder: Path) -> Path:
    """Its directory says that the text has five bytes."""
    path = _docx(_said("hello" * 99))(folder)
    content = bytearray(path.read_bytes())
    at = content.rindex(b"PK\x01\x02")
    content[at + 24 : at + 28] = (5).to_bytes(4, "little")
    return files.written(folder, bytes(content), "lying.docx")


def cut_off(folder: Path) -> Path:
    content = files.docx(folder, [("", "hello")]).read_bytes()
    return files.written(folder, content[: len(content) // 2], "cut.docx")


def no_document(folder: Path) -> Path:
    return files.zipped(folder, {"a.py": "print()"}, "a.docx")


def _xlsx(folder: Path, sheet: str) -> Path:
    path = files.xlsx(folder, {"a": [["x"]]})
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    return files.zipped(folder, {**parts, "xl/sheet1.xml": sheet}, "a.xlsx")


def wide_sheet(folder: Path) -> Path:
    """Two cells with all that a sheet can have between them."""
    last = '<row r="1048576"><c r="XFD1048576"><v>2</v></c></row>'
    cells = f'<row r="1"><c r="A1"><v>1</v></c></row>{last}'
    sheet = f'<worksheet xmlns="{files.SHEET}"><sheetData>{cells}</sheetData></worksheet>'
    return _xlsx(folder, sheet)


def fetching_xlsx(folder: Path) -> Path:
    cell = '<row><c t="inlineStr"><is><t>a&x;b</t></is></c></row>'
    sheet = f'<worksheet xmlns="{files.SHEET}"><sheetData>{cell}</sheetData></worksheet>'
    return _xlsx(folder, SECRET + sheet)


def ole(folder: Path) -> Path:
    return files.written(folder, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(999), "old.docx")


def locked_docx(folder: Path) -> Path:
    content = ole(folder).read_bytes() + "EncryptedPackage".encode("utf-16-le")
    return files.written(folder, content, "locked.docx")


def deep_html(folder: Path) -> Path:
    return files.html(folder, "<div>" * 20_000 + "x")


def fetching_html(folder: Path) -> Path:
    return files.written(folder, f"{SECRET}<html><p>a &x; b</p></html>".encode(), "a.html")


def image(folder: Path) -> Path:
    return files.written(folder, b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "a.pdf")


def program(folder: Path) -> Path:
    return files.written(folder, b"\x7fELF\x02\x01\x01\x00" + bytes(99), "a.txt")


def nothing(folder: Path) -> Path:
    return files.written(folder, b"", "a.docx")


def broken_pdf(folder: Path) -> Path:
    return files.written(folder, b"%PDF-1.7\nnothing more", "a.pdf")


REFUSED: dict[Callable[[Path], Path], str] = {
    many_pages: "pdf_limits",
    pages_in_a_circle: "no_text",
    page_of_letters: "memory",
    locked_pdf: "pdf_encrypted",
    broken_pdf: "broken",
    bomb: "archive_bomb",
    many_members: "archive_bomb",
    linking: "archive_bomb",
    lying: "broken",
    cut_off: "broken",
    no_document: "unknown_type",
    fetching_docx: "broken",
    laughing_docx: "broken",
    deep_docx: "broken",
    fetching_xlsx: "broken",
    wide_sheet: "memory",
    ole: "old_office",
    locked_docx: "encrypted",
    deep_html: "broken",
    image: "unknown_type",
    program: "unknown_type",
    nothing: "empty",
}
READ: dict[Callable[[Path], Path], str] = {
    polyglot: "hello",
    outline_in_a_circle: "hello",
    fetching_html: "a &x; b",
}
