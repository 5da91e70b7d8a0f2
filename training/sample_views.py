"""Sample answers side by side over time."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from training.models import Sample

# Columns on the page: the first step, then the latest ones.
STEPS_SHOWN = 6


@dataclass(frozen=True)
class SampleTable:
    """`rows`: (prompt, [answer of each step]); an answer None was not given."""

    steps: list[int]
    rows: list[tuple[str, list[str | None]]]
    hidden: int

    def __bool__(self) -> bool:
        return bool(self.rows)


def sample_rows(workload_id: UUID, limit: int = STEPS_SHOWN) -> SampleTable:
    samples = Sample.objects.filter(workload_id=workload_id)
    steps = sorted(set(samples.values_list("step", flat=True)))
    shown = steps if len(steps) <= limit else [steps[0], *steps[1 - limit :]]
    prompts: dict[int, str] = {}
    answers: dict[tuple[int, int], str] = {}
    rows: Any = samples.filter(step__in=shown).order_by("position", "step")
    for row in rows:
        prompts[row.position] = row.prompt
        answers[row.position, row.step] = row.output
    table = [
        (prompt, [answers.get((position, step)) for step in shown])
        for position, prompt in sorted(prompts.items())
    ]
    return SampleTable(shown, table, len(steps) - len(shown))
