"""A base model and what a training made of it, on examples it did not learn from:
`python evaluate.py <spec.json>`.

The spec: {"base", "tuned": LLaMA-Factory's inference arguments; "data": see read_records(), or
"probes": [{"question", "answer"?, "system"?}]; "general": texts; "limit", "max_new_tokens",
"results_path", "events_path"}. Both models get the same tokens and answer greedily. The results:
{"samples": [...], "general": {"base", "tuned"}, "left_out": n}; each sample has for either model
the answer, the summed loss of the expected answer and how many tokens that is.
"""

import json
import sys
from itertools import islice
from pathlib import Path
from typing import Any

from events import EventLog, plain
from loading import Loaded, Record, prepare_environment, probe_of, read_records, write_whole
from performing import leave, perform
from scoring import score

SIDES = ("base", "tuned")


def records_of(spec: dict[str, Any]) -> tuple[list[Record], int]:
    """What is asked, and how many more there would have been."""
    if spec.get("probes"):
        found = [probe_of(row) for row in spec["probes"]]
        return found[: spec["limit"]], max(0, len(found) - spec["limit"])
    records = read_records(spec["tuned"], spec["data"])
    chosen = list(islice(records, spec["limit"]))
    return chosen, sum(1 for _more in records)


def measure(loaded: Loaded, record: Record, max_new_tokens: int) -> dict[str, Any]:
    """One model on one record."""
    prompt, expected = loaded.encode(record, record.expected)
    found: dict[str, Any] = {"loss_sum": 0.0, "loss_tokens": 0}
    if expected:
        found["loss_sum"], found["loss_tokens"] = loaded.loss(prompt, expected)
    if record.rejected is not None:
        found["rejected_sum"], found["rejected_tokens"] = loaded.loss(
            *loaded.encode(record, record.rejected)
        )
    if not record.text:
        found["answer"] = loaded.text_of(loaded.answer(prompt, max_new_tokens))
        if record.expected is not None:
            found |= score(found["answer"], record.expected["content"]).as_json()
    return found


def general_loss(loaded: Loaded, texts: list[str]) -> float | None:
    """Per token, over texts that have nothing to do with the training."""
    sums = [loaded.loss(*loaded.encode(Record(text=text), None)) for text in texts]
    tokens = sum(count for _total, count in sums)
    return sum(total for total, _count in sums) / tokens if tokens else None


def evaluate(spec: dict[str, Any], events: EventLog) -> None:
    prepare_environment(*(str(spec[side]["model_name_or_path"]) for side in SIDES))
    records, left_out = records_of(spec)
    if not records:
        raise RuntimeError("Cannot find valid samples: there is nothing to evaluate on")
    rows: list[dict[str, Any]] = [_shown(record) for record in records]
    general: dict[str, float | None] = {}
    step, steps = 0, len(records) * len(SIDES)
    for side in SIDES:
        loaded = Loaded(spec[side])
        if side == SIDES[0]:
            events.write("started", step=0, max_steps=steps)
        for row, record in zip(rows, records, strict=True):
            row[side] = measure(loaded, record, spec["max_new_tokens"])
            step += 1
            events.write("progress", step=step, max_steps=steps)
        general[side] = general_loss(loaded, spec["general"])
        loaded.close()
    results = {"samples": rows, "general": general, "left_out": left_out}
    write_whole(Path(spec["results_path"]), json.dumps(plain(results), ensure_ascii=False))
    events.write("finished", step=step, max_steps=steps)


def _shown(record: Record) -> dict[str, Any]:
    expected = record.expected["content"] if record.expected else record.text
    return {"turns": list(record.turns), "system": record.system, "expected": expected}


if __name__ == "__main__":
    leave(perform(Path(sys.argv[1]), evaluate))
