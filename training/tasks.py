"""Short nudges; the database holds every job. Losing or doubling one does no harm."""

from typing import Any

from celery import shared_task
from celery.signals import worker_ready

from training import (
    answering,
    dataset_files,
    dataset_work,
    dispatch,
    mirroring,
    nodes,
    scheduling,
)
from training import reconcile as reconciling
from training.models import Evaluation, Node, Workload


@shared_task(expires=30)
def schedule() -> None:
    """Places for whoever waits."""
    for workload in scheduling.grant_waiting():
        dispatch.reconcile(workload)


@shared_task(expires=30)
def reconcile(workload_id: str) -> None:
    """On the node that holds the lease."""
    workload = Workload.objects.active().filter(pk=workload_id).first()
    if workload is not None and workload.node and workload.node.name == nodes.local_name():
        reconciling.reconcile(workload)


@shared_task(expires=30)
def look_at_datasets() -> None:
    """Processes for the work on datasets that waits."""
    dataset_work.look()


@shared_task(expires=30)
def sweep_datasets() -> None:
    """Files of deleted datasets."""
    dataset_files.sweep()


@shared_task(expires=10)
def tick() -> None:
    """On each node, every few seconds: be there, and look after what runs here."""
    node = nodes.beat()
    reconciling.reconcile_node(node)
    mirroring.look_after(node)


@shared_task(expires=10)
def beat() -> None:
    """Every few seconds, anywhere: reap, grant, and wake the nodes."""
    reconciling.reap()
    schedule()
    for node in Node.objects.recent():
        dispatch.tick(node)
    dataset_work.look()
    for evaluation_id in Evaluation.objects.awaiting_judge().values_list("pk", flat=True):
        dispatch.judge(str(evaluation_id))


@shared_task(expires=30)
def judge(evaluation_id: str) -> None:
    """A slice of a judge's work; the next one follows."""
    from training import judging  # only here: most workers never judge

    evaluation = judging.claim(evaluation_id)
    if evaluation is not None and judging.judge(evaluation):
        dispatch.judge(evaluation_id)


@shared_task(expires=30)
def answer_tokens() -> None:
    """On a node with the training environment, for a web process without."""
    answering.start_answering()


@shared_task(expires=600)
def forget() -> None:
    nodes.forget_old_samples()
    dataset_work.forget_stale_uploads()
    dataset_work.forget_unsaved()
    dataset_work.forget_old()
    dataset_files.sweep()
    dataset_files.remove_old_exports()


@worker_ready.connect
def on_worker_ready(sender: Any = None, **kwargs: Any) -> None:
    """A node joins by starting a worker on its queue."""
    queues = getattr(getattr(sender, "task_consumer", None), "queues", [])
    if any(getattr(queue, "name", "").startswith("node.") for queue in queues):
        node = nodes.register()
        reconciling.reconcile_node(node)
        dispatch.look_at_queue()
