"""Nudges for the workers. Each may be lost: beat looks at everything again within seconds."""

from collections.abc import Iterable
from uuid import UUID

from django.db import transaction

from llmplatform import errands

EXPIRES_S = 30


def look_at_documents() -> None:
    """Documents, indexes or assessments wait."""
    task = "knowledge.tasks.look"
    transaction.on_commit(lambda: errands.send(task, expires_s=EXPIRES_S))


def drop_spaces(spaces: Iterable[UUID]) -> None:
    """Their base is gone, and nobody will search them."""
    for space in spaces:
        errands.send("knowledge.tasks.drop_space", str(space), expires_s=EXPIRES_S)
