"""Nudges for the worker. Each may be lost: beat looks at everything again within a minute."""

from django.db import transaction

from llmplatform import errands

EXPIRES_S = 60


def tend_examples() -> None:
    """Something waits to be collected, or to be left out."""
    transaction.on_commit(lambda: errands.send("chat.tasks.tend_examples", expires_s=EXPIRES_S))
