"""File locks that tell who is alive: they end with their process, however that ends."""

import fcntl
import os
from pathlib import Path
from typing import IO


class Held(Exception):
    """Another live process holds the lock."""


def take(path: Path) -> IO[str]:
    """The open, locked file with our pid in it. Raises Held."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise Held from error
    name_holder(file, os.getpid())
    return file


def name_holder(file: IO[str], pid: int) -> None:
    """Whoever will hold the lock: the one that took it, or a child that inherits it."""
    file.truncate(0)
    file.write(str(pid))
    file.flush()


def holder(path: Path) -> int | None:
    """The pid that was written by whoever holds the lock now; None if nobody does.

    0: somebody holds it and has not written a pid yet.
    """
    if not path.exists():
        return None
    try:
        take_and_release(path)
    except Held:
        text = path.read_text().strip()
        return int(text) if text.isdigit() else 0
    return None


def take_and_release(path: Path) -> None:
    """Raises Held. Leaves the file as it is."""
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Held from error
