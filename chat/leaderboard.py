"""The leaderboard: everybody's votes, for the models that the reader may use. Numbers only: whose
votes they are, and on what, stays with the comparisons."""

import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.db.models import Count

from accounts.models import User
from chat.models import Comparison, ComparisonColumn, ComparisonTag, Outcome, Vote
from chat.strength import Choice, Strength, connected, strengths
from providers.models import ProviderModel

# With fewer votes a model is listed, and not ranked.
VOTES_MIN = 10
TAGS_SHOWN = 30


@dataclass(frozen=True)
class Round:
    """One vote: the models that answered, each once, and the best of them."""

    among: tuple[int, ...]
    outcome: str
    best: int | None


@dataclass
class Standing:
    """`rank` is one more than the number of models that are surely better."""

    model: ProviderModel
    tally: Counter[str]
    strength: Strength
    is_apart: bool
    rank: int | None = None

    @property
    def votes(self) -> int:
        return self.tally.total()

    @property
    def wins(self) -> int:
        return self.tally["win"]

    @property
    def ties(self) -> int:
        return self.tally[Outcome.TIE]

    @property
    def losses(self) -> int:
        return self.tally["loss"]

    @property
    def all_bad(self) -> int:
        return self.tally[Outcome.ALL_BAD]

    @property
    def votes_lacking(self) -> int:
        return max(0, VOTES_MIN - self.votes)

    @property
    def win_percent(self) -> int:
        return round(self.strength.win_rate * 100)


@dataclass
class Board:
    ranked: list[Standing] = field(default_factory=list)
    unranked: list[Standing] = field(default_factory=list)
    votes: int = 0
    blind_votes: int = 0


def board(user: User, *, tag: str = "", is_blind_only: bool = False) -> Board:
    votes = Vote.objects.all()
    if tag:
        votes = votes.filter(comparison__in=Comparison.objects.tagged(tag))
    blind_votes = votes.filter(is_blind=True).count()
    rounds = _rounds(votes.filter(is_blind=True) if is_blind_only else votes)
    known = sorted({model for each in rounds for model in each.among})
    models = ProviderModel.objects.for_user(user).select_related("provider").in_bulk(known)
    standings = [row for row in _standings(rounds, known, models) if row.votes]
    ranked = [row for row in standings if not row.votes_lacking and not row.is_apart]
    for row in ranked:
        row.rank = 1 + sum(other.strength.low > row.strength.high for other in ranked)
    ranked.sort(key=lambda row: (row.rank or 0, -row.strength.points))
    unranked = [row for row in standings if row.rank is None]
    unranked.sort(key=lambda row: (-row.votes, str(row.model)))
    return Board(ranked, unranked, len(rounds), blind_votes)


def _rounds(votes: Iterable[Vote]) -> list[Round]:
    """Without those between one model and itself, and those whose models are gone."""
    rows = list(votes.select_related("best").order_by("pk"))  # type: ignore[attr-defined]
    columns = _columns({vote.comparison_id for vote in rows})
    found = []
    for vote in rows:
        models = columns[vote.comparison_id]
        among = {models.get(number) for number in vote.answered}
        best = models.get(vote.best.number) if vote.best else None
        is_lost = None in among or (vote.outcome == Outcome.BEST and best is None)
        if not is_lost and len(among) > 1:
            known = tuple(sorted(model for model in among if model is not None))
            found.append(Round(known, vote.outcome, best))
    return found


def _columns(comparisons: set[uuid.UUID]) -> dict[uuid.UUID, dict[int, int | None]]:
    """Of each comparison the model of each column."""
    found: dict[uuid.UUID, dict[int, int | None]] = defaultdict(dict)
    rows = ComparisonColumn.objects.filter(comparison__votes__isnull=False).distinct()
    for column in rows.select_related("session").only("comparison", "number", "session__model"):
        if column.comparison_id in comparisons:
            found[column.comparison_id][column.number] = column.session.model_id
    return found


def _standings(
    rounds: Sequence[Round], known: Sequence[int], models: dict[int, ProviderModel]
) -> list[Standing]:
    if not known:
        return []
    place = {model: index for index, model in enumerate(known)}
    decided = [each for each in rounds if each.outcome != Outcome.ALL_BAD]
    values = strengths(
        len(known),
        [
            Choice(
                tuple(place[model] for model in each.among),
                None if each.best is None else place[each.best],
            )
            for each in decided
        ],
    )
    tallies: dict[int, Counter[str]] = defaultdict(Counter)
    for each in rounds:
        for pk in each.among:
            tallies[pk][_result(each, pk)] += 1
    together = next(iter(connected(each.among for each in decided)), set())
    return [
        Standing(model, tallies[pk], values[place[pk]], pk not in together)
        for pk, model in models.items()
    ]


def _result(vote: Round, pk: int) -> str:
    if vote.outcome != Outcome.BEST:
        return vote.outcome
    return "win" if vote.best == pk else "loss"


def tags_for(user: User) -> list[str]:
    """Of comparisons with votes that `user` may read, the most frequent first."""
    rows = Comparison.objects.readable_by(user).filter(votes__isnull=False)
    names = ComparisonTag.objects.filter(comparison__in=rows).values("name")
    counted = names.annotate(count=Count("pk")).order_by("-count", "name")[:TAGS_SHOWN]
    return [row["name"] for row in counted]
