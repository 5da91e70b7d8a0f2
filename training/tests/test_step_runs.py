"""Against the plain way: sets of numbers."""

import random

import pytest

from training.step_runs import coverage, runs_of


@pytest.mark.parametrize(
    ("steps", "runs"),
    [
        ([], []),
        ([7], [[7, 7, 1]]),
        ([1, 2, 3, 4], [[1, 4, 1]]),
        ([5, 10, 15, 16, 17, 18], [[5, 15, 5], [16, 18, 1]]),
        ([1, 2, 4, 8], [[1, 2, 1], [4, 8, 4]]),
    ],
)
def test_runs(steps: list[int], runs: list[list[int]]) -> None:
    assert runs_of(steps) == runs


@pytest.mark.parametrize("every", [1, 2, 5])
@pytest.mark.parametrize("seed", range(40))
def test_nothing_is_missed_and_nothing_counted_twice(seed: int, every: int) -> None:
    chance = random.Random(seed)
    told = set(range(every, every * chance.choice((3, 60, 400)), every))
    told -= set(chance.sample(sorted(told), chance.choice((0, 0, 1, 2))))
    told |= {chance.randrange(1, 500) for _n in range(chance.choice((0, 0, 3)))}
    runs: list[list[int]] = []
    for _block in range(chance.choice((1, 2, 5))):  # some steps are in several
        runs += runs_of(sorted(step for step in told if chance.random() < 0.7))
    runs += runs_of(sorted(told))
    chance.shuffle(runs)
    wanted = [step for step in range(every, max(told, default=0) + 1, every) if step not in told]
    found = coverage(runs, every, 20)
    assert (found.count, found.missing) == (len(told), tuple(wanted[:20]))
