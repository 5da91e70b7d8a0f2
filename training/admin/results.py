"""Console: what is asked of model versions and made of them. What was asked stays private."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from accounts.access import current_user
from llmplatform.audited_admin import ReadOnlyInline
from training import evaluation, exports
from training.admin.assets import UNKNOWN, shown_size
from training.admin.workloads import TransitionInline, WorkloadAdmin
from training.models import Evaluation, EvaluationSample, ModelExport, ParityCheck
from training.models.evaluations import Outcome
from training.templatetags.training_text import short


class ResultAdmin(WorkloadAdmin):
    list_select_related = ("owner", "node", "version__family")
    search_fields = (*WorkloadAdmin.search_fields, "version__name")

    def _stop(self, request: HttpRequest, rows: QuerySet[Any], act: Callable[..., object]) -> None:
        self._tell(request, rows, act, gettext("Asked to stop: %(count)d."))

    def _delete(
        self, request: HttpRequest, rows: QuerySet[Any], act: Callable[..., object]
    ) -> None:
        self._tell(request, rows, act, gettext("Deleted: %(count)d."))


class SampleInline(ReadOnlyInline):
    """How each sample came out, without its words."""

    model = EvaluationSample
    fields = readonly_fields = ("number", "shown_outcome", "base_loss", "tuned_loss")
    per_page = 20

    @display(description=_("number"))
    def number(self, sample: EvaluationSample) -> int:
        return sample.position + 1

    @display(description=_("outcome"))
    def shown_outcome(self, sample: EvaluationSample) -> str:
        return sample.get_outcome_display() or UNKNOWN

    @display(description=_("loss before"))
    def base_loss(self, sample: EvaluationSample) -> str:
        return short(sample.base.get("loss")) or UNKNOWN

    @display(description=_("loss after"))
    def tuned_loss(self, sample: EvaluationSample) -> str:
        return short(sample.tuned.get("loss")) or UNKNOWN


@admin.register(Evaluation)
class EvaluationAdmin(ResultAdmin):
    audit_noun = "evaluation"
    list_display = (
        "name",
        "version",
        "owner",
        "state_label",
        "source",
        "wins",
        "judging",
        "node",
        "created_at",
    )
    list_filter = (*WorkloadAdmin.list_filter, "source")
    fields = (
        ("name", "owner"),
        ("state_now", "progress"),
        ("reason", "node"),
        "detail",
        ("version", "dataset"),
        ("source", "limit"),
        ("judge", "judging"),
        ("wins", "max_new_tokens"),
        ("created_at", "started_at"),
        "finished_at",
    )
    readonly_fields = (*WorkloadAdmin.readonly_fields, "wins", "judging")
    inlines = (SampleInline, TransitionInline)
    actions = ("stop", "delete_ended")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Evaluation]:
        counts = {
            f"{outcome}_now": Count("samples", filter=Q(samples__outcome=outcome))
            for outcome in Outcome.values
        }
        rows: QuerySet[Evaluation] = super().get_queryset(request)
        return rows.annotate(**counts)

    @display(description=_("judgement"))
    def judging(self, row: Evaluation) -> str:
        return " ".join(filter(None, (str(row.get_judge_state_display()), row.judge_detail)))

    @display(description=_("better, alike, worse"))
    def wins(self, row: Any) -> str:
        counts = (row.win_now, row.tie_now, row.loss_now)
        return " / ".join(map(str, counts)) if any(counts) else UNKNOWN

    @admin.action(description=_("Stop for good"))
    def stop(self, request: HttpRequest, rows: QuerySet[Evaluation]) -> None:
        actor = current_user(request)

        def act(row: Evaluation) -> None:
            evaluation.stop(evaluation=row, actor=actor, request=request)

        self._stop(request, rows, act)

    @admin.action(description=_("Delete what has ended"))
    def delete_ended(self, request: HttpRequest, rows: QuerySet[Evaluation]) -> None:
        actor = current_user(request)

        def act(row: Evaluation) -> None:
            evaluation.delete(evaluation=row, actor=actor, request=request)

        self._delete(request, rows, act)


@admin.register(ParityCheck)
class ParityCheckAdmin(ResultAdmin):
    audit_noun = "parity"
    list_display = (
        "name",
        "version",
        "owner",
        "state_label",
        "tokens",
        "answers",
        "node",
        "created_at",
    )
    fields = (
        ("name", "owner"),
        ("state_now", "progress"),
        ("reason", "node"),
        "detail",
        ("version", "deployment"),
        ("tokens", "answers"),
        ("created_at", "started_at"),
        "finished_at",
    )
    readonly_fields = (*WorkloadAdmin.readonly_fields, "deployment", "tokens", "answers")

    @display(description=_("deployment"))
    def deployment(self, check: ParityCheck) -> str:
        return str(check.served or UNKNOWN)

    @display(description=_("prompts rendered alike"))
    def tokens(self, check: ParityCheck) -> str:
        return self._alike(check, check.different_tokens)

    @display(description=_("answers alike"))
    def answers(self, check: ParityCheck) -> str:
        return self._alike(check, check.different_answers)

    def _alike(self, check: ParityCheck, different: list[dict[str, Any]]) -> str:
        total = len(check.rows)
        return f"{total - len(different)} / {total}" if total else UNKNOWN


@admin.register(ModelExport)
class ModelExportAdmin(ResultAdmin):
    audit_noun = "export"
    list_display = (
        "name",
        "version",
        "owner",
        "format",
        "state_label",
        "size",
        "node",
        "created_at",
    )
    list_filter = (*WorkloadAdmin.list_filter, "format")
    fields = (
        ("name", "owner"),
        ("state_now", "progress"),
        ("reason", "node"),
        "detail",
        ("version", "format"),
        "size",
        ("created_at", "started_at"),
        "finished_at",
    )
    readonly_fields = (*WorkloadAdmin.readonly_fields, "size")
    actions = ("stop", "delete_ended")

    @display(description=_("size"), ordering="size_bytes")
    def size(self, export: ModelExport) -> str:
        return shown_size(export.size_bytes)

    @admin.action(description=_("Stop for good"))
    def stop(self, request: HttpRequest, rows: QuerySet[ModelExport]) -> None:
        actor = current_user(request)

        def act(row: ModelExport) -> None:
            exports.stop_export(export=row, actor=actor, request=request)

        self._stop(request, rows, act)

    @admin.action(description=_("Delete what has ended, with its files"))
    def delete_ended(self, request: HttpRequest, rows: QuerySet[ModelExport]) -> None:
        actor = current_user(request)

        def act(row: ModelExport) -> None:
            exports.delete_export(export=row, actor=actor, request=request)

        self._delete(request, rows, act)
