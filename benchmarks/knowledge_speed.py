"""The index in a folder with 100,000 chunks: vectors of 384 numbers, texts of 150 words, some rare
and some common. How fast it is filled, asked, opened again and compacted, what memory it
takes, and how long Python stands still for a question. BENCH_CHUNKS and BENCH_DIMENSION change the
sizes; BENCH_QUESTIONS may name a file of Chinese texts (see knowledge_quality) to cut into words.
"""

import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import numpy as np
import psutil

from benchmarks.knowledge_quality import questions
from knowledge.index import Condition, Filters, Operator, Point, Space, open_folder
from knowledge.index.embedded import Embedded
from knowledge.words import sparse, sparse_query, terms

CHUNKS = int(os.environ.get("BENCH_CHUNKS", "100000"))
DIMENSION = int(os.environ.get("BENCH_DIMENSION", "384"))
VOCABULARY = 100_000
CHUNK_WORDS = 150
CHUNKS_A_DOCUMENT = 20
ROUNDS = 300
SPACE = Space(UUID(int=1), DIMENSION)
ROOT = Path(__file__).resolve().parents[1]
RESTART = (
    "import json, sys, time; start = time.perf_counter();"
    "from benchmarks import knowledge_speed as b;"
    "imported = time.perf_counter(); index = b.open_folder(b.Path(sys.argv[1]));"
    "hits = b.ask(index); end = time.perf_counter();"
    "import psutil; memory = psutil.Process().memory_full_info();"
    "print(json.dumps([end - imported, len(hits), memory.uss / 1e6]))"
)

random = np.random.default_rng(7)


def vectors(count: int) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    found = random.normal(size=(count, DIMENSION)).astype(np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found


def texts(count: int, words: int) -> list[list[str]]:
    """As words of a language: the n-th most common one is n times as rare as the first."""
    numbers = (VOCABULARY ** random.random(size=(count, words))).astype(int)
    return [[f"w{number}" for number in row] for row in numbers.tolist()]


def points() -> Iterator[list[Point]]:
    for start in range(0, CHUNKS, 1000):
        dense, words = vectors(1000), texts(1000, CHUNK_WORDS)
        yield [
            Point(
                UUID(int=start + at),
                (start + at) // CHUNKS_A_DOCUMENT,
                sparse(words[at], average=CHUNK_WORDS),
                dense[at],
                {"kind": f"kind {at % 10}", "year": 2000 + at % 25, "file": f"{start + at}.pdf"},
            )
            for at in range(1000)
        ]


def fill(index: Embedded) -> None:
    process, before = psutil.Process(), psutil.Process().memory_info().rss
    took = 0.0
    for batch in points():
        start = time.perf_counter()
        index.put(SPACE, batch)
        took += time.perf_counter() - start
    start = time.perf_counter()
    index.set_cursor(SPACE, CHUNKS)
    kept = time.perf_counter() - start
    gc.collect()
    grown = (process.memory_info().rss - before) / 1e6
    print(f"| putting {CHUNKS:,} chunks | {CHUNKS / took:,.0f} a second |")
    print(f"| to disk | {kept:.2f} s |")
    print(f"| resident memory grows by (mapped files included) | {grown:.0f} MB |")


def ask(index: Embedded, *, filters: Filters | None = None, documents: int = 0) -> list[object]:
    chosen = list(range(documents)) if documents else None
    return [
        *index.search(
            SPACE,
            dense=vectors(1)[0],
            sparse=sparse_query(texts(1, 8)[0]),
            limit=10,
            filters=filters,
            documents=chosen,
        )
    ]


def asked(name: str, question: Callable[[], object]) -> None:
    took = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        question()
        took.append((time.perf_counter() - start) * 1e3)
    cuts = statistics.quantiles(took, n=20)
    print(f"| {name} | p50 {cuts[9]:.1f} ms, p95 {cuts[18]:.1f} ms |")


def only(field: str, operator: Operator, value: str | int) -> Filters:
    return Filters((Condition(field, operator, value),))


def ask_all(index: Embedded) -> None:
    asked("hybrid question", lambda: ask(index))
    kind = only("kind", Operator.IS, "kind 3")
    asked("with a filter that one in 10 passes", lambda: ask(index, filters=kind))
    recent = only("year", Operator.AT_LEAST, 2013)
    asked("one in 2 (a range)", lambda: ask(index, filters=recent))
    name = only("file", Operator.CONTAINS, "777")
    asked("a part of a name that each chunk has its own of", lambda: ask(index, filters=name))
    half = CHUNKS // CHUNKS_A_DOCUMENT // 2
    asked(f"{half:,} documents, half of all", lambda: ask(index, documents=half))
    asked("10 documents", lambda: ask(index, documents=10))


def standstill(index: Embedded) -> None:
    """The longest that another thread waited for its turn while questions were answered."""
    longest, is_over = 0.0, threading.Event()

    def watch() -> None:
        nonlocal longest
        before = time.perf_counter()
        while not is_over.is_set():
            time.sleep(0.0005)
            now = time.perf_counter()
            longest, before = max(longest, now - before), now

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(ROUNDS):
        ask(index)
    is_over.set()
    watcher.join()
    print(f"| longest standstill of another thread meanwhile | {longest * 1e3:.0f} ms |")


def restart(folder: Path) -> None:
    command = [sys.executable, "-c", RESTART, str(folder)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    seconds, hits, memory = json.loads(done.stdout)
    print(f"| a new process, to its first answer ({hits} hits) | {seconds:.2f} s |")
    print(f"| memory of its own (all of it, Python too) | {memory:.0f} MB |")


def compact(index: Embedded) -> None:
    """Beside the index that answers, as it begins by itself after many changes."""
    is_over = threading.Event()
    took: list[float] = []

    def ask_on() -> None:
        while not is_over.is_set():
            start = time.perf_counter()
            ask(index)
            took.append((time.perf_counter() - start) * 1e3)
            time.sleep(0.02)

    asking = threading.Thread(target=ask_on)
    asking.start()
    start = time.perf_counter()
    index.compact(SPACE)
    seconds = time.perf_counter() - start
    is_over.set()
    asking.join()
    cuts = statistics.quantiles(took, n=20)
    print(f"| compaction | {seconds:.1f} s |")
    print(
        f"| a question meanwhile | p50 {cuts[9]:.1f} ms, p95 {cuts[18]:.1f} ms, "
        f"slowest {max(took):.0f} ms |"
    )


def remove(index: Embedded) -> None:
    documents = range(0, CHUNKS // CHUNKS_A_DOCUMENT, 10)
    start = time.perf_counter()
    index.remove_documents(SPACE, documents)
    took = time.perf_counter() - start
    print(f"| removing {CHUNKS_A_DOCUMENT} chunks | {took / len(documents) * 1e3:.1f} ms |")


def cut() -> None:
    """Text to terms and weights, on one core."""
    pages = [each.read_text(encoding="utf-8") for each in sorted((ROOT / "docs").glob("*.md"))]
    kinds = {"English": "\n".join(pages)}
    chinese = os.environ.get("BENCH_QUESTIONS", "")
    if Path(chinese).is_file():
        kinds["Chinese"] = "\n".join(questions(Path(chinese))[0])
    for name, text in kinds.items():
        chunks = [text[at : at + 500] for at in range(0, len(text), 500)]
        rates = []
        for _ in range(7):
            start = time.process_time()
            for chunk in chunks:
                sparse(terms(chunk), average=200)
            rates.append(len(text.encode()) / 1e6 / (time.process_time() - start))
        print(f"| {name} into weighted terms | {statistics.median(rates):.1f} MB/s |")


def main() -> None:
    print(f"{CHUNKS:,} chunks, vectors of {DIMENSION} numbers", file=sys.stderr)
    print("| | |\n|---|---|")
    cut()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "index"
        index = open_folder(root)
        fill(index)
        for state in ("as it was put", "compacted"):
            print(f"| **{state}** | |")
            if state == "compacted":
                compact(index)
            ask_all(index)
            standstill(index)
            index.close()
            files = (each for each in root.rglob("*") if each.is_file())
            print(
                f"| on disk | {sum(each.stat().st_blocks * 512 for each in files) / 1e6:.0f} MB |"
            )
            restart(root)
        remove(index)
        index.close()


if __name__ == "__main__":
    main()
