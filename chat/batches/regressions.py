"""Two batch comparisons side by side: which prompts are answered worse by the later one.

Prompts are the same when what was sent is; answers are held against each other by their scores,
else by their checks, and by whether there is one at all.
"""

from dataclasses import dataclass, field

from chat.models import HAS_ANSWER, BatchColumn

WORSE, BETTER, ALIKE, UNKNOWN = "worse", "better", "alike", "unknown"
KINDS = (WORSE, BETTER, ALIKE, UNKNOWN)


@dataclass(frozen=True)
class Side:
    """The answer of one comparison, without its text."""

    cell_id: int
    prompt_id: int
    has_answer: bool
    passed: bool | None
    score: int | None
    digest: str


@dataclass(frozen=True)
class Pair:
    position: int
    kind: str
    before: Side
    after: Side

    @property
    def is_same_text(self) -> bool:
        return self.before.digest == self.after.digest


@dataclass
class Regressions:
    """`pairs` in the order of the later comparison; `missing`: prompts only one of them has."""

    pairs: list[Pair] = field(default_factory=list)
    missing: int = 0

    def of(self, kind: str) -> list[Pair]:
        return [pair for pair in self.pairs if pair.kind == kind]

    @property
    def counts(self) -> dict[str, int]:
        return {kind: len(self.of(kind)) for kind in KINDS}

    @property
    def changed(self) -> int:
        return sum(not pair.is_same_text for pair in self.pairs)


def regressions(before: BatchColumn, after: BatchColumn) -> Regressions:
    """Two queries, however many prompts there are."""
    old, new = _sides(before), _sides(after)
    found = Regressions(missing=len(old.keys() ^ new.keys()))
    for key, (position, side) in new.items():
        if key in old:
            kind = kind_of(old[key][1], side)
            found.pairs.append(Pair(position, kind, old[key][1], side))
    return found


def _sides(column: BatchColumn) -> dict[tuple[str, int], tuple[int, Side]]:
    """By digest and how often it came before: a prompt may be there twice."""
    rows = column.cells.order_by("prompt__position").values_list(
        *("prompt__digest", "prompt__position", "pk", "prompt_id", "status"),
        *("passed", "score", "answer_digest"),
    )
    seen: dict[str, int] = {}
    found: dict[tuple[str, int], tuple[int, Side]] = {}
    for digest, position, pk, prompt, status, passed, score, answer in rows:
        nth = seen[digest] = seen.get(digest, 0) + 1
        side = Side(pk, prompt, status in HAS_ANSWER, passed, score, answer)
        found[digest, nth] = (position, side)
    return found


def kind_of(before: Side, after: Side) -> str:
    if before.has_answer != after.has_answer:
        return BETTER if after.has_answer else WORSE
    if not before.has_answer:
        return ALIKE
    # A check that is not passed any more weighs more than points.
    for old, new in ((before.passed, after.passed), (before.score, after.score)):
        if old is not None and new is not None and old != new:
            return BETTER if new > old else WORSE
    is_judged = any(
        old is not None and new is not None
        for old, new in ((before.passed, after.passed), (before.score, after.score))
    )
    return ALIKE if is_judged or before.digest == after.digest else UNKNOWN


def other_column(columns: list[BatchColumn], like: BatchColumn) -> BatchColumn | None:
    """The same model in another comparison, else the one at the same place, else the first."""
    same = [column for column in columns if column.label == like.label]
    placed = [column for column in columns if column.position == like.position]
    return next(iter([*same, *placed, *columns]), None)
