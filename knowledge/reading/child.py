"""The process that takes strange files apart: `python -m knowledge.reading.child 60`.

An order is a line of JSON on its standard input, an answer one on its standard output. It has no
Django, little memory, so many seconds of the processor an order, and may die of any file.
"""

import contextlib
import json
import os
import resource
import sys
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from knowledge.reading import loaders, pages
from knowledge.reading.types import KINDS, Parsed, Unreadable

MEMORY_BYTES = 1024**3
FILE_BYTES = 1024**3
PIECE_CHARS = 1024**2

Order = dict[str, Any]


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin:
        _grant_time(int(sys.argv[1]))
        _say(answers, _answer(json.loads(line)))


def _grant_time(seconds: int) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    until = int(used.ru_utime + used.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (until, resource.RLIM_INFINITY))


def _say(answers: IO[str], answer: Order) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


def _answer(order: Order) -> Order:
    try:
        return {"done": ORDERS[order["do"]](order)}
    except Unreadable as problem:
        return {"code": problem.code, "params": problem.params}
    except MemoryError:
        return {"code": "memory", "params": {}}
    except OSError as error:  # of the disk, not of the file
        return {"errno": error.errno or 0, "why": error.strerror or ""}
    except Exception as error:  # noqa: BLE001  # strange files do anything to a loader
        return {"code": "broken", "params": {}, "why": type(error).__name__}


def _read(order: Order) -> Order:
    parsed = loaders.load(Path(order["path"]), order["name"])
    _keep(parsed, Path(order["into"]))
    return {
        "pages": list(parsed.pages),
        "title": parsed.title[:1000],
        "notes": [[note.code, dict(note.params)] for note in parsed.notes],
        "media_type": parsed.media_type,
    }


def _keep(parsed: Parsed, folder: Path) -> None:
    """Too large for a line: the text, and five numbers a block."""
    with (folder / "text").open("w", encoding="utf-8", newline="") as file:
        for at in range(0, len(parsed.text), PIECE_CHARS):
            file.write(parsed.text[at : at + PIECE_CHARS])
    numbers = array("q")
    for block in parsed.blocks:
        numbers.extend((KINDS.index(block.kind), *block[1:]))
    with (folder / "blocks").open("wb") as blocks:
        numbers.tofile(blocks)


def _draw(order: Order) -> bool:
    pages.draw(Path(order["path"]), order["page"], order["width"], Path(order["into"]))
    return True


def _places(order: Order) -> list[pages.Place]:
    return pages.places(Path(order["path"]), order["page"], order["start"], order["end"])


def _tell(_order: Order) -> Order:
    """What this process has of the one that started it."""
    return {
        "environment": sorted(os.environ),
        "modules": sorted(sys.modules),
        "memory_bytes": resource.getrlimit(resource.RLIMIT_AS)[0],
    }


ORDERS: dict[str, Callable[[Order], Any]] = {
    "read": _read,
    "draw": _draw,
    "places": _places,
    "tell": _tell,
}

if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        main()
