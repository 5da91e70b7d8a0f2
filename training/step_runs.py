"""Which steps were told, as runs: (first, last, every) each. Exact; short where regular."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Run = Sequence[int]


def runs_of(steps: Iterable[int]) -> list[list[int]]:
    """Of steps in order, none of them twice."""
    found: list[list[int]] = []
    for step in steps:
        if found:
            first, last, every = found[-1]
            if first == last or step - last == every:
                found[-1] = [first, step, step - last]
                continue
        found.append([step, step, 1])
    return found


@dataclass(frozen=True)
class Coverage:
    """`count`: how many different steps there are; `missing`: the first of those that lack."""

    count: int
    missing: tuple[int, ...]


def coverage(runs: Iterable[Run], every: int, limit: int) -> Coverage:
    """A step is due each `every` steps, up to the last one. Steps may be in more than one run."""
    spans: list[tuple[int, int]] = []
    others: set[int] = set()
    for first, last, stride in runs:
        if first % every == 0 and (stride == every or first == last):
            spans.append((first, last))
            continue
        for step in range(first, last + 1, stride):
            if step % every:
                others.add(step)
            else:
                spans.append((step, step))
    count, due, missing = len(others), every, list[int]()
    end = max(others, default=0) // every * every
    for first, last in [*sorted(spans), (end + every, end)]:
        missing += range(due, first, every)[: limit - len(missing)]
        begin = max(first, due)
        count += max(0, (last - begin) // every + 1)
        due = max(due, first, last + every)
    return Coverage(count, tuple(missing))
