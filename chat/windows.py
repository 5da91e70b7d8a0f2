"""The part of a conversation that a page shows."""

import uuid
from dataclasses import dataclass

from chat.models import ChatSession
from chat.threads import Tree, Turn

TURNS_PER_PAGE = 40


@dataclass(frozen=True)
class Window:
    """`start`: how many turns come before these. `is_end`: they reach to where it goes on.

    `unshown`: a message that was asked for is in a version of the conversation that is not shown
    now; the turns are that version's.
    """

    turns: list[Turn]
    start: int
    is_end: bool
    is_answering: bool
    unshown: uuid.UUID | None = None


def window(
    session: ChatSession, *, before: int | None = None, at: uuid.UUID | None = None
) -> Window:
    """The newest turns, those before the position `before`, or those around the message `at`."""
    tip = session.tip
    total = tip.position + 1 if tip else 0
    is_answering = tip is not None and tip.is_streaming
    place = None if at is None else session.messages.values_list("position", flat=True).get(pk=at)
    start, end = _part(total, place, before)
    if end < total and _is_straight(session, start if place is None else min(start, place), total):
        tree = Tree.of(session, since=start, until=end)
        return Window(tree.turns(tree.nodes), start, False, is_answering)
    if at is None:
        tree = Tree.of(session, since=start)
        nodes = tree.nodes_to(session.tip_id)[: end - start]
        return Window(tree.turns(nodes), start, end == total, is_answering)
    tree = Tree.of(session)
    path = tree.nodes_to(session.tip_id)
    unshown = None if any(node.pk == at for node in path) else at
    if unshown is not None:
        path = tree.nodes_to(tree.newest_leaf(at).pk)
    start, end = _part(len(path), place, before)
    is_end = end == len(path) and unshown is None
    return Window(tree.turns(path[start:end]), start, is_end, is_answering, unshown)


def _part(total: int, place: int | None, before: int | None) -> tuple[int, int]:
    """Positions of the first turn that is shown, and of the first one after."""
    end = total if place is None else place + TURNS_PER_PAGE // 2
    end = min(end if before is None else before, total)
    return max(0, end - TURNS_PER_PAGE), end


def _is_straight(session: ChatSession, since: int, total: int) -> bool:
    """Whether nothing from that position on has a second version: all there is, is shown. Of a long
    conversation only the part that is wanted need be read then."""
    return session.messages.filter(position__gte=since).count() == total - since
