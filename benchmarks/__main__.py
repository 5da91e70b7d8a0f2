"""`make bench`: runs every benchmark of this folder, or those named: `make bench ARGS=pages`."""

import importlib
import sys
from pathlib import Path


def names() -> list[str]:
    here = Path(__file__).parent
    return sorted(file.stem for file in here.glob("*.py") if not file.stem.startswith("_"))


def main(wanted: list[str]) -> None:
    for name in wanted or names():
        if name not in names():
            sys.exit(f"No benchmark named {name}; there are: {', '.join(names())}")
        print(f"\n== {name}", flush=True)
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main(sys.argv[1:])
