"""How an attempt ended, and what the runner of a workload may use."""

from dataclasses import dataclass
from typing import Any

from training.models import Reason, Status, Workload


@dataclass(frozen=True)
class Ending:
    """How an attempt ended: a status, and why."""

    status: str
    reason: str = ""
    detail: str = ""


def gpu_environment(workload: Workload) -> dict[str, str]:
    slots = workload.slots.filter(is_gpu=True, node=workload.node).order_by("index")
    indices = [str(slot.index) for slot in slots]
    return {"CUDA_VISIBLE_DEVICES": ",".join(indices)} if indices else {}


def told_ending(outcome: dict[str, Any] | None, exit_code: int | None) -> Ending | None:
    """What the runner itself said, or what its exit code says for it."""
    if outcome is not None:
        kinds = {"finished": Status.SUCCESS, "paused": Status.PAUSED, "stopped": Status.STOPPED}
        if outcome["type"] in kinds:
            return Ending(kinds[outcome["type"]])
        reason = outcome.get("kind", Reason.UNKNOWN)
        reason = reason if reason in Reason.values else Reason.UNKNOWN
        words = f"{outcome.get('error_type', '')}: {outcome.get('message', '')}".strip(": ")
        return Ending(Status.FAILED, reason, words)
    if exit_code is None:
        return None
    if exit_code < 0:
        return Ending(Status.FAILED, Reason.KILLED, f"ended by signal {-exit_code}")
    return Ending(Status.FAILED, Reason.UNKNOWN, f"exit code {exit_code}")
