"""Console: what runs on the nodes. People's verbs are actions; everything else is to look at."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RangeDateTimeFilter
from unfold.decorators import display

from accounts.access import current_user
from llmplatform.audited_admin import Label, ReadOnlyAdmin, ReadOnlyInline
from training import base_models, registry, services
from training.errors import StateConflict
from training.models import (
    Deployment,
    ModelBuild,
    ModelFetch,
    Reason,
    Status,
    TrainingJob,
    Transition,
    Workload,
)

STATUS_COLOURS = {
    Status.PENDING: "default",
    Status.STOPPED: "default",
    Status.PREPARING: "primary",
    Status.RUNNING: "primary",
    Status.PAUSING: "warning",
    Status.PAUSED: "warning",
    Status.STOPPING: "warning",
    Status.SUCCESS: "success",
    Status.FAILED: "danger",
}


class TransitionInline(ReadOnlyInline):
    model = Transition
    fields = readonly_fields = ("at", "status", "shown_reason", "step", "attempt", "node_name")
    verbose_name_plural = _("What happened")

    @display(description=_("reason"))
    def shown_reason(self, transition: Transition) -> str:
        known = transition.reason in Reason.values
        return str(Reason(transition.reason).label) if known else transition.reason


class WorkloadAdmin(ReadOnlyAdmin):
    """Workloads of one kind: each has an owner, a state, a node and a story."""

    list_filter: Any = (
        "status",
        "node",
        ("owner", AutocompleteSelectFilter),
        ("created_at", RangeDateTimeFilter),
    )
    list_filter_submit = True
    list_select_related: Any = ("owner", "node")
    search_fields: Any = ("name", "owner__email", "id")
    inlines: Any = (TransitionInline,)
    readonly_fields: Any = ("state_now", "progress")

    @display(description=_("state"), ordering="status", label=STATUS_COLOURS)
    def state_label(self, workload: Workload) -> Label:
        return Label(workload.state, workload.state_label)

    @display(description=_("state"))
    def state_now(self, workload: Workload) -> str:
        return workload.state_label

    @display(description=_("progress"))
    def progress(self, workload: Workload) -> str:
        if not workload.max_steps:
            return "–"
        return f"{workload.percent} % ({workload.step}/{workload.max_steps})"

    def _tell(
        self, request: HttpRequest, rows: QuerySet[Any], act: Callable[[Any], object], text: str
    ) -> None:
        if done := self.attempt(request, rows, act, (StateConflict,)):
            self.message_user(request, text % {"count": done}, messages.SUCCESS)

    def _act(self, request: HttpRequest, rows: QuerySet[Any], verb: Callable[..., None]) -> None:
        actor = current_user(request)

        def act(workload: Workload) -> None:
            verb(workload=workload, actor=actor, request=request)

        done = self.attempt(request, rows, act, (StateConflict,))
        if done:
            text = ngettext("Asked for: %(count)d job.", "Asked for: %(count)d jobs.", done)
            self.message_user(request, text % {"count": done}, messages.SUCCESS)


@admin.register(TrainingJob)
class TrainingJobAdmin(WorkloadAdmin):
    audit_noun = "job"
    list_display = (
        "name",
        "owner",
        "state_label",
        "progress",
        "priority",
        "stage",
        "method",
        "node",
        "created_at",
    )
    list_filter = (*WorkloadAdmin.list_filter, "stage", "method")
    fields = (
        ("name", "owner"),
        ("state_now", "progress"),
        ("reason", "node"),
        "detail",
        ("base_model", "dataset"),
        ("stage", "method"),
        "parameters",
        ("created_at", "queued_at"),
        ("started_at", "finished_at"),
    )
    actions = ("start", "pause", "resume", "stop", "delete_ended")

    @admin.action(description=_("Start"))
    def start(self, request: HttpRequest, jobs: QuerySet[TrainingJob]) -> None:
        self._act(request, jobs, services.start)

    @admin.action(description=_("Pause at the end of the step"))
    def pause(self, request: HttpRequest, jobs: QuerySet[TrainingJob]) -> None:
        self._act(request, jobs, services.pause)

    @admin.action(description=_("Resume"))
    def resume(self, request: HttpRequest, jobs: QuerySet[TrainingJob]) -> None:
        self._act(request, jobs, services.resume)

    @admin.action(description=_("Stop for good"))
    def stop(self, request: HttpRequest, jobs: QuerySet[TrainingJob]) -> None:
        self._act(request, jobs, services.stop)

    @admin.action(description=_("Delete, with files that no model version needs"))
    def delete_ended(self, request: HttpRequest, jobs: QuerySet[TrainingJob]) -> None:
        actor = current_user(request)

        def act(job: TrainingJob) -> None:
            services.delete_job(job=job, actor=actor, request=request)

        done = self.attempt(request, jobs, act, (StateConflict,))
        if done:
            text = ngettext("%(count)d job is deleted.", "%(count)d jobs are deleted.", done)
            self.message_user(request, text % {"count": done}, messages.SUCCESS)


@admin.register(ModelBuild)
class ModelBuildAdmin(WorkloadAdmin):
    audit_noun = "build"
    list_display = ("name", "owner", "state_label", "progress", "node", "created_at")
    fields = (
        ("name", "owner"),
        ("state_now", "progress"),
        ("reason", "node"),
        "detail",
        "base_model",
        ("created_at", "started_at"),
        "finished_at",
    )
    actions = ("stop",)

    @admin.action(description=_("Stop for good"))
    def stop(self, request: HttpRequest, builds: QuerySet[ModelBuild]) -> None:
        self._act(request, builds, services.stop)


@admin.register(ModelFetch)
class ModelFetchAdmin(WorkloadAdmin):
    audit_noun = "fetch"
    list_display = ("name", "base_model", "owner", "state_label", "progress", "node", "created_at")
    list_select_related = ("owner", "node", "base_model")
    fields = (
        ("name", "owner"),
        ("state_now", "progress"),
        ("reason", "node"),
        "detail",
        "base_model",
        ("created_at", "started_at"),
        "finished_at",
    )
    actions = ("cancel",)

    @admin.action(description=_("Cancel: what has arrived is kept"))
    def cancel(self, request: HttpRequest, rows: QuerySet[ModelFetch]) -> None:
        actor = current_user(request)

        def act(row: ModelFetch) -> None:
            if row.is_final:
                raise StateConflict("cancel", row.state)
            base_models.cancel(base_model=row.base_model, actor=actor, request=request)

        text = gettext("Asked to stop: %(count)d.")
        self._tell(request, rows.select_related("base_model"), act, text)


@admin.register(Deployment)
class DeploymentAdmin(WorkloadAdmin):
    """`credential` is the key between platform and server: it is not a field here."""

    audit_noun = "deployment"
    list_display = ("name", "version", "owner", "state_label", "node", "port", "created_at")
    list_select_related = ("owner", "node", "version")
    fields = (
        ("name", "owner"),
        ("version", "state_now"),
        ("reason", "node"),
        "detail",
        ("provider_model", "port"),
        ("created_at", "started_at"),
        "finished_at",
    )
    actions = ("undeploy",)

    @admin.action(description=_("Undeploy"))
    def undeploy(self, request: HttpRequest, deployments: QuerySet[Deployment]) -> None:
        actor = current_user(request)

        def act(deployment: Deployment) -> None:
            registry.undeploy(version=deployment.version, actor=actor, request=request)

        if self.attempt(request, deployments.select_related("version"), act, (StateConflict,)):
            text = gettext("Gone from every list; the server stops in a moment.")
            self.message_user(request, text, messages.SUCCESS)
