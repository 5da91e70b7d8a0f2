"""How many steps a training has and how long it takes, learned from the runs there were."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from training.llamafactory import save_and_eval_steps
from training.memory import Setup
from training.models import BaseModel, Dataset, Forecast, Method, Status
from training.shapes import Shape

RUNS_CONSIDERED = 5
START_S = 15.0  # until the first step, where no run has told better
# Characters of a stored record that make a token: English about 4, Chinese about 1.5, with quotes
# and names of columns around it.
BYTES_A_TOKEN = 4.0
# Multiplications and additions a parameter and token (Kaplan et al., arXiv 2001.08361, section
# 2.1): forward 2, backward 4, or 2 where weights stay as they are; checkpointing forwards twice.
WORK_FORWARD, WORK_BACKWARD, WORK_BACKWARD_FROZEN = 2, 4, 2
# Dense half-precision TFLOPS by the makers' data sheets, of which trainings reach about a third.
TFLOPS = {"H200": 989, "H100": 989, "H800": 989, "A100": 312, "A800": 312, "L40S": 362, "L40": 181}
TFLOPS |= {"RTX 4090": 165, "RTX 3090": 71, "A10": 125, "L4": 121, "V100": 125, "T4": 65}
REACHED = 0.3
CPU_CORE_FLOPS = 8e9
STEP_S = {True: 0.05, False: 0.08}  # what a step costs whatever is in it


@dataclass(frozen=True)
class Pace:
    """Seconds before the first step and for a unit of work. `basis`: same (runs of this model,
    stage and method), similar (runs of this kind of device), or nominal (data sheets).
    `is_counted`: for work told from counted tokens, not from the size of the file."""

    start_s: float
    a_unit_s: float
    basis: str
    runs: int
    is_counted: bool = False


def train_records(records: int, parameters: Mapping[str, Any]) -> int:
    records = min(records, int(parameters.get("max_samples") or records))
    held_out = float(parameters.get("val_size") or 0)
    if held_out >= 1:
        return max(0, records - int(held_out))
    return records - math.ceil(records * held_out)


@dataclass(frozen=True)
class Data:
    """What there is to learn from. `tokens`: of one record, without what is cut off; `evaluated`:
    records that each evaluation looks at."""

    records: int
    evaluated: int
    tokens: float


def data_of(
    dataset: Dataset, parameters: Mapping[str, Any], *, eval_dataset: Dataset | None = None
) -> Data:
    """With the tokens that the size of the file suggests."""
    length = dataset.size_bytes / max(1, dataset.records + dataset.rejected) / BYTES_A_TOKEN
    learned = train_records(dataset.records, parameters)
    if eval_dataset is None:
        whole = {**parameters, "max_samples": None}
        evaluated = dataset.records - train_records(dataset.records, whole)
    else:
        most = int(parameters.get("max_samples") or eval_dataset.records)
        evaluated = min(eval_dataset.records, most)
    return Data(learned, evaluated, max(1.0, min(length or 256.0, _cutoff(parameters))))


def counted_tokens(
    dataset: Dataset, base_model: BaseModel, parameters: Mapping[str, Any]
) -> float | None:
    """Of one record, by the tokenizer of this base model, else of another one, which differs less
    than a guess. None where the statistics of the dataset have not counted them."""
    rows = list(dataset.statistics.filter(base_model__isnull=False))
    rows.sort(key=lambda row: row.base_model_id != base_model.pk)
    lengths = rows[0].result.get("lengths", []) if rows else []
    records = sum(count for _length, count in lengths)
    if not records:
        return None
    total = sum(min(length, _cutoff(parameters)) * count for length, count in lengths)
    return max(1.0, float(total / records))


def _cutoff(parameters: Mapping[str, Any]) -> float:
    return float(parameters.get("cutoff_len") or 1024)


def is_packed(setup: Setup) -> bool:
    packs = setup.parameters.get("packing")
    if packs is None:
        return setup.stage == "pt" or bool(setup.parameters.get("neat_packing"))
    return bool(packs)


def steps_of(data: Data, setup: Setup) -> int:
    """As the trainer counts; where examples are packed, from their length."""
    parameters = setup.parameters
    if parameters.get("max_steps"):
        return int(parameters["max_steps"])
    sequences: float = data.records
    if is_packed(setup):
        tokens = sequences * data.tokens
        sequences = max(1, math.ceil(tokens / int(parameters.get("cutoff_len") or 1024)))
    at_once = int(parameters.get("per_device_train_batch_size") or 1) * max(1, setup.devices)
    batches = math.ceil(sequences / at_once)
    per_epoch = math.ceil(batches / int(parameters.get("gradient_accumulation_steps") or 1))
    return math.ceil(per_epoch * float(parameters.get("num_train_epochs") or 3))


def work_of(shape: Shape | None, data: Data, setup: Setup, steps: int) -> float:
    """Floating point operations on each device, evaluations included."""
    parameters = setup.parameters
    length = data.tokens
    if is_packed(setup):
        length = float(parameters.get("cutoff_len") or 1024)
    sequences: float = steps * int(parameters.get("per_device_train_batch_size") or 1)
    sequences *= int(parameters.get("gradient_accumulation_steps") or 1)
    backward: float = WORK_BACKWARD if setup.method == Method.FULL else WORK_BACKWARD_FROZEN
    a_token = WORK_FORWARD + backward
    if not parameters.get("disable_gradient_checkpointing"):
        a_token += WORK_FORWARD
    if setup.stage in ("dpo", "kto", "rm"):
        a_token *= 3 if setup.stage != "rm" else 2
    seen = sequences * a_token
    seen += _evaluated(data, setup, steps) * WORK_FORWARD / max(1, setup.devices)
    return seen * length * (shape.parameters if shape else 1e9)


def _evaluated(data: Data, setup: Setup, steps: int) -> float:
    """Examples that all evaluations together look at."""
    parameters = setup.parameters
    if parameters.get("eval_strategy") == "no":
        return 0
    if parameters.get("eval_strategy") == "epoch":
        return data.evaluated * math.ceil(float(parameters.get("num_train_epochs") or 3))
    return data.evaluated * (steps // save_and_eval_steps(parameters)["eval_steps"])


def seconds_of(pace: Pace, work: float, steps: int, *, is_gpu: bool) -> int:
    seconds = pace.a_unit_s * work
    if pace.basis != "same":
        seconds = max(seconds, steps * STEP_S[is_gpu])
    return round(pace.start_s + seconds)


def pace_of(
    *,
    base_model: BaseModel,
    setup: Setup,
    is_gpu: bool,
    device: str,
    cores: int,
    is_counted: bool = False,
) -> Pace:
    """From everybody's runs: the machine's pace is nobody's secret. `is_counted`: the tokens of
    this training are."""
    measured = Forecast.objects.filter(
        job__status=Status.SUCCESS, is_gpu=is_gpu, took_s__gt=0, work__gt=0
    ).order_by("-pk")
    same = measured.filter(
        job__base_model=base_model, job__stage=setup.stage, job__method=setup.method
    )
    if rows := list(same[:RUNS_CONSIDERED]):
        return _learned(rows, "same", is_counted=is_counted)
    if rows := list(measured[: RUNS_CONSIDERED * 4]):
        return _learned(rows, "similar", is_counted=is_counted)
    a_unit_s = 1 / nominal_flops(device, cores, is_gpu=is_gpu)
    return Pace(START_S, a_unit_s, "nominal", 0, is_counted)


def _learned(rows: Sequence[Forecast], basis: str, *, is_counted: bool) -> Pace:
    """From the runs whose tokens were counted, if those of this one are; else from all, and both
    by the size of the file: one measure must not be set against the other."""
    if is_counted and (counted := [row for row in rows if row.counted_work]):
        rows = counted
    else:
        is_counted = False
    starts = [row.start_s for row in rows if row.start_s is not None]
    start = statistics.median(starts) if starts else START_S
    units = [
        max(0.0, (row.took_s or 0) - (start if row.start_s is None else row.start_s))
        / ((row.counted_work or row.work) if is_counted else row.work)
        for row in rows
    ]
    return Pace(start, statistics.median(units), basis, len(rows), is_counted)


def nominal_flops(device: str, cores: int, *, is_gpu: bool) -> float:
    if not is_gpu:
        return max(1, cores) * CPU_CORE_FLOPS
    known = [figure for name, figure in TFLOPS.items() if name in device]
    return (known[0] if known else 60) * 1e12 * REACHED


def memory_factor(*, base_model: BaseModel, setup: Setup, is_gpu: bool) -> tuple[float, int]:
    """What past peaks were to the formula, and how many those were; 1 and 0 where there are none.

    Runs of the same model, stage and method count; else three or more of the method.
    """
    measured = Forecast.objects.filter(
        is_gpu=is_gpu,
        job__method=setup.method,
        job__status=Status.SUCCESS,
        peak_bytes__gt=0,
        rule_memory_bytes__gt=0,
    ).order_by("-pk")
    same = measured.filter(job__base_model=base_model, job__stage=setup.stage)
    ratios = _ratios(same)
    if not ratios:
        ratios = _ratios(measured)
        ratios = ratios if len(ratios) >= 3 else []
    if not ratios:
        return 1.0, 0
    return min(3.0, max(0.3, statistics.median(ratios))), len(ratios)


def _ratios(rows: Any) -> list[float]:
    values = rows.values_list("peak_bytes", "rule_memory_bytes")[:RUNS_CONSIDERED]
    return [peak / rule for peak, rule in values]
