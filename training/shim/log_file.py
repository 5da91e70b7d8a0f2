"""The log of a runner, however much it writes: read in pieces, and its disk space given back.

The runner appends to it all the time. What has been read becomes a hole: places in the file stay
what they were, and nothing that is written meanwhile is lost. What is left out is said in the log.
"""

import contextlib
import os
from pathlib import Path

from training.shim.reading import size_of, whole_lines

KEPT_BYTES = 64 * 1024**2
# A reader that is further behind than this goes to the end.
BEHIND_BYTES = 64 * 1024**2
TAIL_BYTES = 512 * 1024
# fallocate(2)
KEEP_SIZE, PUNCH_HOLE = 1, 2


class LogFile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def size(self) -> int:
        return size_of(self.path)

    def read(self, offset: int, *, is_ended: bool = False) -> tuple[bytes, int]:
        """Whole lines behind `offset`, and where to go on."""
        size = self.size()
        if offset > size:  # cut since then
            offset = 0
        notice = b""
        if size - offset > BEHIND_BYTES:
            left_out = size - TAIL_BYTES - offset
            notice = f"… {left_out / 1024**2:.0f} MB of the log are left out here\n".encode()
            offset = size - TAIL_BYTES
        lines, at = whole_lines(self.path, offset, is_ended=is_ended)
        return notice + lines, at

    def tail(self) -> bytes:
        try:
            with self.path.open("rb") as file:
                file.seek(max(0, self.size() - TAIL_BYTES))
                return file.read(TAIL_BYTES)
        except FileNotFoundError:
            return b""

    def cut(self, offset: int) -> int:
        """Where to go on in the file, of which the part before `offset` has been read."""
        if self._taken() <= KEPT_BYTES:
            return offset
        if _punch(self.path, max(0, offset - TAIL_BYTES)):
            return offset
        size = self.size()
        if offset < size <= 2 * KEPT_BYTES:  # at the end there is the least to lose
            return offset
        with self.path.open("rb") as file:
            file.seek(max(0, offset - TAIL_BYTES))
            tail = file.read(TAIL_BYTES)
        with contextlib.suppress(OSError):  # a full disk needs the cut more than the copy
            self.path.with_suffix(".before.txt").write_bytes(tail)
        os.truncate(self.path, 0)
        return 0

    def _taken(self) -> int:
        """Of the disk."""
        try:
            return self.path.stat().st_blocks * 512
        except FileNotFoundError:
            return 0


def _punch(path: Path, end: int) -> bool:
    """Gives back what the file takes before `end`; False where its disk cannot do that."""
    import ctypes  # a shim seldom needs it

    fallocate = getattr(ctypes.CDLL(None, use_errno=True), "fallocate", None)
    if fallocate is None:
        return False
    with path.open("r+b") as file:
        places = (ctypes.c_int64(0), ctypes.c_int64(end))
        return bool(fallocate(file.fileno(), KEEP_SIZE | PUNCH_HOLE, *places) == 0)
