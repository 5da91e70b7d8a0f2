"""A call of a batch comparison, and what comes of it. Called in threads.

A call owns its cell by `run`: whatever it does to the cell is refused once somebody else owns it,
so that no answer is written twice.
"""

import hashlib
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from chat.batches import checks, telling
from chat.models import CALLING, Batch, BatchCell, BatchStatus, CellStatus
from providers.errors import NoSuchModel
from providers.models import ProviderModel
from providers.services import Measurement, charge_of, record_call, resolve_chat_target
from providers.types import ChatMessage, ChatRequest, Said, Target

SOURCE = "batch"
ATTEMPTS_MAX = 4
INTERRUPTED = "interrupted"


@dataclass
class Call:
    """One claimed cell. `is_judge`: its answer is there, and is judged."""

    cell: BatchCell
    run: uuid.UUID
    target: Target
    messages: list[ChatMessage]
    parameters: dict[str, Any]
    is_judge: bool
    said: Said = field(default_factory=Said)
    is_unwanted: bool = False
    measured: Measurement = field(init=False)

    def __post_init__(self) -> None:
        self.measured = Measurement.of(self.messages)

    @property
    def batch(self) -> Batch:
        return self.cell.batch

    def request(self) -> ChatRequest:
        return self.target.streamed(self.messages, self.parameters)

    @property
    def free_status(self) -> str:
        """Of its cell while nobody works on it."""
        return CellStatus.ANSWERED if self.is_judge else CellStatus.WAITING


def target_of_model(batch: Batch, model: ProviderModel) -> Target | None:
    with suppress(NoSuchModel):
        return resolve_chat_target(user=batch.owner, model_pk=model.pk)
    return None


def keep_answer(call: Call) -> None:
    """What a model has said, and what its checks say of it."""
    batch, cell = call.batch, call.cell
    found = checks.results_of(batch.checks, answer=call.said.text, reference=cell.prompt.reference)
    usage, is_estimated = call.measured.final_usage()
    at = timezone.now()
    charge = charge_of(target=call.target, measured=call.measured, at=at)
    changes = {
        "status": CellStatus.ANSWERED if batch.judge_id else CellStatus.DONE,
        "attempts": 0,
        "answer": call.said.text,
        "answer_digest": hashlib.sha256(call.said.text.encode()).hexdigest(),
        "thoughts": call.said.thoughts,
        "finish_reason": call.measured.finish_reason[:40],
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "is_estimated": is_estimated,
        "cost": charge.cost,
        "currency": charge.currency,
        "ttft_ms": call.measured.ttft_ms,
        "duration_ms": call.measured.duration_ms,
        "checks": found,
        "passed": checks.passed(found),
    }
    with transaction.atomic():
        BatchCell.objects.move(cell.pk, call.run, **changes)
        record(call, "done")


def keep_verdict(call: Call, score: int, reason: str) -> None:
    changes = {"score": score, "judgement": {"reason": reason}}
    with transaction.atomic():
        BatchCell.objects.move(call.cell.pk, call.run, status=CellStatus.DONE, **changes)
        record(call, "done")


def record(call: Call, status: str, code: str = "") -> None:
    record_call(
        target=call.target,
        user=call.batch.owner,
        source=SOURCE,
        status=status,
        error_code=code,
        measured=call.measured,
        call_id=call.run,
    )


def give_back(call: Call, *, after_s: float = 0, is_attempt: bool = False) -> None:
    """Somebody asks it again, not before `after_s`. `is_attempt`: this one counts."""
    changes: dict[str, Any] = {"status": call.free_status}
    changes["attempts"] = call.cell.attempts if is_attempt else call.cell.attempts - 1
    if after_s:
        changes["due_at"] = timezone.now() + timedelta(seconds=after_s)
    BatchCell.objects.move(call.cell.pk, call.run, **changes)


def give_up(cell: BatchCell, code: str, *, is_judge: bool, is_hopeless: bool = False) -> None:
    """It stays without an answer, or without a score. `is_hopeless`: so do those that would be
    asked of the same model."""
    assert cell.run is not None
    changes: dict[str, Any] = {"status": CellStatus.FAILED, "error_code": code}
    rows = BatchCell.objects.filter(column=cell.column_id, status=CellStatus.WAITING)
    if is_judge:
        changes = {"status": CellStatus.DONE, "judgement": {"error": code}}
        rows = BatchCell.objects.filter(batch=cell.batch_id, status=CellStatus.ANSWERED)
    with transaction.atomic():
        BatchCell.objects.move(cell.pk, cell.run, **changes)
        if is_hopeless:
            rows.update(**changes)


def rest(batch: Batch, seconds: float) -> None:
    """A limit of a minute, ours or the provider's: nothing new is asked for a while."""
    until = timezone.now() + timedelta(seconds=seconds)
    Batch.objects.filter(pk=batch.pk).update(resting_until=until)


def halt(batch: Batch, code: str) -> None:
    """Pause by itself, and say why."""
    with transaction.atomic():
        rows = Batch.objects.running().filter(pk=batch.pk)
        if rows.update(status=BatchStatus.PAUSED, reason=code):
            telling.tell(batch.pk)


def has_others(call: Call) -> bool:
    """Whether more of the same comparison is being asked now."""
    return call.batch.cells.filter(status__in=CALLING).exclude(pk=call.cell.pk).exists()
