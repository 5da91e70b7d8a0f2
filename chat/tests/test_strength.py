"""Strengths from votes: by hand where it can be done, and against strengths that were made up."""

import math
import random

import pytest

from chat.strength import AVERAGE, Choice, connected, strengths

NO_PRIOR = 1e-9


def pair(wins: int, losses: int, ties: int = 0) -> list[Choice]:
    won, lost, tied = Choice((0, 1), 0), Choice((0, 1), 1), Choice((0, 1), None)
    return [won] * wins + [lost] * losses + [tied] * ties


def test_two_models_by_hand() -> None:
    """Three of four: odds of 3 to 1, 400 · log10(3) points apart."""
    first, second = strengths(2, pair(3, 1), prior=NO_PRIOR)
    assert first.points - second.points == pytest.approx(400 * math.log10(3), abs=0.01)
    assert first.points + second.points == pytest.approx(2 * AVERAGE)
    # The information of n comparisons at chance p is n·p·(1-p); half the difference is each one's.
    deviation = math.sqrt(1 / (4 * 0.75 * 0.25)) / 2
    width = 1.959964 * deviation * 400 / math.log(10)
    assert first.high - first.points == pytest.approx(width, rel=1e-4)
    assert first.points - first.low == pytest.approx(width, rel=1e-4)


def test_three_models_by_hand() -> None:
    """A beat B 2 of 3, B beat C 2 of 3: each step is odds of 2, a cycle of nothing else."""
    votes = [Choice((0, 1), 0)] * 2 + [Choice((0, 1), 1)]
    votes += [Choice((1, 2), 1)] * 2 + [Choice((1, 2), 2)]
    found = [each.points for each in strengths(3, votes, prior=NO_PRIOR)]
    step = 400 * math.log10(2)
    assert found == pytest.approx([AVERAGE + step, AVERAGE, AVERAGE - step], abs=0.01)


def test_one_of_three_by_hand() -> None:
    """Chosen 6, 3 and 1 times among all three: strengths in just these proportions."""
    among = (0, 1, 2)
    votes = [Choice(among, 0)] * 6 + [Choice(among, 1)] * 3 + [Choice(among, 2)]
    first, second, third = (each.points for each in strengths(3, votes, prior=NO_PRIOR))
    assert first - second == pytest.approx(400 * math.log10(2), abs=0.01)
    assert second - third == pytest.approx(400 * math.log10(3), abs=0.01)


def test_two_ties_are_a_win_each() -> None:
    tied = strengths(2, pair(3, 1, ties=2))
    won = strengths(2, pair(4, 2))
    assert [each.points for each in tied] == pytest.approx([each.points for each in won])


def test_who_never_lost_is_finite_and_uncertain() -> None:
    first = strengths(2, pair(10, 0))[0]
    assert 1150 < first.points < 1450 and first.win_rate < 0.95
    assert first.high - first.low > 300, "ten votes were said to be certain"
    more = strengths(2, pair(1000, 0))[0]
    assert first.points < more.points < 3000


def test_a_newcomer_does_not_blur_what_is_known() -> None:
    votes = [*pair(10, 0), Choice((1, 2), 1)]
    first, second, _newcomer = strengths(3, votes, average={0, 1})
    assert first.points + second.points == pytest.approx(2 * AVERAGE)
    assert first.low > second.high
    blurred, _second, _newcomer = strengths(3, votes)
    assert first.high - first.low < blurred.high - blurred.low


def test_no_vote_is_average_and_says_nothing() -> None:
    (only,) = strengths(1, [])
    assert (only.points, only.win_rate) == (AVERAGE, 0.5)


def test_made_up_strengths_are_found() -> None:
    """Twelve models, 3,000 votes among two to four: 95 % of the ranges hold the truth."""
    found, held, models = random.Random(7), 0, 12
    rounds = 6
    for _round in range(rounds):
        true = [found.gauss(0, 0.8) for _model in range(models)]
        mean = sum(true) / models
        votes = []
        for _vote in range(3000):
            among = tuple(sorted(found.sample(range(models), found.choice([2, 3, 4]))))
            weights = [math.exp(true[index]) for index in among]
            votes.append(Choice(among, found.choices(among, weights)[0]))
        for index, each in enumerate(strengths(models, votes)):
            points = AVERAGE + 400 / math.log(10) * (true[index] - mean)
            held += each.low <= points <= each.high
            assert each.points == pytest.approx(points, abs=90)
    # Of 72 ranges, fewer than 62 would happen once in some thousand times.
    assert held >= 62


def test_groups_that_never_met() -> None:
    assert connected([(1, 2), (3, 4), (2, 5), (6, 7), (7, 8, 9)]) == [
        {6, 7, 8, 9},
        {1, 2, 5},
        {3, 4},
    ]
    assert connected([(1, 2), (3, 4), (2, 3)]) == [{1, 2, 3, 4}]
