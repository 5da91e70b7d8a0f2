"""Console: models to start from, datasets, and what came out. What is in them stays private."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RangeDateTimeFilter
from unfold.decorators import display

from accounts.access import current_user
from accounts.models import User
from llmplatform.audited_admin import AuditedAdmin, ReadOnlyAdmin, rehearse
from training import base_models, labels
from training.models import BaseModel, Dataset, LabelWaiver, ModelVersion

UNKNOWN = "–"


def shown_size(size_bytes: int | None) -> str:
    return filesizeformat(size_bytes) if size_bytes else UNKNOWN


class NewBaseModelForm(forms.ModelForm[BaseModel]):
    """`actor`, whom the admin sets, registers it for everyone."""

    actor: User

    class Meta:
        model = BaseModel
        fields = ("name", "path", "hub_id", "hub", "revision", "template")

    def _post_clean(self) -> None:
        """The service has the rules: what it refuses belongs to the form."""
        super()._post_clean()  # type: ignore[misc]
        if not self.errors:
            rehearse(self, self.write)

    def write(self, request: HttpRequest | None = None) -> BaseModel:
        return base_models.register_base_model(
            actor=self.actor, is_shared=True, request=request, **self.cleaned_data
        )


@admin.register(BaseModel)
class BaseModelAdmin(AuditedAdmin):
    audit_noun = "base_model"
    list_display = (
        "name",
        "holder",
        "architecture",
        "shown_parameters",
        "size",
        "context_tokens",
        "is_ready",
    )
    list_filter = ("is_ready", ("owner", AutocompleteSelectFilter))
    list_filter_submit = True
    list_select_related = ("owner",)
    search_fields = ("name", "path", "hub_id", "architecture")
    autocomplete_fields = ("owner",)

    @display(description=_("owner"), ordering="owner__email")
    def holder(self, row: BaseModel) -> str:
        return str(row.owner) if row.owner else gettext("Everyone")

    @display(description=_("size"), ordering="size_bytes")
    def size(self, row: BaseModel) -> str:
        return shown_size(row.size_bytes)

    @display(description=_("parameters"), ordering="parameters")
    def shown_parameters(self, row: BaseModel) -> str:
        return f"{row.parameters:,}" if row.parameters else UNKNOWN

    def get_fields(self, request: HttpRequest, obj: BaseModel | None = None) -> Any:
        if obj is None:
            return ("name", "path", "hub_id", "hub", "revision", "template")
        known = (("architecture", "shown_parameters"), ("size", "context_tokens"), "licence")
        origin = ("path", ("hub_id", "hub"), ("revision", "commit"))
        return ("name", "owner", *origin, "template", *known, "is_ready", "created_at")

    def get_readonly_fields(self, request: HttpRequest, obj: BaseModel | None = None) -> Any:
        if obj is None:
            return ()
        facts = ("architecture", "shown_parameters", "size", "context_tokens", "licence")
        origin = ("path", "hub_id", "hub", "revision", "commit")
        return (*origin, "is_ready", *facts, "created_at")

    def get_form(
        self,
        request: HttpRequest,
        obj: BaseModel | None = None,
        change: bool = False,
        **kwargs: Any,
    ) -> Any:
        if obj is not None:
            return super().get_form(request, obj, change, **kwargs)
        form = super().get_form(request, obj, change, form=NewBaseModelForm, **kwargs)
        form.actor = current_user(request)
        return form

    def save_model(self, request: HttpRequest, obj: BaseModel, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
        else:
            obj.pk = form.write(request).pk

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        if change:  # a new one is recorded by its service
            super().save_related(request, form, formsets, change)


@admin.register(Dataset)
class DatasetAdmin(ReadOnlyAdmin):
    audit_noun = "dataset"
    list_display = ("name", "owner", "format", "records", "rejected", "size", "created_at")
    list_filter = (
        "format",
        ("owner", AutocompleteSelectFilter),
        ("created_at", RangeDateTimeFilter),
    )
    list_filter_submit = True
    list_select_related = ("owner",)
    search_fields = ("name", "owner__email")
    fields = (("name", "owner"), ("format", "size"), ("records", "rejected"), "created_at")
    readonly_fields = ("size",)

    @display(description=_("size"), ordering="size_bytes")
    def size(self, dataset: Dataset) -> str:
        return shown_size(dataset.size_bytes)


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    audit_noun = "version"
    list_display = ("name", "owner", "base_model", "is_adapter", "size", "serving", "created_at")
    list_filter = (
        "is_adapter",
        "node",
        ("owner", AutocompleteSelectFilter),
        ("base_model", AutocompleteSelectFilter),
        ("created_at", RangeDateTimeFilter),
    )
    list_filter_submit = True
    list_select_related = ("owner", "base_model")
    search_fields = ("name", "owner__email")
    fields = (
        ("name", "owner"),
        ("base_model", "job"),
        ("node", "size"),
        ("is_adapter", "template"),
        "held_labels",
        "metrics",
        "lineage",
        "created_at",
    )
    readonly_fields = ("size", "held_labels")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelVersion]:
        rows: QuerySet[ModelVersion] = super().get_queryset(request)
        return rows.prefetch_related("deployments")

    @display(description=_("size"), ordering="size_bytes")
    def size(self, version: ModelVersion) -> str:
        return shown_size(version.size_bytes)

    @display(description=_("labels"))
    def held_labels(self, version: ModelVersion) -> str:
        return " · ".join(version.labels) or UNKNOWN

    @display(description=_("served"))
    def serving(self, version: ModelVersion) -> str:
        newest = max(version.deployments.all(), key=lambda row: row.created_at, default=None)
        return newest.state_label if newest else UNKNOWN


class NewWaiverForm(forms.ModelForm[LabelWaiver]):
    """`actor`, whom the admin sets, makes the exception."""

    actor: User

    class Meta:
        model = LabelWaiver
        fields = ("version", "label", "reason")

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if not self.errors:
            rehearse(self, self.write)

    def write(self, request: HttpRequest | None = None) -> LabelWaiver:
        return labels.waive(actor=self.actor, request=request, **self.cleaned_data)


@admin.register(LabelWaiver)
class LabelWaiverAdmin(AuditedAdmin):
    """Given here, never changed; taken back by deleting."""

    audit_noun = "label_waiver"
    list_display = ("version", "label", "reason", "actor", "at")
    list_select_related = ("version__family", "actor")
    search_fields = ("version__name", "reason")
    autocomplete_fields = ("version",)

    def get_fields(self, request: HttpRequest, obj: LabelWaiver | None = None) -> Any:
        given = ("version", "label", "reason")
        return given if obj is None else (*given, "actor", "at")

    def has_change_permission(self, request: HttpRequest, obj: LabelWaiver | None = None) -> bool:
        return False

    def get_form(
        self,
        request: HttpRequest,
        obj: LabelWaiver | None = None,
        change: bool = False,
        **kwargs: Any,
    ) -> Any:
        if obj is not None:
            return super().get_form(request, obj, change, **kwargs)
        form = super().get_form(request, obj, change, form=NewWaiverForm, **kwargs)
        form.actor = current_user(request)
        return form

    def save_model(self, request: HttpRequest, obj: LabelWaiver, form: Any, change: bool) -> None:
        obj.pk = form.write(request).pk

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Its service has recorded it."""
