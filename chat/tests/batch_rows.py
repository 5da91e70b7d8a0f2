"""Batch comparisons for tests: models that answer without a network, and made results."""

from collections.abc import Sequence
from typing import Any

from accounts.models import User
from chat.batches import services as batches
from chat.batches import sources
from chat.models import Batch, BatchStatus, CellStatus
from providers.models import ProviderModel


def make_batch(
    owner: User, models: Sequence[ProviderModel], text: str = "one => one\ntwo", **options: Any
) -> Batch:
    return batches.create(
        owner=owner,
        name=options.pop("name", "Support questions"),
        models=models,
        reading=sources.from_lines(text),
        source="typed",
        **options,
    )


def finished(batch: Batch) -> Batch:
    """Every answer repeats its prompt, each model a little slower than the one before."""
    for cell in batch.cells.select_related("prompt", "column"):
        cell.status, cell.answer = CellStatus.DONE, f"{cell.column.label}: {cell.prompt.text}"
        cell.duration_ms, cell.ttft_ms = 1000 * (cell.column.position + 1), 200
        cell.prompt_tokens, cell.completion_tokens = 12, 40
        cell.save()
    Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.DONE)
    batch.refresh_from_db()
    return batch
