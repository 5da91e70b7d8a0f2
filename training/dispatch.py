"""Nudges for the workers. Each may be lost: beat looks at everything again within seconds."""

from django.db import transaction

from llmplatform import errands
from training.models import Node, Workload

EXPIRES_S = 30


def _send(task: str, *args: str, queue: str | None = None) -> None:
    errands.send(f"training.tasks.{task}", *args, queue=queue, expires_s=EXPIRES_S)


def look_at_queue() -> None:
    """Something wants to run, or a place is free."""
    transaction.on_commit(lambda: _send("schedule"))


def look_at_datasets() -> None:
    """Work on a dataset waits, or has ended."""
    transaction.on_commit(lambda: _send("look_at_datasets"))


def sweep_datasets() -> None:
    """The files of a deleted dataset take room."""
    _send("sweep_datasets")


def reconcile(workload: Workload) -> None:
    """The node of `workload` should look at it now."""
    if workload.node is not None:
        queue, pk = workload.node.queue, str(workload.pk)
        transaction.on_commit(lambda: _send("reconcile", pk, queue=queue))


def tick(node: Node) -> None:
    _send("tick", queue=node.queue)


def answer_tokens(node: Node) -> None:
    """`node` should look at the requests for tokens."""
    _send("answer_tokens", queue=node.queue)


def judge(evaluation_id: str) -> None:
    _send("judge", evaluation_id)
