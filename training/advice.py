"""A failure in words: what it was, the lines that prove it, and what to do."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from training import streams
from training.diagnosis import proof_of
from training.models import Reason, TrainingJob
from training.repairs import Repair, repair_of

PROOF_LINES = 12
SEARCHED_LINES = 400
WORDS = ("error", "traceback", "exception", "killed")
# Where no line names the cause.
UNKNOWN_LINES = 50

ADVICE: dict[str, str | Promise] = {
    Reason.OUT_OF_MEMORY: _(
        "Use a smaller batch with more gradient accumulation, cut examples shorter, "
        "or choose QLoRA."
    ),
    Reason.DISK_FULL: _("Make room on the node, or keep fewer checkpoints."),
    Reason.DATA: _(
        "Look at the records that the dataset page rejects, and upload a corrected file."
    ),
    Reason.MODEL: _(
        "Check the hub id and that the node reaches the hub (HF_ENDPOINT names a mirror); or put "
        "the model into a folder on the node and register that."
    ),
    Reason.CONFIGURATION: _("Change the parameter that the message names."),
    Reason.DIVERGED: _(
        "The learning rate is too high, or the data has values that it cannot bear. Lower the rate "
        "and clip the gradients."
    ),
    Reason.TEMPLATE: _("Choose the chat template that belongs to the base model."),
    Reason.HUB: _(
        "The node has no way to the hub: set HF_ENDPOINT to a mirror, or download the model first "
        "and register its folder."
    ),
    Reason.TIME_LIMIT: _("Allow it more time, or let it do less."),
    Reason.IDLE: _("Look at what it waits for in the log; more workers may load the data faster."),
    Reason.KILLED: _("Most often the machine ran out of memory: try what helps against that."),
    Reason.NODE_LOST: _("Start a clone; another node takes it, or this one when it is back."),
    Reason.START: _("Check that the training environment is installed on the node."),
    Reason.UNKNOWN: _("Read the last lines of the log."),
}


@dataclass(frozen=True)
class Failure:
    cause: str
    advice: str
    detail: str
    proof: str
    is_known: bool = True
    repair: Repair | None = None


def failure_of(job: TrainingJob) -> Failure | None:
    """None unless the job has failed."""
    if not job.reason:
        return None
    lines, is_proof = _proof(job)
    return Failure(
        cause=job.get_reason_display(),
        advice=str(ADVICE.get(job.reason, ADVICE[Reason.UNKNOWN])),
        detail=job.detail,
        proof="\n".join(lines),
        is_known=is_proof or job.reason != Reason.UNKNOWN,
        repair=repair_of(job),
    )


def _proof(job: TrainingJob) -> tuple[list[str], bool]:
    """The log up to the line that names the cause; else its last lines, and False."""
    lines = [line for line in streams.log_tail(job.pk, SEARCHED_LINES).items if line.strip()]
    at = proof_of(job.reason, lines)
    if at is None and job.reason != Reason.UNKNOWN:
        said = [i for i, line in enumerate(lines) if any(word in line.lower() for word in WORDS)]
        at = said[-1] if said else None
    if at is None:
        return lines[-UNKNOWN_LINES:], False
    return lines[max(0, at + 1 - PROOF_LINES) : at + 1], True
