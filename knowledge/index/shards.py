import logging
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import Condition as Signal

import qdrant_edge as edge

from . import compaction, engine, states
from .filters import DOCUMENT, FIELDS, payload
from .states import State
from .types import IndexUnavailable, Point, Space

log = logging.getLogger(__name__)

COMPACTION_TIMEOUT_S = 600
# Fields of metadata beyond this many are searched without an index.
MOST_INDEXED = 64


class Shard:
    """One space as a folder: the engine's files in `shard`, and its state. Opened when it is used,
    and not closed while it is."""

    def __init__(self, space: Space, folder: Path, *, worn: int) -> None:
        self.space = space
        self._folder = folder
        self._worn = worn
        self._files = folder / "shard"
        self._state = State(space.dimension)
        self._edge: edge.EdgeShard | None = None
        self._indexed: set[str] = set()
        self._users = 0
        self._signal = Signal()
        self._is_closing = False

    @property
    def is_open(self) -> bool:
        return self._edge is not None

    @property
    def cursor(self) -> int:
        with self.used():
            return self._state.cursor

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

    def put(self, points: Sequence[Point]) -> None:
        kept = [payload(each.document, each.metadata) for each in points]
        made = [engine.point(*each) for each in zip(points, kept, strict=True)]
        with self.used() as opened:
            self._index(opened, set().union(*kept))
            opened.update(edge.UpdateOperation.upsert_points(made))

    def remove(self, chosen: edge.Filter) -> None:
        with self.used() as opened:
            count = opened.count(edge.CountRequest(exact=True, filter=chosen))
            opened.update(edge.UpdateOperation.delete_points_by_filter(chosen))
        with self._signal:
            self._state = replace(self._state, removed=self._state.removed + count)

    def keep(self, cursor: int) -> None:
        """Everything on disk first, then the number that says so."""
        with self.used() as opened:
            opened.flush()
            count = opened.count(edge.CountRequest(exact=False))
            with self._signal:
                self._keep(replace(self._state, cursor=cursor))
        if self._state.removed > max(self._worn, count):
            self.compact()

    def compact(self) -> None:
        """Whoever searches this space meanwhile waits, some seconds for 100,000 chunks."""
        with self._alone():
            self._close()
            command = [sys.executable, compaction.__file__, str(self._files)]
            try:
                subprocess.run(command, check=True, timeout=COMPACTION_TIMEOUT_S)
            except subprocess.SubprocessError:
                log.exception("The index of space %s could not be compacted", self.space.id)
            else:
                self._keep(replace(self._state, removed=0))

    def close(self, *, if_idle: bool = False) -> None:
        with self._alone(if_idle=if_idle) as is_alone:
            if is_alone:
                self._close()

    def drop(self) -> None:
        with self._alone():
            with suppress(IndexUnavailable):
                self._close()
            shutil.rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def _alone(self, *, if_idle: bool = False) -> Iterator[bool]:
        with self._signal:
            if if_idle and (self._users or self._is_closing):
                yield False
                return
            self._signal.wait_for(lambda: not self._is_closing)
            self._is_closing = True
            try:
                self._signal.wait_for(lambda: not self._users)
                yield True
            finally:
                self._is_closing = False
                self._signal.notify_all()

    def _close(self) -> None:
        opened, self._edge = self._edge, None
        if opened is not None:
            with engine.told():
                opened.flush()
                opened.close()

    def _open(self) -> edge.EdgeShard:
        state = states.read(self._folder, self._files, dimension=self.space.dimension)
        if state is not None:
            try:
                with engine.told():
                    opened = edge.EdgeShard.load(str(self._files))
                    self._indexed = set(opened.info().payload_schema)
            except IndexUnavailable:
                log.exception("%s is damaged and is begun anew", self._folder)
            else:
                self._state = state
                return opened
        return self._begin()

    def _begin(self) -> edge.EdgeShard:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._files.mkdir(parents=True)
        with engine.told():
            begun = edge.EdgeShard.create(str(self._files), engine.config(self.space.dimension))
            self._indexed = set()
            self._index(begun, {DOCUMENT, FIELDS})
            begun.flush()
        self._keep(State(self.space.dimension))
        return begun

    def _index(self, opened: edge.EdgeShard, keys: set[str]) -> None:
        room = MOST_INDEXED - len(self._indexed)
        for key in sorted(keys - self._indexed)[:room]:
            opened.update(edge.UpdateOperation.create_field_index(key, engine.schema(key)))
            self._indexed.add(key)

    def _keep(self, state: State) -> None:
        self._state = states.write(self._folder, self._files, state)
