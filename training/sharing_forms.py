"""The part of a job's form that says on how many machines it runs, in which order, for how long."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from training.models import Strategy, TrainingJob
from training.parallel import PRIORITY_HIGH, PRIORITY_LOW, PRIORITY_NORMAL, Sharing

PRIORITIES = (
    (PRIORITY_LOW, _("Low: lets everybody pass")),
    (PRIORITY_NORMAL, _("Normal")),
    (PRIORITY_HIGH, _("High: before everybody (administrators)")),
)


class SharingForm(forms.Form):
    """What is left empty is as usual."""

    processes = forms.IntegerField(
        label=_("Processes on each machine"),
        required=False,
        help_text=_("One for each GPU. It waits until all of them are free at once."),
    )
    nodes = forms.IntegerField(
        label=_("Machines"),
        required=False,
        help_text=_("More than one must see the same storage."),
    )
    strategy = forms.ChoiceField(
        label=_("How they share the model"),
        choices=Strategy.choices,
        required=False,
        help_text=_(
            "DDP is fastest where the whole model fits into each GPU. ZeRO and FSDP take less "
            "memory, and more traffic between the GPUs."
        ),
    )
    priority = forms.TypedChoiceField(
        label=_("Priority"), choices=PRIORITIES, coerce=int, required=False, empty_value=0
    )
    max_hours = forms.FloatField(
        label=_("Maximum duration (hours)"),
        required=False,
        help_text=_("Then it is paused, with everything saved. 0 is without a limit."),
    )
    idle_minutes = forms.IntegerField(
        label=_("Pause when the GPUs are idle (minutes)"),
        required=False,
        help_text=_("A run that waits for something gives its GPUs to others. 0 never pauses it."),
    )

    def sharing(self) -> Sharing:
        """As it was filled in; not judged yet."""
        found: dict[str, Any] = {
            name: self.cleaned_data.get(name)
            for name in SharingForm.base_fields
            if self.cleaned_data.get(name) not in (None, "")
        }
        return Sharing(**found)


def sharing_initial(job: TrainingJob) -> dict[str, Any]:
    """For a clone."""
    return {
        "processes": job.processes,
        "nodes": job.node_count,
        "strategy": job.strategy,
        "priority": job.priority,
        "max_hours": job.max_hours,
        "idle_minutes": job.idle_minutes,
    }
