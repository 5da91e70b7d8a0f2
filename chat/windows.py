"""The part of a conversation that a page shows."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from chat.models import ChatSession
from chat.threads import Node, Tree, Turn

TURNS_PER_PAGE = 60


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
    if at is not None:
        return _around(session, at, before, is_answering)
    end = total if before is None else min(before, total)
    start = max(0, end - TURNS_PER_PAGE)
    tree = Tree.of(session, since=start)
    nodes = tree.nodes_to(session.tip_id)[: end - start]
    return Window(tree.turns(nodes), start, end == total, is_answering)


def _around(session: ChatSession, at: uuid.UUID, before: int | None, is_answering: bool) -> Window:
    tree = Tree.of(session)
    path = tree.nodes_to(session.tip_id)
    unshown = None if any(node.pk == at for node in path) else at
    if unshown is not None:
        path = tree.nodes_to(tree.newest_leaf(at).pk)
    end = min(len(path), _position(path, at) + TURNS_PER_PAGE // 2 if before is None else before)
    start = max(0, end - TURNS_PER_PAGE)
    is_end = end == len(path) and unshown is None
    return Window(tree.turns(path[start:end]), start, is_end, is_answering, unshown)


def _position(path: Sequence[Node], message_id: uuid.UUID) -> int:
    return next(node.position for node in path if node.pk == message_id)
