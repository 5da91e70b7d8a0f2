"""What a batch comparison will take, before it starts: tokens and money, as far as they are known.

{"columns": [row of each model], "judge": row or None}. A row: {"label", "calls", "prompt_tokens",
"answer_tokens", "basis", "input_cost", "cost", "currency"}. `basis` says what the length of answers
was taken from: "limit" (they can be no longer), "references", or "" where nothing is known of it;
then `answer_tokens` and `cost` are None. Costs are texts of decimals; None is unknown, never zero.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from math import ceil
from typing import Any

from django.utils import timezone

from chat.batches.requests import JUDGE_PARAMETERS, judge_messages, messages_for
from chat.models import Batch, BatchPrompt
from llmplatform.schemas import plain
from providers.models import ProviderModel
from providers.services import Measurement, charge_of, target_of
from providers.types import Target, Usage

Row = dict[str, Any]


def estimate(
    batch: Batch, models: Sequence[ProviderModel], prompts: Sequence[BatchPrompt]
) -> dict[str, Any]:
    at = timezone.now()
    columns = [_column(batch, model, prompts, at) for model in models]
    return {"columns": columns, "judge": _judge(batch, columns, prompts, at)}


def tokens_in(text: str) -> int:
    measured = Measurement()
    measured.note_text(text)
    return ceil(measured.text_tokens)


def _column(
    batch: Batch, model: ProviderModel, prompts: Sequence[BatchPrompt], at: datetime
) -> Row:
    asked = [
        Measurement.of(messages_for(batch, prompt, model.system_prompt)).estimated_prompt or 0
        for prompt in prompts
    ]
    longest = batch.parameters.get("max_tokens") or model.max_tokens
    if longest:
        basis, answers = "limit", [int(longest)] * len(asked)
    elif all(prompt.reference for prompt in prompts):
        basis, answers = "references", [tokens_in(prompt.reference) for prompt in prompts]
    else:
        basis, answers = "", []
    return _row(str(model), target_of(model), asked, answers, basis, at)


def _judge(
    batch: Batch, columns: Sequence[Row], prompts: Sequence[BatchPrompt], at: datetime
) -> Row | None:
    """It reads each answer, so what is unknown of these is unknown here, too."""
    if batch.judge is None:
        return None
    without = [
        Measurement.of(judge_messages(batch, prompt, "")).estimated_prompt or 0
        for prompt in prompts
    ]
    is_known = all(column["basis"] for column in columns)
    asked = [
        tokens + column["answer_tokens"] // max(1, column["calls"])
        for column in (columns if is_known else ())
        for tokens in without
    ]
    answers = [int(JUDGE_PARAMETERS["max_tokens"])] * len(asked)
    row = _row(str(batch.judge), target_of(batch.judge), asked, answers, "limit", at)
    if not is_known:
        row |= {"prompt_tokens": None, "answer_tokens": None, "basis": ""}
        row |= {"input_cost": None, "cost": None}
    return row | {"calls": len(prompts) * len(columns)}


def _row(
    label: str,
    target: Target,
    asked: Sequence[int],
    answers: Sequence[int],
    basis: str,
    at: datetime,
) -> Row:
    input_cost, currency = _cost(target, asked, [0] * len(asked), at)
    cost = _cost(target, asked, answers, at)[0] if basis else None
    return {
        "label": label,
        "calls": len(asked),
        "prompt_tokens": sum(asked),
        "answer_tokens": sum(answers) if basis else None,
        "basis": basis,
        "input_cost": None if input_cost is None else plain(input_cost),
        "cost": None if cost is None else plain(cost),
        "currency": currency,
    }


def _cost(
    target: Target, asked: Sequence[int], answers: Sequence[int], at: datetime
) -> tuple[Decimal | None, str]:
    """Of all calls. Alike ones are priced once: most are of a length that many have."""
    total, currency, known = Decimal(0), "", {}
    for pair in zip(asked, answers, strict=True):
        if pair not in known:
            measured = Measurement(usage=Usage(prompt_tokens=pair[0], completion_tokens=pair[1]))
            known[pair] = charge_of(target=target, measured=measured, at=at)
        charge = known[pair]
        if charge.cost is None:
            return None, ""
        total, currency = total + charge.cost, charge.currency
    return total, currency
