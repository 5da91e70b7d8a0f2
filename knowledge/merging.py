"""Passages that follow each other in a document, as one."""

from collections.abc import Sequence
from dataclasses import replace

from knowledge.types import Passage


def merged(passages: Sequence[Passage], limit: int) -> list[Passage]:
    """The best `limit` of them (best first), neighbours among those joined; a joined one stands
    where its better part stood."""
    best = list(passages[:limit])
    order = {id(each): rank for rank, each in enumerate(best)}
    rows = sorted(best, key=lambda p: (p.base_id, p.document_id or 0, p.position))
    groups: list[list[Passage]] = []
    for each in rows:
        if groups and _follows(groups[-1][-1], each):
            groups[-1].append(each)
        else:
            groups.append([each])
    groups.sort(key=lambda group: min(order[id(each)] for each in group))
    return [_joined(group) for group in groups]


def _follows(first: Passage, second: Passage) -> bool:
    return (
        first.document_id is not None
        and first.document_id == second.document_id
        and second.position == first.position + 1
    )


def _joined(group: Sequence[Passage]) -> Passage:
    best = max(group, key=lambda each: each.score)
    if len(group) == 1:
        return best
    text, end = group[0].text, group[0].end
    for each in group[1:]:
        # Chunks of a table repeat its head, and are then no slice of the text.
        is_slice = len(each.text) == each.end - each.start
        text += (
            each.text[end - each.start :] if is_slice and each.start <= end else f"\n{each.text}"
        )
        end = each.end
    first = group[0]
    return replace(
        best,
        text=text,
        start=first.start,
        end=end,
        position=first.position,
        page=first.page,
        headings=first.headings,
    )
