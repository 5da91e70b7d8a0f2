"""From files to chunks on one core: a generated file of every kind, read and cut.

Seconds are the processor's, of the stage alone in this process. Then a text of BENCH_TEXT_MB
through the child process, with what the child and this process take at most.
"""

import os
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple, TypeVar

import psutil

from knowledge.chunking import ChunkSettings, chunks_of
from knowledge.reading import Reader, loaders
from knowledge.tests import files

PAGES = int(os.environ.get("BENCH_PDF_PAGES", "500"))
TEXT_MEGABYTES = int(os.environ.get("BENCH_TEXT_MB", "200"))
SETTINGS = ChunkSettings(1000, 100)
ROUNDS = 3
SAMPLE_S = 0.01
CHINESE = (
    "机器学习是人工智能的一个分支，它研究计算机怎样模拟人类的学习行为。",
    "训练集、验证集和测试集的划分会影响模型的评估结果！",
    "如果数据中有重复的样本，应该怎样处理？",
    "第三章将讨论梯度下降法在二零二五年以来的各种改进，以及它们的收敛速度。",
)
ENGLISH = (
    "Machine learning studies how computers can learn from examples rather than from rules. ",
    "The split into training, validation and test data decides what a figure is worth. ",
    "What should happen to records that occur twice? ",
    "Chapter 3 discusses the variants of gradient descent since 2.0 and how fast they converge. ",
)
ROWS = [["编号", "name", "accuracy"], *([f"{n}", f"模型 {n}", f"0.{n}"] for n in range(50_000))]
# So many characters fill a page of A4 in the type that the PDF is set in.
CHINESE_PAGE, ENGLISH_PAGE = 2200, 3000

Result = TypeVar("Result")


class File(NamedTuple):
    what: str
    path: Path


def _prose(sentences: tuple[str, ...], chars: int, start: int = 0) -> str:
    """Paragraphs of eight sentences."""
    parts, length = [], 0
    for number, sentence in enumerate(islice(cycle(sentences), start, None), start=1):
        parts.append(f"{sentence.rstrip()}\n" if number % 8 == 0 else sentence)
        length += len(parts[-1])
        if length >= chars:
            break
    return "".join(parts)


def _pdf(folder: Path, name: str, sentences: tuple[str, ...], chars: int) -> Path:
    pages = [_prose(sentences, chars, start) for start in range(PAGES)]
    return files.pdf(folder, pages, name=name)


def _text(folder: Path, name: str, megabytes: int, encoding: str = "utf-8") -> Path:
    once = _prose((*CHINESE, *ENGLISH), 20_000).replace("\n", "\n\n").encode(encoding)
    return files.written(folder, once * (megabytes * 1024**2 // len(once)), name)


def _markdown(folder: Path) -> Path:
    table = "| name | value |\n|---|---|\n" + "| accuracy | 0.93 |\n" * 20
    part = f"## 一节 Section\n\n{_prose((*CHINESE, *ENGLISH), 4000)}\n\n{table}\n```\ncode\n```\n\n"
    return files.markdown(folder, "# Title\n\n" + part * 300, name="a.md")


def _html(folder: Path) -> Path:
    part = f"<h2>一节 Section</h2><p>{_prose((*CHINESE, *ENGLISH), 2000)}</p><ul><li>x</li></ul>"
    return files.html(folder, part * 1000)


def _word(folder: Path) -> Path:
    said = _prose((*CHINESE, *ENGLISH), 4000).split("\n")
    parts: list[tuple[str, str] | list[list[str]]] = []
    for number in range(500):
        parts.append(("Heading1", f"一节 Section {number}"))
        # What only repeats itself is refused: it unpacks to a hundred times its size.
        parts += [("", f"{random.random()} {each}") for each in said]
        parts.append(ROWS[20 * number : 20 * number + 20])
    return files.docx(folder, parts)


def _excel(folder: Path) -> Path:
    return files.xlsx(folder, {"样本": ROWS})


def _csv(folder: Path) -> Path:
    return files.written(folder, "".join(f"{','.join(row)}\n" for row in ROWS).encode(), "a.csv")


def _made(folder: Path) -> Iterator[File]:
    yield File("PDF, English", _pdf(folder, "en.pdf", ENGLISH, ENGLISH_PAGE))
    yield File("PDF, Chinese", _pdf(folder, "zh.pdf", CHINESE, CHINESE_PAGE))
    yield File("text, UTF-8", _text(folder, "a.txt", 20))
    yield File("text, GB 18030", _text(folder, "b.txt", 20, "gb18030"))
    yield File("Markdown", _markdown(folder))
    yield File("HTML", _html(folder))
    yield File("Word", _word(folder))
    yield File("Excel", _excel(folder))
    yield File("CSV", _csv(folder))


def _timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """The quickest of some rounds."""
    best = float("inf")
    for _round in range(ROUNDS):
        started = time.process_time()
        result = work()
        best = min(best, time.process_time() - started)
    return result, best


def _measure(file: File) -> None:
    parsed, read_s = _timed(lambda: loaders.load(file.path, file.path.name))
    chunks, cut_s = _timed(lambda: chunks_of(parsed, SETTINGS))
    size_mb = len(parsed.text.encode()) / 1024**2
    pages = f"{len(parsed.pages) / read_s:13,.0f}" if parsed.pages else " " * 13
    print(
        f"{file.what:16}{size_mb:8.1f}{len(chunks):9,}{pages}"
        f"{size_mb / read_s:11.1f}{size_mb / cut_s:10.1f}",
        flush=True,
    )


class _Watch:
    """The most that this process and the largest of its children took meanwhile, in MiB."""

    def __init__(self) -> None:
        self.own_mb = self.child_mb = 0.0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        own = psutil.Process()
        while not self._is_over.wait(SAMPLE_S):
            self.own_mb = max(self.own_mb, own.memory_info().rss / 1024**2)
            for child in own.children():
                try:
                    self.child_mb = max(self.child_mb, child.memory_info().rss / 1024**2)
                except psutil.Error:  # it has just ended
                    continue

    def __enter__(self) -> "_Watch":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_over.set()
        self._thread.join()


def _large(folder: Path) -> None:
    for what, encoding in (("UTF-8", "utf-8"), ("GB 18030", "gb18030")):
        path = _text(folder, "large.txt", TEXT_MEGABYTES, encoding)
        before = psutil.Process().memory_info().rss / 1024**2
        started = time.perf_counter()
        with Reader() as reader, _Watch() as watch:
            chars = len(reader.read(path, path.name).text)
        print(
            f"{TEXT_MEGABYTES} MB of {what}: {chars:,} characters in"
            f" {time.perf_counter() - started:.1f} s, the child takes {watch.child_mb:.0f} MiB,"
            f" this process {watch.own_mb - before:+.0f} MiB"
        )


def main() -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        print(f"{'':16}{'MB text':>8}{'chunks':>9}{'pages/s read':>13}{'MB/s read':>11}{'cut':>10}")
        for file in _made(folder):
            _measure(file)
        _large(folder)


if __name__ == "__main__":
    main()
