"""What a space's folder says of itself, in `state.json`: the change up to which it is complete, and
the files with the sizes they had then.

The engine opens a folder whose files are cut short or missing without a word and finds less in
it, so that is looked at first. Between two states files only grow; a compaction makes others.
"""

import json
import logging
from dataclasses import asdict, dataclass, field
from pathlib import Path
from uuid import uuid4

log = logging.getLogger(__name__)

# Another number here, and all folders are begun anew.
LAYOUT = 3
NAME = "state.json"


@dataclass(frozen=True)
class State:
    dimension: int
    cursor: int = 0
    # Each compaction makes another one.
    folder_name: str = ""
    # Points put and removed since the last of them.
    changes: int = 0
    sizes: dict[str, int] = field(default_factory=dict)
    layout: int = LAYOUT


def new_folder_name() -> str:
    """Never the same: a program that was left behind may still write to the former one."""
    return f"files-{uuid4().hex[:12]}"


def read(folder: Path, *, dimension: int) -> State | None:
    """None where there is nothing of use."""
    try:
        state = State(**json.loads((folder / NAME).read_bytes()))
        sizes = _sizes(folder / state.folder_name)
        lost = [name for name, size in state.sizes.items() if sizes.get(name, -1) < size]
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, AttributeError, OSError):
        log.exception("%s is damaged and is begun anew", folder)
        return None
    if lost:
        log.error("%s is damaged (%s) and is begun anew", folder, ", ".join(sorted(lost)[:3]))
        return None
    return state if (state.layout, state.dimension) == (LAYOUT, dimension) else None


def write(folder: Path, state: State) -> State:
    """Once all that the state promises is on disk."""
    complete = State(**asdict(state) | {"sizes": _sizes(folder / state.folder_name)})
    beside = folder / f"{NAME}.new"
    beside.write_text(json.dumps(asdict(complete)))
    beside.replace(folder / NAME)
    return complete


def _sizes(files: Path) -> dict[str, int]:
    # Journals last as long as the engine writes.
    found = (each for each in files.rglob("*") if each.is_file() and "journal" not in each.name)
    return {each.relative_to(files).as_posix(): each.stat().st_size for each in found}
