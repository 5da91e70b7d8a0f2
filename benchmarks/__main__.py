"""`make bench`: runs every benchmark of this folder, or those named: `make bench ARGS=pages`. Words
after a name are for that benchmark: `make bench ARGS="gateway peers"`."""

import importlib
import sys
from pathlib import Path


def names() -> list[str]:
    here = Path(__file__).parent
    return sorted(file.stem for file in here.glob("*.py") if not file.stem.startswith("_"))


def chosen(words: list[str]) -> list[tuple[str, list[str]]]:
    """Each benchmark with the words that follow it."""
    found: list[tuple[str, list[str]]] = []
    for word in words:
        if word in names():
            found.append((word, []))
        elif found:
            found[-1][1].append(word)
        else:
            sys.exit(f"No benchmark named {word}; there are: {', '.join(names())}")
    return found or [(name, []) for name in names()]


def main(words: list[str]) -> None:
    for name, options in chosen(words):
        print(f"\n== {name} {' '.join(options)}".rstrip(), flush=True)
        module = importlib.import_module(f"benchmarks.{name}")
        unknown = set(options) - set(getattr(module, "OPTIONS", ()))
        if unknown:
            sys.exit(f"{name} knows no {', '.join(sorted(unknown))}")
        module.main(*options)


if __name__ == "__main__":
    main(sys.argv[1:])
