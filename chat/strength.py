"""How strong models are, from who was chosen among whom.

Luce's choice model, which for two is the Bradley-Terry model: among the models `S` of a round, `i`
is chosen with probability `exp(s_i) / sum(exp(s_j) for j in S)`. A tie counts as an equal part of a
choice for each. Strengths maximise the likelihood; the Fisher information gives their uncertainty.
"""

import math
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from llmplatform.arrays import np

if TYPE_CHECKING:
    import numpy.typing as npt

K = TypeVar("K", bound=Hashable)
Array: TypeAlias = "npt.NDArray[np.float64]"

# One imagined draw of each model with an average one keeps a model that won everything finite.
PRIOR_DRAWS = 1.0
STEPS_MAX, LONGEST_STEP, CLOSE_ENOUGH = 200, 1.5, 1e-10
# 95 % of a normal distribution lie within so many standard deviations.
CONFIDENCE = 1.959964
# On the scale of chess, where 400 points are odds of ten to one; an average model has 1000.
POINTS_PER_NAT, AVERAGE = 400 / math.log(10), 1000.0


@dataclass(frozen=True)
class Choice:
    """`among` are indexes of models, each once; `best` is one of them, None for a tie."""

    among: tuple[int, ...]
    best: int | None


@dataclass(frozen=True)
class Strength:
    """In points; `low` and `high` hold the true one with 95 % confidence."""

    points: float
    low: float
    high: float
    win_rate: float
    """Expected against an average model of the same list, 0 to 1."""


def strengths(
    n: int,
    choices: Iterable[Choice],
    *,
    average: Collection[int] = (),
    prior: float = PRIOR_DRAWS,
) -> list[Strength]:
    """Of `n` models. `average`: those that an average one is made of, or else all. One about whom
    little is known would blur the average, and with it what is known of the others."""
    counted = Counter(choices)
    values, covariance = _fitted(n, list(counted.items()), prior)
    # What is known is how models differ from one another: the average is taken out of both.
    counts = np.array([index in average or not average for index in range(n)])
    centre = np.eye(n) - counts / counts.sum()
    values, covariance = centre @ values, centre @ covariance @ centre.T
    spread = CONFIDENCE * np.sqrt(np.maximum(np.diag(covariance), 0))
    return [
        Strength(
            points=_points(value),
            low=_points(value - width),
            high=_points(value + width),
            win_rate=float(1 / (1 + np.exp(-value))),
        )
        for value, width in zip(values, spread, strict=True)
    ]


def _points(value: float) -> float:
    return float(AVERAGE + POINTS_PER_NAT * value)


def _fitted(n: int, counted: Sequence[tuple[Choice, int]], prior: float) -> tuple[Array, Array]:
    """Newton's method: the log-likelihood is concave, and the prior gives it one maximum."""
    values = np.zeros(n)
    for _step in range(STEPS_MAX):
        slope, information = _slope(values, counted, prior)
        step = np.linalg.solve(information, slope)
        values = values + step * min(1.0, LONGEST_STEP / max(np.abs(step).max(), CLOSE_ENOUGH))
        if np.abs(step).max() < CLOSE_ENOUGH:
            break
    covariance = np.linalg.inv(_slope(values, counted, prior)[1])
    return values, covariance.astype(np.float64)


def _slope(
    values: Array, counted: Sequence[tuple[Choice, int]], prior: float
) -> tuple[Array, Array]:
    """The gradient of the log-likelihood, and its information: minus the second derivatives."""
    against_average = 1 / (1 + np.exp(-values))
    slope = prior * (0.5 - against_average)
    information = np.diag(prior * against_average * (1 - against_average))
    for choice, times in counted:
        among = np.array(choice.among)
        weights = np.exp(values[among] - values[among].max())
        chances = weights / weights.sum()
        won = np.full(len(among), 1 / len(among))
        if choice.best is not None:
            won = (among == choice.best).astype(float)
        slope[among] += times * (won - chances)
        information[np.ix_(among, among)] += times * (np.diag(chances) - np.outer(chances, chances))
    return slope, information


def connected(among: Iterable[Sequence[K]]) -> list[set[K]]:
    """Models that were compared with one another, directly or by way of others; largest first."""
    groups: list[set[K]] = []
    for models in among:
        joined = set(models)
        for group in [group for group in groups if group & joined]:
            joined |= group
            groups.remove(group)
        groups.append(joined)
    return sorted(groups, key=len, reverse=True)
