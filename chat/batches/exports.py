"""A batch comparison as a file: CSV with a line for every answer, JSON with everything."""

import json
from collections.abc import Iterator
from typing import Any

from chat.batches.checks import label_of
from chat.batches.schemas import BatchOut
from chat.models import Batch, BatchCell
from llmplatform.schemas import plain

ROWS_AT_ONCE = 200
COLUMNS = (
    *("position", "prompt", "reference", "model", "status", "error", "answer", "passed", "checks"),
    *("score", "reason", "prompt_tokens", "completion_tokens", "tokens_estimated", "cost"),
    *("currency", "ttft_ms", "duration_ms", "tokens_per_second", "finish_reason"),
)


def _cells(batch: Batch) -> Iterator[BatchCell]:
    """By prompt and column, a few at a time: answers may be long, and no cursor is to stay open
    while somebody downloads."""
    rows, last = batch.cells.select_related("prompt", "column").order_by("pk"), 0
    while found := list(rows.filter(pk__gt=last)[:ROWS_AT_ONCE]):
        yield from found
        last = found[-1].pk


def figures(cell: BatchCell) -> dict[str, Any]:
    speed = cell.tokens_per_second
    return {
        "prompt_tokens": cell.prompt_tokens,
        "completion_tokens": cell.completion_tokens,
        "tokens_estimated": cell.is_estimated,
        "cost": None if cell.cost is None else plain(cell.cost),
        "currency": cell.currency,
        "ttft_ms": cell.ttft_ms,
        "duration_ms": cell.duration_ms,
        "tokens_per_second": None if speed is None else round(speed, 1),
        "finish_reason": cell.finish_reason,
    }


def csv_rows(batch: Batch) -> Iterator[list[Any]]:
    """As COLUMNS; `checks` names those that were not passed."""
    names = [label_of(check) for check in batch.checks]
    for cell in _cells(batch):
        missed = [name for name, held in zip(names, cell.checks, strict=False) if held is False]
        yield [
            cell.prompt.position,
            cell.prompt.text,
            cell.prompt.reference,
            cell.column.label,
            cell.status,
            cell.error_code,
            cell.answer,
            cell.passed,
            "; ".join(missed),
            cell.score,
            cell.judgement.get("reason", ""),
            *figures(cell).values(),
        ]


def json_pieces(batch: Batch) -> Iterator[str]:
    """{"comparison": …, "prompts": [{…, "answers": […]}]}, one prompt a piece."""
    head = BatchOut.from_orm(batch).model_dump(mode="json")
    yield f'{{"comparison": {_text(head)}, "prompts": ['
    current: dict[str, Any] = {}
    is_first = True
    for cell in _cells(batch):
        if current.get("position") != cell.prompt.position:
            if current:
                yield _piece(current, is_first=is_first)
                is_first = False
            current = {
                "position": cell.prompt.position,
                "before": cell.prompt.before,
                "prompt": cell.prompt.text,
                "reference": cell.prompt.reference,
                "answers": [],
            }
        current["answers"].append(_answer(cell))
    if current:
        yield _piece(current, is_first=is_first)
    yield "]}\n"


def _answer(cell: BatchCell) -> dict[str, Any]:
    return {
        "model": cell.column.label,
        "status": cell.status,
        "error": cell.error_code,
        "answer": cell.answer,
        "thoughts": cell.thoughts,
        "checks": cell.checks,
        "passed": cell.passed,
        "score": cell.score,
        "judgement": cell.judgement,
        **figures(cell),
    }


def _piece(prompt: dict[str, Any], *, is_first: bool) -> str:
    return f"{'' if is_first else ','}\n{_text(prompt)}"


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
