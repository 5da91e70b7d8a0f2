"""Qdrant's engine in this process: a folder for each space, under a root that one process holds."""

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from threading import Lock
from uuid import UUID

import qdrant_edge as edge

from . import engine
from .filters import Filters, clauses
from .fusion import depth, fuse
from .roots import Root
from .shards import Shard
from .types import Dense, Hit, Point, Space, Sparse, checked

BATCH = 1000
# Open spaces: each holds its words in memory and some files.
MOST_OPEN = 32
# Points put and removed until a compaction is due (a third of all, if that is more).
WORN = 20_000


class Embedded:
    """Safe for threads. What was put is found at once, and survives a crash once `set_cursor` or
    `close` has returned. The folder of a space is what confines a call to it."""

    def __init__(self, root: Path, *, most_open: int = MOST_OPEN, worn: int = WORN) -> None:
        self._root = Root(root)
        self._most_open = most_open
        self._worn = worn
        # The one used last is the last one.
        self._shards: dict[UUID, Shard] = {}
        self._choosing = Lock()

    def put(self, space: Space, points: Iterable[Point]) -> None:
        left = iter(points)
        while batch := list(islice(left, BATCH)):
            for each in batch:
                checked(space, each.dense, needed=True)
            self._shard(space).put(batch)

    def remove_documents(self, space: Space, documents: Iterable[int]) -> None:
        self._shard(space).remove(list(documents))

    def drop(self, space: Space) -> None:
        self._shard(space).drop()

    def count(self, space: Space) -> int:
        with self._shard(space).used() as opened:
            return opened.count(edge.CountRequest(exact=True))

    def search(
        self,
        space: Space,
        *,
        dense: "Dense | None" = None,
        sparse: "Sparse | None" = None,
        limit: int,
        filters: Filters | None = None,
        documents: Sequence[int] | None = None,
    ) -> list[Hit]:
        checked(space, dense, needed=False)
        if documents is not None and not documents:
            return []
        must = clauses(filters, documents)
        stages = (dense is not None) + (sparse is not None)
        deep = depth(limit, stages=stages)
        asked = engine.requests(dense, sparse, must, limit=deep)
        with self._shard(space).used() as opened:
            answers = opened.query_batch(edge.QueryBatchRequest(asked))
        found = iter([engine.found(each) for each in answers])
        return fuse(
            next(found) if dense is not None else None,
            next(found) if sparse is not None else None,
            limit=limit,
        )

    def cursor(self, space: Space) -> int:
        """The last change that is known to be on disk; 0 for a new space and for one whose folder
        was damaged and begun anew: put everything again."""
        return self._shard(space).cursor

    def compact(self, space: Space) -> None:
        """Happens by itself after many changes; here for who wants it now and can wait."""
        self._shard(space).compact()

    def set_cursor(self, space: Space, cursor: int) -> None:
        self._shard(space).keep(cursor)

    def spaces(self) -> list[UUID]:
        """Those with a folder, so that folders of spaces nobody knows any more can be dropped."""
        folders = (each for each in self._root.folder.iterdir() if each.is_dir())
        return [UUID(hex=each.name) for each in folders]

    @property
    def open_count(self) -> int:
        return sum(shard.is_open for shard in self._shards.values())

    def close(self) -> None:
        """Whoever uses it again opens it again."""
        with self._choosing:
            for shard in self._shards.values():
                shard.close()
            self._shards.clear()
            self._root.release()

    def _shard(self, space: Space) -> Shard:
        with self._choosing:
            shard = self._shards.pop(space.id, None)
            if shard is None:
                shard = Shard(space, self._root.folder / space.id.hex, worn=self._worn)
            self._shards[space.id] = shard
            opened = [each for each in self._shards.values() if each.is_open and each is not shard]
        for each in opened[: max(len(opened) + 1 - self._most_open, 0)]:
            each.close(if_idle=True)
        return shard
