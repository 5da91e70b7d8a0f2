"""What a space's folder says of itself, in `state.json`: the change up to which it is complete, and
the files with the sizes they had then.

The engine opens a folder whose files are cut short or missing without a word and finds less in
it, so that is looked at first. Between two states files only grow; compaction writes one.
"""

import json
import logging
from dataclasses import asdict, dataclass, field
from pathlib import Path

log = logging.getLogger(__name__)

# Another number here, and all folders are begun anew.
LAYOUT = 1
NAME = "state.json"


@dataclass(frozen=True)
class State:
    dimension: int
    cursor: int = 0
    # Points removed since the last compaction.
    removed: int = 0
    files: dict[str, int] = field(default_factory=dict)
    layout: int = LAYOUT


def read(folder: Path, files: Path, *, dimension: int) -> State | None:
    """None where there is nothing of use."""
    try:
        state = State(**json.loads((folder / NAME).read_bytes()))
        sizes = _sizes(files)
        lost = [name for name, size in state.files.items() if sizes.get(name, -1) < size]
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, AttributeError, OSError):
        log.exception("%s is damaged and is begun anew", folder)
        return None
    if lost:
        log.error("%s is damaged (%s) and is begun anew", folder, ", ".join(sorted(lost)[:3]))
        return None
    return state if (state.layout, state.dimension) == (LAYOUT, dimension) else None


def write(folder: Path, files: Path, state: State) -> State:
    """Once all that the state promises is on disk."""
    complete = State(**asdict(state) | {"files": _sizes(files)})
    beside = folder / f"{NAME}.new"
    beside.write_text(json.dumps(asdict(complete)))
    beside.replace(folder / NAME)
    return complete


def _sizes(files: Path) -> dict[str, int]:
    # Journals last as long as the engine writes.
    found = (each for each in files.rglob("*") if each.is_file() and "journal" not in each.name)
    return {each.relative_to(files).as_posix(): each.stat().st_size for each in found}
