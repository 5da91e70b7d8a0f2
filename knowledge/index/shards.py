import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import Condition as Signal
from threading import RLock

import qdrant_edge as edge

from . import engine, states
from .compaction import Compaction, warm
from .filters import DOCUMENT, FIELDS, payload
from .states import State
from .types import IndexUnavailable, Point, Space

log = logging.getLogger(__name__)

# Fields of metadata beyond this many are searched without an index.
MOST_INDEXED = 64
# Documents removed at once: Python stands still meanwhile.
REMOVED_AT_ONCE = 50


class Shard:
    """One space as a folder: the engine's files and their state. Opened when it is used, and not
    closed while it is. Two locks, always taken in this order: `_writing` by who changes something,
    `_signal` for moments."""

    def __init__(self, space: Space, folder: Path, *, worn: int) -> None:
        self.space = space
        self._folder = folder
        self._worn = worn
        self._state = State(space.dimension)
        self._edge: edge.EdgeShard | None = None
        self._indexed: set[str] = set()
        self._compaction: Compaction | None = None
        self._writing = RLock()
        self._signal = Signal()
        self._users = 0
        self._is_closing = False

    @property
    def is_open(self) -> bool:
        return self._edge is not None

    @property
    def cursor(self) -> int:
        self._tidy()
        with self.used():
            return self._state.cursor

    @contextmanager
    def used(self) -> Iterator[edge.EdgeShard]:
        with self._signal:
            self._signal.wait_for(lambda: not self._is_closing)
            with engine.told():
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
        with self._writing, self.used() as opened:
            self._index(opened, set().union(*kept))
            self._change(opened, edge.UpdateOperation.upsert_points(made), len(made))

    def remove(self, documents: Sequence[int]) -> None:
        for at in range(0, len(documents), REMOVED_AT_ONCE):
            chosen = engine.documents(documents[at : at + REMOVED_AT_ONCE])
            with self._writing, self.used() as opened:
                count = opened.count(edge.CountRequest(exact=True, filter=chosen))
                operation = edge.UpdateOperation.delete_points_by_filter(chosen)
                self._change(opened, operation, count)

    def keep(self, cursor: int) -> None:
        """Everything on disk first, then the number that says so."""
        with self._writing, self.used() as opened:
            opened.flush()
            self._write(replace(self._state, cursor=cursor))

    def compact(self) -> None:
        """Now, and until it is done; what else wants the space goes on meanwhile."""
        self._begin_compaction()
        running = self._compaction
        if running is not None:
            running.wait()
        self._tidy()

    def close(self, *, if_idle: bool = False) -> None:
        with self._alone(if_idle=if_idle) as is_alone:
            if is_alone:
                self._close()

    def drop(self) -> None:
        with self._alone():
            with suppress(IndexUnavailable):
                self._close(is_kept=False)
            shutil.rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def _alone(self, *, if_idle: bool = False) -> Iterator[bool]:
        with self._signal:
            is_compacting = self._compaction is not None and not self._compaction.is_over
            if if_idle and (self._users or self._is_closing or is_compacting):
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

    def _close(self, *, is_kept: bool = True) -> None:
        running, self._compaction = self._compaction, None
        if running is not None:
            running.abandon()
        opened, self._edge = self._edge, None
        if opened is not None:
            with engine.told():
                if is_kept:
                    opened.flush()
                opened.close()

    def _open(self) -> edge.EdgeShard:
        state = states.read(self._folder, dimension=self.space.dimension)
        if state is not None:
            files = self._folder / state.folder_name
            warm(files)
            try:
                with engine.told():
                    opened = edge.EdgeShard.load(str(files))
                    self._indexed = set(opened.info().payload_schema)
            except IndexUnavailable:
                log.exception("%s is damaged and is begun anew", self._folder)
            else:
                self._state = state
                self._remove_other_files()
                return opened
        return self._begin()

    def _begin(self) -> edge.EdgeShard:
        shutil.rmtree(self._folder, ignore_errors=True)
        state = State(self.space.dimension, folder_name=states.new_folder_name())
        files = self._folder / state.folder_name
        files.mkdir(parents=True)
        with engine.told():
            begun = edge.EdgeShard.create(str(files), engine.config(self.space.dimension))
            self._indexed = set()
            self._index(begun, {DOCUMENT, FIELDS})
            begun.flush()
        self._write(state)
        return begun

    def _change(self, opened: edge.EdgeShard, operation: edge.UpdateOperation, count: int) -> None:
        opened.update(operation)
        if self._compaction is not None:
            self._compaction.miss(operation, count)
        self._state = replace(self._state, changes=self._state.changes + count)

    def _index(self, opened: edge.EdgeShard, keys: set[str]) -> None:
        room = MOST_INDEXED - len(self._indexed)
        for key in sorted(keys - self._indexed)[:room]:
            operation = edge.UpdateOperation.create_field_index(key, engine.schema(key))
            self._change(opened, operation, 0)
            self._indexed.add(key)

    def _tidy(self) -> None:
        """Begins a compaction where one is due, and takes over the files of one that is over."""
        with self._writing:
            with self.used() as opened:
                count = opened.count(edge.CountRequest(exact=False))
            running = self._compaction
            if running is None:
                if self._state.changes > max(self._worn, count // 3):
                    self._begin_compaction()
            elif running.is_over:
                self._take_over(running)

    def _begin_compaction(self) -> None:
        with self._writing, self.used() as opened:
            if self._compaction is None:
                opened.flush()
                self._write(self._state)
                files = self._folder / self._state.folder_name
                try:
                    self._compaction = Compaction(files, self._folder / states.new_folder_name())
                except OSError:
                    # No room for a second copy, maybe; questions are answered without it.
                    log.exception("%s could not be copied to be compacted", files)
                    self._state = replace(self._state, changes=0)
                    self._remove_other_files()

    def _take_over(self, done: Compaction) -> None:
        with self._alone():
            if self._compaction is not done:
                return
            # Where it failed, it is tried again once as many changes have come again.
            self._compaction, self._state = None, replace(self._state, changes=0)
            if not done.is_usable or not done.catch_up():
                done.abandon()
                return
            former, self._edge = self._edge, done.result
            self._write(replace(self._state, folder_name=done.files.name))
        # Questions need not wait for that.
        if former is not None:
            with engine.told():
                former.close()
        self._remove_other_files()

    def _remove_other_files(self) -> None:
        for each in self._folder.glob("files-*"):
            if each.name != self._state.folder_name:
                shutil.rmtree(each, ignore_errors=True)

    def _write(self, state: State) -> None:
        self._state = states.write(self._folder, state)
