"""Console: trainings that belong together."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RangeDateTimeFilter
from unfold.decorators import display

from accounts.access import current_user
from llmplatform.audited_admin import ReadOnlyAdmin, ReadOnlyInline
from training import sweeps
from training.models import Sweep, TrainingJob
from training.models.workloads import FINAL


class JobInline(ReadOnlyInline):
    model = TrainingJob
    fk_name = "sweep"
    fields = readonly_fields = ("link", "shown_state", "progress", "node", "finished_at")
    per_page = 20

    @display(description=_("name"))
    def link(self, job: TrainingJob) -> str:
        url = reverse("admin:training_trainingjob_change", args=[job.pk])
        style = "text-primary-600 dark:text-primary-500"  # as unfold's own links
        return format_html('<a class="{}" href="{}">{}</a>', style, url, job.name)

    @display(description=_("state"))
    def shown_state(self, job: TrainingJob) -> str:
        return job.state_label

    @display(description=_("progress"))
    def progress(self, job: TrainingJob) -> str:
        return f"{job.percent} %"


@admin.register(Sweep)
class SweepAdmin(ReadOnlyAdmin):
    audit_noun = "sweep"
    list_display = ("name", "owner", "base_model", "stage", "method", "ended", "created_at")
    list_filter = (
        "stage",
        "method",
        ("owner", AutocompleteSelectFilter),
        ("base_model", AutocompleteSelectFilter),
        ("created_at", RangeDateTimeFilter),
    )
    list_filter_submit = True
    list_select_related = ("owner", "base_model")
    search_fields = ("name", "owner__email", "id")
    fields = (
        ("name", "owner"),
        ("base_model", "dataset"),
        ("stage", "method"),
        "grid",
        "parameters",
        ("ended", "created_at"),
    )
    readonly_fields = ("ended",)
    inlines = (JobInline,)
    actions = ("stop",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Sweep]:
        rows: QuerySet[Sweep] = super().get_queryset(request)
        ended = Count("jobs", filter=Q(jobs__status__in=FINAL))
        return rows.annotate(ended_now=ended, jobs_now=Count("jobs"))

    @display(description=_("trainings that have ended"))
    def ended(self, sweep: Any) -> str:
        return f"{sweep.ended_now} / {sweep.jobs_now}"

    @admin.action(description=_("Stop what has not ended"))
    def stop(self, request: HttpRequest, rows: QuerySet[Sweep]) -> None:
        actor = current_user(request)
        count = sum(sweeps.stop_sweep(sweep=sweep, actor=actor, request=request) for sweep in rows)
        text = ngettext(
            "%(n)s training is being stopped.", "%(n)s trainings are being stopped.", count
        )
        self.message_user(request, text % {"n": count}, messages.SUCCESS)
