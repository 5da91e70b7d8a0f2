"""Celery tasks of chat."""

from uuid import UUID

from celery import shared_task

from chat import forgetting, reaping
from chat.models import Batch, BatchCell, ChatImport, Collection, TrainingConsent

FILL_S = 40.0


@shared_task(name="chat.tasks.reap")
def reap() -> None:
    reaping.reap_lost()


@shared_task(name="chat.tasks.run_batches", expires=10)
def run_batches() -> None:
    """Wakes the loop of this worker that makes the calls of batch comparisons."""
    if Batch.objects.running().exists() or BatchCell.objects.lost().exists():
        from chat.batches.running import runner  # only here: most workers never compare

        runner.look()


@shared_task(name="chat.tasks.tend_examples")
def tend_examples() -> None:
    """What is asked for and takes longer than a request may."""
    if TrainingConsent.objects.filter(is_leaving=True).exists():
        from chat import withdrawing  # only now: a worker is smaller without it

        withdrawing.leave_all()
    if Collection.objects.waiting().exists():
        from chat import collecting

        collecting.collect_waiting()


@shared_task(name="chat.tasks.tell_thumb")
def tell_thumb(message_id: str) -> None:
    from chat import forwarding  # only here: a worker is smaller without it

    forwarding.tell(UUID(message_id))


@shared_task(name="chat.tasks.fill_search")
def fill_search() -> None:
    """Messages that are older than the index; at once done where there are none."""
    from chat.search import filling

    filling.fill(FILL_S)


@shared_task(name="chat.tasks.forget", expires=600)
def forget() -> None:
    """What nobody sends or starts, and what was deleted long ago."""
    reaping.forget_unsent()
    forgetting.forget_imports()
    forgetting.forget_deleted()


@shared_task(name="chat.tasks.look_at_imports", expires=30)
def look_at_imports() -> None:
    """Processes for imports that wait."""
    if ChatImport.objects.filter(status__in=("queued", "running")).exists():
        from chat.importing import work  # only now: a worker is smaller without it

        work.look()
