"""Does the search by words find the right paragraph? Chinese paragraphs and questions about them
(SQuAD layout, such as cmrc2018_trial.json; its path in BENCH_QUESTIONS), each paragraph a document:
recall@1 and MRR@10 of our index beside bm25s, once with our terms and once with bare jieba words.
Nothing here was tuned on the answers.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import bm25s
import rjieba

from knowledge.index import Point, Space, open_folder
from knowledge.words import sparse, sparse_query, terms

DEPTH = 10


def questions(path: Path) -> tuple[list[str], list[tuple[str, int]]]:
    """Paragraphs, and questions with the number of the paragraph they are about."""
    paragraphs: list[str] = []
    asked: list[tuple[str, int]] = []
    for article in json.loads(path.read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            asked += [(each["question"], len(paragraphs)) for each in paragraph["qas"]]
            paragraphs.append(paragraph["context"])
    return paragraphs, asked


def ours(paragraphs: list[str], folder: Path) -> Callable[[str], list[int]]:
    index, space = open_folder(folder), Space(UUID(int=1), 0)
    found = [terms(each) for each in paragraphs]
    average = sum(map(len, found)) / len(found)
    index.put(
        space,
        [
            Point(UUID(int=number), number, sparse(each, average=average))
            for number, each in enumerate(found)
        ],
    )

    def ranked(question: str) -> list[int]:
        hits = index.search(space, sparse=sparse_query(terms(question)), limit=DEPTH)
        return [hit.chunk.int for hit in hits]

    return ranked


def baseline(paragraphs: list[str], cut: Callable[[str], list[str]]) -> Callable[[str], list[int]]:
    index: Any = bm25s.BM25()  # type: ignore[no-untyped-call]
    index.index([cut(each) for each in paragraphs], show_progress=False)

    def ranked(question: str) -> list[int]:
        found, scores = index.retrieve([cut(question)], k=DEPTH, show_progress=False)
        return [int(each) for each, score in zip(found[0], scores[0], strict=True) if score > 0]

    return ranked


def measured(
    ranked: Callable[[str], list[int]], asked: list[tuple[str, int]]
) -> tuple[float, float]:
    """recall@1, MRR@10."""
    ranks = []
    for question, right in asked:
        found = ranked(question)
        ranks.append(1 + found.index(right) if right in found else 0)
    reciprocal = [1 / rank if rank else 0.0 for rank in ranks]
    return ranks.count(1) / len(ranks), sum(reciprocal) / len(ranks)


def main() -> None:
    path = os.environ.get("BENCH_QUESTIONS", "")
    if not Path(path).is_file():
        print("left out: BENCH_QUESTIONS names no file of questions")
        return
    paragraphs, asked = questions(Path(path))
    print(f"{len(paragraphs)} paragraphs, {len(asked)} questions", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        ways = {
            "our index": ours(paragraphs, Path(folder) / "index"),
            "bm25s, our terms": baseline(paragraphs, terms),
            "bm25s, jieba's words": baseline(paragraphs, rjieba.cut_for_search),
        }
        print("| | recall@1 | MRR@10 |\n|---|---|---|")
        for name, ranked in ways.items():
            recall, reciprocal = measured(ranked, asked)
            print(f"| {name} | {recall:.4f} | {reciprocal:.4f} |")


if __name__ == "__main__":
    main()
