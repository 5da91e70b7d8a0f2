"""What can be paused: only where going on gives what an undisturbed run would have given."""

from django.utils.translation import gettext as _

from training.models import Kind, Stage, Strategy, TrainingJob, Workload


def why_not(workload: Workload) -> str:
    """Empty where a pause is possible."""
    if workload.kind != Kind.TRAIN:
        return _("Only trainings can be paused.")
    job = workload if isinstance(workload, TrainingJob) else workload.trainingjob
    if job.stage == Stage.RM:
        return _(
            "A reward model cannot be paused: the trainer does not load its checkpoints again. "
            "Stop it, or let it end."
        )
    if job.strategy == Strategy.FSDP:
        return _("A run with FSDP cannot be paused: going on exactly is not proven for it.")
    return ""
