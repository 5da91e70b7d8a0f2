"""Where chunks are found, by meaning and by words: the only package that knows Qdrant.

The index is derived from the database and can be built again at any time. Two back ends answer the
same calls: `open_folder`, a folder of this machine that one process holds, and `open_server`.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from .filters import Condition, Filters, Operator
from .types import Hit, Index, IndexUnavailable, Point, Space, Sparse

if TYPE_CHECKING:
    from .embedded import Embedded
    from .server import Server

__all__ = [
    "Condition",
    "Filters",
    "Hit",
    "Index",
    "IndexUnavailable",
    "Operator",
    "Point",
    "Space",
    "Sparse",
    "open_folder",
    "open_server",
]


def open_folder(root: Path) -> "Embedded":
    """One for a process: a second one would find the folder taken and begin its own."""
    from .embedded import Embedded

    return Embedded(root)


def open_server(url: str, *, api_key: str = "") -> "Server":
    # Its client alone takes more than a second to import.
    from .server import Server, connect

    return Server(connect(url, api_key=api_key))
