"""Six ill curves and a healthy one."""

import math
import random
from collections.abc import Callable

import pytest

from training.doctor import Doctor, Finding

STEP_S = 2.0


class Patient:
    """A run of which the doctor is told step by step."""

    def __init__(self) -> None:
        self.doctor = Doctor()
        self.found: list[Finding] = []
        self.at = 1_700_000_000.0

    def step(self, step: int, *, percent: float = 90, **values: float | None) -> None:
        self.at += STEP_S
        self.doctor.progress(step, self.at)
        self.found += self.doctor.metrics(step, values)
        gpus = [{"index": 0, "percent": percent}]
        self.found += self.doctor.hardware(self.at, gpus)
        self.found += self.doctor.look(self.at)

    @property
    def kinds(self) -> list[str]:
        return [finding.kind for finding in self.found]


def falling(step: int, order: random.Random) -> float:
    """Noisy as with a batch of one: single steps stick out far."""
    loss = 0.4 + 2.2 * math.exp(-step / 60) + order.gauss(0, 0.08)
    return loss * (1.9 if step % 41 == 0 else 1)


def healthy(seed: int) -> Patient:
    patient, order = Patient(), random.Random(seed)
    for step in range(1, 301):
        evaluation = {"eval_loss": 0.5 + 2 * math.exp(-step / 60)} if step % 20 == 0 else {}
        patient.step(step, loss=falling(step, order), grad_norm=1.0, **evaluation)
    return patient


@pytest.mark.parametrize("seed", range(20))
def test_a_healthy_run_gets_no_note(seed: int) -> None:
    assert healthy(seed).found == []


def test_a_converged_run_is_not_flat() -> None:
    patient, order = Patient(), random.Random(1)
    for step in range(1, 600):
        patient.step(step, loss=0.2 + 2 * math.exp(-step / 15) + order.gauss(0, 0.01))
    assert patient.found == []


def _nan(patient: Patient) -> None:
    for step in range(1, 80):
        patient.step(step, loss=falling(step, random.Random(step)) if step < 50 else None)


def _jump(patient: Patient) -> None:
    order = random.Random(3)
    for step in range(1, 120):
        patient.step(step, loss=falling(step, order) if step < 70 else 6 + order.random())


def _flat(patient: Patient) -> None:
    order = random.Random(4)
    for step in range(1, 120):
        patient.step(step, loss=2.5 + order.gauss(0, 0.05))


def _rising(patient: Patient) -> None:
    order = random.Random(5)
    for step in range(1, 301):
        evaluation = {"eval_loss": 1 + abs(step - 120) / 200} if step % 20 == 0 else {}
        patient.step(step, loss=falling(step, order), **evaluation)


def _gpu_idle(patient: Patient) -> None:
    order = random.Random(6)
    for step in range(1, 200):
        patient.step(step, loss=falling(step, order), percent=2 if step > 100 else 95)


def _stalled(patient: Patient) -> None:
    order = random.Random(7)
    for step in range(1, 100):
        patient.step(step, loss=falling(step, order))
    for _second in range(180):
        patient.at += 1
        patient.found += patient.doctor.look(patient.at)


@pytest.mark.parametrize(
    ("kind", "step", "curve"),
    [
        ("nan", 50, _nan),
        ("jump", 70, _jump),
        ("flat", 60, _flat),
        ("rising", 180, _rising),
        ("gpu_idle", 161, _gpu_idle),
        ("stalled", 99, _stalled),
    ],
)
def test_an_ill_run_gets_its_one_note(
    kind: str, step: int, curve: Callable[[Patient], None]
) -> None:
    patient = Patient()
    curve(patient)
    assert [(found.kind, found.step) for found in patient.found] == [(kind, step)]


def test_a_loss_that_explodes_at_once_is_a_jump() -> None:
    patient = Patient()
    # A real run at a learning rate of 1 without clipping.
    curve = (6.6, 26, 38, 39, 42, 40, 52, 47, 58, 59, 69, 60, 66, 68, 79, 69, 62, 58, 59, 48, 42)
    for step, loss in enumerate(curve, 1):
        patient.step(step, loss=loss)
    for step in range(len(curve) + 1, 120):  # it stays there: nothing new, and not "flat" either
        patient.step(step, loss=40)
    assert [(found.kind, found.step) for found in patient.found] == [("jump", 2)]
    assert patient.found[0].facts == {"before": 6.6, "after": 39}


def test_a_loss_that_creeps_upwards_is_not_called_flat() -> None:
    patient = Patient()
    for step in range(1, 120):
        patient.step(step, loss=2.5 + step / 30)
    assert patient.kinds == ["jump"]
    assert patient.found[0].facts["after"] > 1.5 * patient.found[0].facts["before"]


def test_an_easy_first_example_is_no_alarm() -> None:
    patient, order = Patient(), random.Random(10)
    patient.step(1, loss=0.7)
    for step in range(2, 200):
        patient.step(step, loss=falling(step, order) * 0.8)
    assert patient.found == []


def test_what_was_told_before_is_not_told_again() -> None:
    doctor = Doctor(known=["nan"])
    assert doctor.metrics(5, {"loss": None}) == []


def test_a_second_jump_after_calm_is_news() -> None:
    patient, order = Patient(), random.Random(8)
    for step in range(1, 200):
        height = 3 - step / 30 if step < 60 else 4 if step < 120 else 16
        patient.step(step, loss=height + order.gauss(0, 0.05))
    assert patient.kinds == ["jump", "jump"]


def test_a_slow_evaluation_is_no_stall() -> None:
    patient, order = Patient(), random.Random(9)
    for step in range(1, 100):
        patient.step(step, loss=falling(step, order))
        if step % 25 == 0:
            patient.at += 55
    for _second in range(100):
        patient.at += 1
        patient.found += patient.doctor.look(patient.at)
    assert patient.found == []
