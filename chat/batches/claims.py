"""Which calls of batch comparisons are made next. Called in threads.

A call whose process died is found by its silence and made again.
"""

import logging
import uuid
from collections.abc import Iterator

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from chat.batches import telling
from chat.batches.calls import ATTEMPTS_MAX, INTERRUPTED, Call, give_up, record, target_of_model
from chat.batches.requests import JUDGE_PARAMETERS, judge_messages, messages_for
from chat.models import Batch, BatchCell, BatchStatus, CellStatus
from providers.errors import NoSuchModel
from providers.models import Provider, ProviderModel
from providers.types import Target

logger = logging.getLogger(__name__)


def claim(room: int) -> list[Call]:
    """At most `room` calls that belong to the caller now. What has nothing left to do is done."""
    release_lost()
    calls: list[Call] = []
    now = timezone.now()
    due = Batch.objects.running().filter(owner__is_active=True)
    due = due.filter(Q(resting_until=None) | Q(resting_until__lte=now))
    rows = due.select_related("owner", "judge__provider").order_by(
        F("served_at").asc(nulls_first=True)
    )
    for batch in rows[:100]:
        _close_orphans(batch)
        for is_judge, provider_id in _stages(batch):
            if len(calls) < room:
                cells = _take(batch, provider_id, room - len(calls), is_judge=is_judge)
                calls += _prepared(batch, cells, is_judge=is_judge)
        settle(batch)
    return calls


def _stages(batch: Batch) -> Iterator[tuple[bool, int]]:
    """(is_judge, provider): what is begun is finished first."""
    if batch.judge is not None:
        yield True, batch.judge.provider_id
    columns = batch.columns.filter(model__isnull=False)
    for provider_id in columns.values_list("model__provider", flat=True).order_by().distinct():
        yield False, provider_id


def _close_orphans(batch: Batch) -> None:
    """Cells whose model, or whose judge, is deleted."""
    waiting = batch.cells.filter(status=CellStatus.WAITING, column__model=None)
    waiting.update(status=CellStatus.FAILED, error_code=NoSuchModel.code)
    if batch.judge is None:
        answered = batch.cells.filter(status=CellStatus.ANSWERED)
        answered.update(status=CellStatus.DONE, judgement={"error": NoSuchModel.code})


def _take(batch: Batch, provider_id: int, room: int, *, is_judge: bool) -> list[BatchCell]:
    """No more at a time than the provider is to be asked, by all comparisons together."""
    now = timezone.now()
    wanted = CellStatus.ANSWERED if is_judge else CellStatus.WAITING
    rows = batch.cells.filter(status=wanted).filter(Q(due_at=None) | Q(due_at__lte=now))
    rows = rows if is_judge else rows.filter(column__model__provider=provider_id)
    taken = []
    with transaction.atomic():
        # Whoever else claims for this provider waits here, so that the count holds.
        list(Provider.objects.select_for_update().filter(pk=provider_id).values_list("pk"))
        free = min(room, batch.calls_at_once - _busy(provider_id))
        for cell in rows.select_related("prompt", "column__model").order_by("pk")[: max(free, 0)]:
            cell.run, cell.batch = uuid.uuid4(), batch
            mine = BatchCell.objects.filter(pk=cell.pk, status=wanted)
            status = CellStatus.JUDGING if is_judge else CellStatus.ASKING
            if mine.update(status=status, run=cell.run, beat_at=now, attempts=F("attempts") + 1):
                cell.attempts += 1
                taken.append(cell)
        if taken:
            Batch.objects.filter(pk=batch.pk).update(served_at=now)
    return taken


def _busy(provider_id: int) -> int:
    asking = Q(status=CellStatus.ASKING, column__model__provider=provider_id)
    judging = Q(status=CellStatus.JUDGING, batch__judge__provider=provider_id)
    return BatchCell.objects.filter(asking).count() + BatchCell.objects.filter(judging).count()


def _prepared(batch: Batch, cells: list[BatchCell], *, is_judge: bool) -> Iterator[Call]:
    targets: dict[int, Target | None] = {}
    for cell in cells:
        model = batch.judge if is_judge else cell.column.model
        assert model is not None
        if model.pk not in targets:
            targets[model.pk] = target_of_model(batch, model)
        target = targets[model.pk]
        if target is None:
            give_up(cell, NoSuchModel.code, is_judge=is_judge, is_hopeless=True)
        else:
            yield _call(batch, cell, model, target, is_judge=is_judge)


def _call(
    batch: Batch, cell: BatchCell, model: ProviderModel, target: Target, *, is_judge: bool
) -> Call:
    if is_judge:
        messages = judge_messages(batch, cell.prompt, cell.answer)
    else:
        messages = messages_for(batch, cell.prompt, model.system_prompt)
    parameters = dict(JUDGE_PARAMETERS if is_judge else batch.parameters)
    assert cell.run is not None
    return Call(cell, cell.run, target, messages, parameters, is_judge)


def settle(batch: Batch) -> None:
    """Done, if nothing is open any more; the owner is told once."""
    if batch.cells.open().exists():
        return
    with transaction.atomic():
        rows = Batch.objects.running().filter(pk=batch.pk)
        if rows.update(status=BatchStatus.DONE, ended_at=timezone.now()):
            telling.tell(batch.pk)


def release_lost() -> int:
    """Calls whose process died are made again, unless they end every process that makes them; how
    many there were."""
    lost = list(
        BatchCell.objects.lost().select_related("batch__owner", "column__model__provider")[:500]
    )
    for cell in lost:
        _release(cell)
    if lost:
        logger.warning("%d calls of comparisons were interrupted: their process is gone", len(lost))
    return len(lost)


def _release(cell: BatchCell) -> None:
    is_judge = cell.status == CellStatus.JUDGING
    assert cell.run is not None
    with transaction.atomic():
        if cell.attempts >= ATTEMPTS_MAX:
            give_up(cell, INTERRUPTED, is_judge=is_judge)
        else:
            status = CellStatus.ANSWERED if is_judge else CellStatus.WAITING
            if not BatchCell.objects.lost().move(cell.pk, cell.run, status=status):
                return
        model = cell.batch.judge if is_judge else cell.column.model
        target = None if model is None else target_of_model(cell.batch, model)
        if target is not None:  # what it cost is unknown, and on the ledger as that
            call = Call(cell, cell.run, target, [], {}, is_judge)
            record(call, INTERRUPTED, INTERRUPTED)


def beat(runs: dict[int, uuid.UUID]) -> set[uuid.UUID]:
    """Their calls are alive; those that nobody wants any more."""
    now = timezone.now()
    rows = BatchCell.objects.filter(pk__in=runs)
    found = {
        pk: (run, status) for pk, run, status in rows.values_list("pk", "run", "batch__status")
    }
    wanted = [
        pk
        for pk, run in runs.items()
        if pk in found and found[pk][0] == run and found[pk][1] != BatchStatus.CANCELLED
    ]
    BatchCell.objects.filter(pk__in=wanted).update(beat_at=now)
    return {run for pk, run in runs.items() if pk not in wanted}
