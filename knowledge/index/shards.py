import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Condition as Signal

import qdrant_edge as edge

from . import engine
from .types import IndexUnavailable, Space

log = logging.getLogger(__name__)

# Another number here, and all folders are begun anew.
LAYOUT = 1


class Shard:
    """One space as a folder: the engine's files, and in `state.json` the change up to which they
    are complete. Opened when it is used, and not closed while it is."""

    def __init__(self, space: Space, folder: Path) -> None:
        self.space = space
        self.cursor = 0
        self._folder = folder
        self._edge: edge.EdgeShard | None = None
        self._users = 0
        self._signal = Signal()
        self._is_closing = False

    @property
    def is_open(self) -> bool:
        return self._edge is not None

    @contextmanager
    def used(self) -> Iterator[edge.EdgeShard]:
        with self._signal:
            self._signal.wait_for(lambda: not self._is_closing)
            opened = self._edge = self._edge or self._open()
            self._users += 1
        try:
            with engine.told():
                yield opened
        finally:
            with self._signal:
                self._users -= 1
                self._signal.notify_all()

    def keep(self, cursor: int) -> None:
        """Everything on disk first, then the number that says so."""
        with self.used() as opened:
            opened.flush()
            self._write_state(cursor)

    def close(self, *, if_idle: bool = False) -> None:
        with self._alone(if_idle=if_idle) as is_alone:
            if is_alone:
                self._close()

    def drop(self) -> None:
        with self._alone():
            self._close()
            shutil.rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def _alone(self, *, if_idle: bool = False) -> Iterator[bool]:
        with self._signal:
            if if_idle and self._users:
                yield False
                return
            self._is_closing = True
            try:
                self._signal.wait_for(lambda: not self._users)
                yield True
            finally:
                self._is_closing = False
                self._signal.notify_all()

    def _close(self) -> None:
        if self._edge is not None:
            with engine.told():
                self._edge.flush()
                self._edge.close()
            self._edge = None

    def _open(self) -> edge.EdgeShard:
        state = self._read_state()
        if state is not None:
            try:
                with engine.told():
                    opened = edge.EdgeShard.load(str(self._files))
                    opened.count(edge.CountRequest(exact=False))
            except IndexUnavailable:
                log.exception("The index of space %s is damaged and is begun anew", self.space.id)
            else:
                self.cursor = state
                return opened
        return self._begin()

    def _begin(self) -> edge.EdgeShard:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._files.mkdir(parents=True)
        with engine.told():
            begun = edge.EdgeShard.create(str(self._files), engine.config(self.space.dimension))
            for key, schema in engine.INDEXED.items():
                begun.update(edge.UpdateOperation.create_field_index(key, schema))
            begun.flush()
        self._write_state(0)
        return begun

    @property
    def _files(self) -> Path:
        return self._folder / "shard"

    def _read_state(self) -> int | None:
        """The cursor, or None where there is nothing to open."""
        try:
            state = json.loads((self._folder / "state.json").read_bytes())
            kept = state["layout"], state["dimension"], int(state["cursor"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, OSError):
            log.exception("The state of space %s is damaged and is begun anew", self.space.id)
            return None
        return kept[2] if kept[:2] == (LAYOUT, self.space.dimension) else None

    def _write_state(self, cursor: int) -> None:
        state = {"layout": LAYOUT, "dimension": self.space.dimension, "cursor": cursor}
        beside = self._folder / "state.json.new"
        beside.write_text(json.dumps(state))
        beside.replace(self._folder / "state.json")
        self.cursor = cursor
