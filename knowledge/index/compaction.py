"""Leaves out what was removed: `python compaction.py FOLDER`. A program of its own, because the
engine keeps Python from doing anything else meanwhile."""

import sys

import qdrant_edge as edge


def compact(folder: str) -> None:
    opened = edge.EdgeShard.load(folder)
    opened.optimize()
    opened.flush()
    opened.close()


if __name__ == "__main__":
    compact(sys.argv[1])
