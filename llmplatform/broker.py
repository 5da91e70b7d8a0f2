"""Celery's messages as files, for the embedded default: kombu's transport, made safe for several
processes. There a reader may take a file that its writer has created and not yet filled, which
ends the worker; and what is taken lies in the machine's shared temporary folder for a moment.
"""

import logging
import os
import time
import uuid
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.transport import filesystem
from kombu.utils.json import dumps, loads

logger = logging.getLogger(__name__)

TABLE_ATTEMPTS, TABLE_PAUSE_S = 20, 0.01


class Channel(filesystem.Channel):
    """A message is a file that appears whole, by a rename, and is taken by one."""

    def _put(self, queue: str, message: Any, **kwargs: Any) -> None:  # type: ignore[override]
        folder = Path(self.data_folder_out)
        draft = folder / f".{uuid.uuid4().hex}"
        draft.write_text(dumps(message), encoding="utf-8")
        draft.rename(folder / f"{time.time_ns():020d}_{uuid.uuid4().hex}.{queue}.msg")

    def _get(self, queue: str) -> Any:  # type: ignore[override]
        ending = f"{queue}.msg"
        # Asked ten times a second, and nearly always in vain.
        with os.scandir(self.data_folder_in) as entries:
            found = [entry.name for entry in entries if entry.name.endswith(ending)]
        folder = Path(self.data_folder_in)
        for name in sorted(found):
            if name.partition(".")[2] != ending:
                continue
            taken = folder / f".{name}.taken"
            try:
                (folder / name).rename(taken)
                text = taken.read_text(encoding="utf-8")
                taken.unlink()
                return loads(text)
            except FileNotFoundError:  # somebody else was faster
                continue
            except ValueError:
                logger.warning("dropped a message that cannot be read: %s", name)
        raise Empty

    def get_table(self, exchange: str) -> Any:
        """The bindings. Their file is rewritten in place, so that a reader may find half of it."""
        for _attempt in range(TABLE_ATTEMPTS):
            try:
                return super().get_table(exchange)  # type: ignore[no-untyped-call]
            except ValueError:
                time.sleep(TABLE_PAUSE_S)
        return []


class Transport(filesystem.Transport):
    Channel = Channel
