from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.chunking import Chunk, ChunkSettings, chunks_of
from knowledge.reading import Parsed, markdown, plain
from llmplatform.encodings import BINARY

SMALL = ChunkSettings(60, 20)


def of_markdown(text: str, sizes: ChunkSettings = SMALL) -> list[Chunk]:
    return chunks_of(markdown.load(text.encode()), sizes)


def of_plain(text: str, sizes: ChunkSettings = SMALL) -> list[Chunk]:
    return chunks_of(plain.load(text.encode()), sizes)


def test_a_heading_begins_a_chunk_and_names_it() -> None:
    found = of_markdown("# Guide\n\nHello.\n\n## *Set up* #\n\nRun it.\n\n## Use\n\nLook.\n")
    assert [(each.text, each.headings) for each in found] == [
        ("# Guide\n\nHello.", ("Guide",)),
        ("## *Set up* #\n\nRun it.", ("Guide", "*Set up*")),
        ("## Use\n\nLook.", ("Guide", "Use")),
    ]


def test_a_heading_without_text_stays_with_the_lower_one() -> None:
    found = of_markdown("# A\n\n## B\n\ntext\n\n# C\n\n# D\n\nmore")
    assert [each.headings for each in found] == [("A", "B"), ("C",), ("D",)]


def test_long_text_is_cut_at_sentences_that_the_next_chunk_repeats() -> None:
    sentences = [
        "机器学习很有意思。",
        "今天天气很好！",
        "我们去公园吗？",
        "他说：“不去。”",
        "那算了；",
    ]
    text = "".join(sentences * 6)
    found = of_plain(text, ChunkSettings(40, 12))
    for each in found[:-1]:
        assert each.text.endswith(("。", "！", "？", "”", "；"))
    for before, after in pairwise(found):
        assert before.end - 12 <= after.start < before.end
        assert any(after.text.startswith(sentence) for sentence in sentences)


def test_a_number_does_not_end_a_sentence() -> None:
    found = of_plain("It costs 3.14 dollars now. It will cost 2.72 dollars then, we think.")
    assert [each.text for each in found] == [
        "It costs 3.14 dollars now.",
        "It will cost 2.72 dollars then, we think.",
    ]


def test_a_table_keeps_its_head_in_every_part() -> None:
    rows = "".join(f"| row {number} | {number * 7} |\n" for number in range(12))
    head = "| name | n |\n|---|---|\n"
    found = of_markdown(f"Before.\n\n{head}{rows}\nAfter.", ChunkSettings(80, 20))
    parts = [each for each in found if "row" in each.text]
    assert len(parts) > 2
    assert all(each.text.startswith(head) for each in parts)
    assert all(len(each.text) <= 80 for each in found)
    assert sum(each.text.count("| row") for each in found) == 12
    assert [each.text for each in found if "row" not in each.text] == ["Before.", "After."]


def test_a_table_that_fits_is_whole() -> None:
    table = "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |"
    found = of_markdown(f"Some words before it, which are long enough.\n\n{table}\n")
    assert table in [each.text for each in found]


def test_code_is_cut_between_lines() -> None:
    code = "```python\n" + "".join(f"value_{n} = {n} * {n}\n" for n in range(9)) + "```"
    found = of_markdown(code)
    assert len(found) > 2
    assert all(line in code.split("\n") for each in found for line in each.text.split("\n"))


def test_chunks_know_their_page() -> None:
    text = "One page.\n\fThe second.\n\fThe third page is here."
    parsed = plain.load(b"x")
    blocks = [
        parsed.blocks[0]._replace(start=start, end=end, page=page)
        for page, (start, end) in enumerate([(0, 9), (11, 22), (24, len(text))], start=1)
    ]
    found = chunks_of(Parsed(text, blocks, pages=[0, 11, 24]), ChunkSettings(25, 0))
    assert [(each.text, each.page) for each in found] == [
        ("One page.\n\nThe second.", 1),
        ("The third page is here.", 3),
    ]


def test_nothing_gives_no_chunk() -> None:
    assert chunks_of(Parsed("", []), SMALL) == []


LINES = st.sampled_from(
    [
        *("# One", "## Two", "### Three", "", "", "A short line.", "- item", "    code", "```"),
        *(
            "| a | b |",
            "|---|---|",
            "| 1 | 2 |",
            "> quoted",
            "\u3000\u3000中文的一段话。然后呢？好；",
        ),
        *(
            "word " * 40,
            "无标点" * 50,
            "x" * 200,
            "Two. Sentences! In one? Line… Yes.",
            "\tt",
            "---",
        ),
    ]
)
SIZES = st.builds(ChunkSettings, st.integers(1, 150), st.integers(0, 200))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(LINES, st.text(max_size=30)), max_size=40), SIZES, st.booleans())
def test_chunks_cover_all_text_in_order(
    lines: list[str], sizes: ChunkSettings, as_md: bool
) -> None:
    load = markdown.load if as_md else plain.load
    content = "\n".join(lines).encode("utf-8", errors="replace")
    parsed = Parsed(plain.clean(content.decode()), [])
    if not BINARY.search(content.decode()):
        parsed = load(content)
    assert_covering(parsed, sizes)


def assert_covering(parsed: Parsed, sizes: ChunkSettings) -> None:
    found = chunks_of(parsed, sizes)
    covered = 0
    for each in found:
        assert each.text == each.text.strip() or each.text != parsed.text[each.start : each.end]
        assert each.text.endswith(parsed.text[each.start : each.end].replace("\f", "\n"))
        assert 0 < len(each.text) <= sizes.chunk_chars
        assert not parsed.text[covered : each.start].strip() or each.start <= covered
        assert each.end > covered
        covered = each.end
    assert not parsed.blocks or not parsed.text[covered:].strip()
    starts = [each.start for each in found]
    assert starts == sorted(starts)
