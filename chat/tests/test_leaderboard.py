"""Whose votes count, for whom, and who is ranked."""

import pytest

from accounts.models import User
from chat.leaderboard import VOTES_MIN, Board, board, tags_for
from chat.models import (
    ChatSession,
    Comparison,
    ComparisonColumn,
    ComparisonTag,
    Outcome,
    Vote,
)
from providers.models import ProviderModel
from providers.services import create_provider


def voted(
    owner: User,
    models: list[ProviderModel],
    best: int | None,
    *,
    outcome: str = "",
    answered: list[int] | None = None,
    tag: str = "",
    is_blind: bool = False,
) -> Vote:
    """`best`: the number of a column."""
    comparison = Comparison.objects.create(owner=owner, title="t", is_blind=is_blind)
    columns = [
        ComparisonColumn.objects.create(
            comparison=comparison,
            number=number,
            session=ChatSession.objects.create(owner=owner, model=model),
        )
        for number, model in enumerate(models, 1)
    ]
    if tag:
        ComparisonTag.objects.create(comparison=comparison, name=tag)
    return Vote.objects.create(
        comparison=comparison,
        voter=owner,
        outcome=outcome or (Outcome.BEST if best else Outcome.TIE),
        best=columns[best - 1] if best else None,
        answered=answered or list(range(1, len(models) + 1)),
        is_blind=is_blind,
    )


def names(shown: Board) -> list[str]:
    return [row.model.name for row in shown.ranked]


def test_ranks_need_votes(echoes: list[ProviderModel], alice: User, bob: User) -> None:
    falcon, osprey, kestrel = echoes
    for _vote in range(VOTES_MIN - 1):
        voted(alice, [falcon, osprey], 1)
    first = board(bob)
    assert not first.ranked and [row.votes_lacking for row in first.unranked] == [1, 1]
    voted(alice, [osprey, falcon, kestrel], 2)
    shown = board(bob)
    assert names(shown) == ["Falcon", "Osprey"] and shown.votes == VOTES_MIN
    assert [row.rank for row in shown.ranked] == [1, 2]
    best = shown.ranked[0]
    assert (best.votes, best.wins, best.losses) == (10, 10, 0)
    (few,) = shown.unranked
    assert (few.model, few.votes, few.losses, few.votes_lacking) == (kestrel, 1, 1, 9)


def test_ranks_are_shared_where_nothing_is_sure(echoes: list[ProviderModel], alice: User) -> None:
    for _vote in range(VOTES_MIN):
        voted(alice, echoes[:2], 1)
        voted(alice, echoes[:2], 2)
    assert [row.rank for row in board(alice).ranked] == [1, 1]


def test_all_bad_is_counted_and_changes_nothing(echoes: list[ProviderModel], alice: User) -> None:
    for number in range(VOTES_MIN):
        voted(alice, echoes[:2], 1 if number < 7 else 2)
    before = [row.strength for row in board(alice).ranked]
    for _vote in range(5):
        voted(alice, echoes[:2], None, outcome=Outcome.ALL_BAD)
    after = board(alice)
    assert [row.strength for row in after.ranked] == before
    assert [(row.votes, row.all_bad) for row in after.ranked] == [(15, 5), (15, 5)]


def test_who_failed_neither_wins_nor_loses(echoes: list[ProviderModel], alice: User) -> None:
    voted(alice, echoes, 1, answered=[1, 3])
    assert {row.model.name for row in board(alice).unranked} == {"Falcon", "Kestrel"}


def test_a_model_against_itself_is_no_vote(echoes: list[ProviderModel], alice: User) -> None:
    voted(alice, [echoes[0], echoes[0]], 1)
    assert board(alice) == Board()


def test_a_model_that_is_gone_takes_its_votes_along(
    echoes: list[ProviderModel], alice: User
) -> None:
    voted(alice, echoes[:2], 1)
    echoes[1].delete()
    assert board(alice).votes == 0


def test_groups_that_never_met_are_not_ranked_together(
    echoes: list[ProviderModel], alice: User, admin_user: User
) -> None:
    others = [create_provider(actor=admin_user, preset="echo", is_shared=True) for _n in range(2)]
    apart = [provider.models.get() for provider in others]
    for _vote in range(VOTES_MIN):
        voted(alice, echoes, 1)
        voted(alice, apart, 1)
    shown = board(alice)
    assert len(shown.ranked) == 3 and {row.model for row in shown.ranked} == set(echoes)
    assert {row.is_apart for row in shown.unranked} == {True}


@pytest.mark.parametrize(("tag", "is_blind_only", "votes"), [("CODE", False, 2), ("", True, 1)])
def test_votes_that_count(
    echoes: list[ProviderModel], alice: User, tag: str, is_blind_only: bool, votes: int
) -> None:
    voted(alice, echoes, 1, tag="code", is_blind=True)
    voted(alice, echoes, 2, tag="code")
    voted(alice, echoes, 3)
    assert board(alice, tag=tag, is_blind_only=is_blind_only).votes == votes


def test_nobody_sees_models_or_tags_that_are_not_theirs(
    echoes: list[ProviderModel], alice: User, bob: User
) -> None:
    own = create_provider(actor=alice, preset="echo", name="Alice's").models.get()
    voted(alice, [echoes[0], own], 2, tag="secret-project")
    assert {row.model for row in board(alice).unranked} == {echoes[0], own}
    assert [row.model for row in board(bob).unranked] == [echoes[0]]
    assert (tags_for(alice), tags_for(bob)) == (["secret-project"], [])
