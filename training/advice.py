"""A failure in words: what it was, the lines that prove it, and what to do."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from training import streams
from training.models import Reason, TrainingJob

PROOF_LINES = 12
SEARCHED_LINES = 400
SIGNS = ("error", "traceback", "exception", "killed", "no space left")

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


def failure_of(job: TrainingJob) -> Failure | None:
    """None unless the job has failed."""
    if not job.reason:
        return None
    return Failure(
        cause=job.get_reason_display(),
        advice=str(ADVICE.get(job.reason, ADVICE[Reason.UNKNOWN])),
        detail=job.detail,
        proof="\n".join(_proof(job)),
    )


def _proof(job: TrainingJob) -> list[str]:
    """The end of the log from the last line that speaks of an error; else its last lines."""
    lines = [line for line in streams.log_tail(job.pk, SEARCHED_LINES).items if line.strip()]
    marked = [i for i, line in enumerate(lines) if any(sign in line.lower() for sign in SIGNS)]
    if not marked:
        return lines[-PROOF_LINES:]
    end = marked[-1] + 1
    return lines[max(0, end - PROOF_LINES) : end]
