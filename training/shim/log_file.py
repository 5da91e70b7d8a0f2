"""The log of a runner, however much it writes: read in pieces, begun anew when it grows too large.

The runner appends, so the file can be cut under its hands. What is left out is said in the log.
"""

import contextlib
import os
from pathlib import Path

from training.shim.reading import size_of, whole_lines

KEPT_BYTES = 64 * 1024**2
# A reader that is further behind than this goes to the end.
BEHIND_BYTES = 8 * 1024**2
TAIL_BYTES = 512 * 1024


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
        if self.size() <= KEPT_BYTES:
            return offset
        with self.path.open("rb") as file:
            file.seek(max(0, offset - TAIL_BYTES))
            tail = file.read(TAIL_BYTES)
        with contextlib.suppress(OSError):  # a full disk needs the cut more than the copy
            self.path.with_suffix(".before.txt").write_bytes(tail)
        os.truncate(self.path, 0)
        return 0
