"""What an evaluation found: kept as rows, summed up, and weighed."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from training.models import Evaluation, EvaluationSample, JudgeState, Outcome

SIDES = ("base", "tuned")
SCORES = ("exact", "rouge_1", "rouge_2", "rouge_l", "bleu")
# Nearer to the expected answer by less than this is no difference that a reader would see.
SCORE_MARGIN = 0.02
# The same for the loss, as a share of the base model's.
LOSS_MARGIN = 0.01
TEXT_CHARS = 100_000
Row = Mapping[str, Any]


def keep(evaluation: Evaluation, found: Row) -> None:
    """The runner's results as rows. Call it in a transaction; what was there is replaced."""
    evaluation.samples.all().delete()
    samples = [_sample(evaluation, i, row) for i, row in enumerate(found["samples"])]
    EvaluationSample.objects.bulk_create(samples, batch_size=200)
    evaluation.results = {side: _means(row[side] for row in found["samples"]) for side in SIDES}
    evaluation.results |= {"general": found["general"], "left_out": found["left_out"]}
    has_answers = any(sample.tuned_answer or sample.base_answer for sample in samples)
    if evaluation.judge_id is not None and has_answers:
        evaluation.judge_state = JudgeState.WAITING
    Evaluation.objects.filter(pk=evaluation.pk).update(
        results=evaluation.results, judge_state=evaluation.judge_state
    )


def _sample(evaluation: Evaluation, position: int, row: Row) -> EvaluationSample:
    turns = row["turns"]
    sides = {side: _scores(row[side]) for side in SIDES}
    return EvaluationSample(
        evaluation=evaluation,
        position=position,
        turns=turns,
        system=_storable(row["system"]),
        question=_storable(turns[-1]["content"] if turns else ""),
        expected=_storable(row["expected"]),
        base_answer=_storable(row["base"].get("answer", "")),
        tuned_answer=_storable(row["tuned"].get("answer", "")),
        outcome=outcome_of(sides["base"], sides["tuned"]),
        **sides,
    )


def _storable(text: str) -> str:
    """A model may say anything, also what no database keeps."""
    text = text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
    return text[:TEXT_CHARS]


def _scores(side: Row) -> dict[str, float]:
    found = {name: side[name] for name in SCORES if name in side}
    if side["loss_tokens"]:
        found["loss"] = side["loss_sum"] / side["loss_tokens"]
    if side.get("rejected_tokens") and "loss" in found:
        rejected = side["rejected_sum"] / side["rejected_tokens"]
        found["preferred"] = float(found["loss"] < rejected)
    return found


def outcome_of(base: Row, tuned: Row) -> str:
    """By the answers where an expected one is known, by the loss where there are none."""
    if "rouge_l" in base and "rouge_l" in tuned:
        lead = (tuned["exact"] - base["exact"]) or _beyond(
            tuned["rouge_l"] - base["rouge_l"], SCORE_MARGIN
        )
    elif "loss" in base and "loss" in tuned:
        lead = _beyond(base["loss"] - tuned["loss"], LOSS_MARGIN * base["loss"])
    else:
        return ""
    if lead == 0:
        return Outcome.TIE
    return Outcome.WIN if lead > 0 else Outcome.LOSS


def _beyond(difference: float, margin: float) -> float:
    return difference if abs(difference) > margin else 0.0


def _means(sides: Iterable[Row]) -> dict[str, float]:
    """Over the samples; the loss over all their tokens."""
    rows = list(sides)
    tokens = sum(row["loss_tokens"] for row in rows)
    found: dict[str, float] = {}
    if tokens:
        found["loss"] = sum(row["loss_sum"] for row in rows) / tokens
        found["perplexity"] = math.exp(min(found["loss"], 50))
    scored = [_scores(row) for row in rows]
    for name in (*SCORES, "preferred"):
        values = [row[name] for row in scored if name in row]
        if values:
            found[name] = sum(values) / len(values)
    return found


def comparison(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Rows of the table: {"name", "base", "tuned", "change", "is_better"}; None: no judgement."""
    results, rows = evaluation.results, []
    general = results.get("general") or {}
    values = {name: _pair(results, name) for name in ("loss", "perplexity", *SCORES, "preferred")}
    values["general_loss"] = (general.get("base"), general.get("tuned"))
    for name, (base, tuned) in values.items():
        if base is None or tuned is None:
            continue
        change = tuned - base
        is_lower_better = name in ("loss", "perplexity", "general_loss")
        is_better = None if not change else (change < 0) == is_lower_better
        row = {"name": name, "base": base, "tuned": tuned, "change": change}
        rows.append(row | {"is_better": is_better})
    return rows


def _pair(results: Row, name: str) -> tuple[float | None, float | None]:
    return results.get("base", {}).get(name), results.get("tuned", {}).get(name)
