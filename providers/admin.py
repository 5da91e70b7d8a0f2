"""Console: providers, their models and the calls. A credential goes in and never comes out."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RangeDateTimeFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminPasswordWidget

from accounts.access import current_user
from accounts.models import User
from llmplatform.audited_admin import AuditedAdmin, Label, ReadOnlyAdmin, ReadOnlyInline, rehearse
from llmplatform.encryption import KeyUnreadable
from llmplatform.text import enumerated
from providers import services
from providers.errors import ProviderError, error_name
from providers.model_list import EVIDENCE
from providers.models import (
    Alias,
    AliasMember,
    CallRecord,
    Kind,
    ModelHealth,
    ModelPrice,
    Provider,
    ProviderModel,
)
from providers.registry import ADAPTERS
from providers.type_names import type_name

STATUS_COLOURS = {
    "done": "success",
    "stopped": "default",
    "interrupted": "warning",
    "refused": "warning",
    "failed": "danger",
}
TEST_COLOURS = {"True": "success", "False": "danger"}
STATUS_WORDS = {
    "done": _("Done"),
    "stopped": _("Stopped"),
    "interrupted": _("Interrupted"),
    "refused": _("Refused"),
    "failed": _("Failed"),
}
# Which part of the platform called.
SOURCE_WORDS = {
    "gateway": _("Gateway"),
    "chat": _("Chat"),
    "title": _("Title of a chat"),
    "batch": _("Batch comparison"),
    "trial": _("Trial of a model"),
    "knowledge": _("Knowledge"),
    "evaluation": _("Model evaluation"),
    "dify": _("Dify"),
}


class ProviderForm(forms.ModelForm[Provider]):
    """`actor`, whom the admin sets, is who the services are asked for."""

    actor: User
    api_key = forms.CharField(
        label=_("API key"),
        max_length=4000,
        required=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
        help_text=_("Stored encrypted and never shown again. Empty: the key stays as it is."),
    )

    class Meta:
        model = Provider
        fields = ("name", "kind", "base_url", "is_enabled")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kind = self.fields.get("kind")
        if isinstance(kind, forms.ChoiceField):
            kind.choices = [each for each in Kind.choices if each[0] in ADAPTERS]

    def _post_clean(self) -> None:
        """The services have the rules: what they refuse belongs to the form."""
        super()._post_clean()  # type: ignore[misc]
        if not self.errors:
            rehearse(self, self.write)

    def write(self, request: HttpRequest | None = None) -> Provider:
        given = dict(self.cleaned_data)
        if self.instance.pk is None:
            given.pop("is_enabled", None)
            return services.create_provider(
                actor=self.actor, is_shared=True, request=request, **given
            )
        given.pop("kind", None)
        provider = Provider.objects.get(pk=self.instance.pk)
        return services.change_provider(
            provider=provider, actor=self.actor, request=request, **given
        )


@admin.register(Provider)
class ProviderAdmin(AuditedAdmin):
    audit_noun = "provider"
    form = ProviderForm
    list_display = ("name", "last_test", "kind", "holder", "is_enabled", "size", "refreshed_at")
    list_filter = ("kind", "is_enabled", "is_managed", ("owner", AutocompleteSelectFilter))
    list_filter_submit = True
    list_select_related = ("owner",)
    search_fields = ("name", "base_url", "owner__email")
    actions = ("refresh", "test", "enable", "disable")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Provider]:
        rows: QuerySet[Provider] = super().get_queryset(request)
        return rows.annotate(size_now=Count("models"))

    @display(description=_("owner"), ordering="owner__email")
    def holder(self, provider: Provider) -> str:
        return str(provider.owner) if provider.owner else gettext("Everyone")

    @display(description=_("models"), ordering="size_now")
    def size(self, provider: Provider) -> int:
        found: int = provider.size_now  # type: ignore[attr-defined]
        return found

    @display(description=_("last test"), ordering="tested_at", label=TEST_COLOURS)
    def last_test(self, provider: Provider) -> Label | str:
        passed = provider.is_test_passed
        if passed is None:
            return "–"
        answers = gettext("Answers, %(ms)s ms") % {"ms": provider.test_latency_ms}
        text = answers if passed else error_name(provider.test_error)
        return Label(str(passed), text)

    @display(description=_("stored key"))
    def stored_key(self, provider: Provider) -> str:
        try:
            return provider.key_hint or gettext("none")
        except KeyUnreadable:
            return gettext("It cannot be read; enter it again.")

    def get_fieldsets(self, request: HttpRequest, obj: Provider | None = None) -> Any:
        if obj is None:
            return [(None, {"fields": ("name", "kind", "base_url", "api_key")})]
        key = ("stored_key",) if obj.is_managed else ("api_key", "stored_key")
        state = ("is_enabled", "holder", "last_test", "tested_at", "created_at", "refreshed_at")
        return [(None, {"fields": ("name", "kind", "base_url", *key, *state)})]

    def get_readonly_fields(self, request: HttpRequest, obj: Provider | None = None) -> Any:
        shown = ("stored_key", "holder", "last_test", "tested_at", "created_at", "refreshed_at")
        return () if obj is None else ("kind", *shown)

    def get_form(
        self, request: HttpRequest, obj: Provider | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        form.actor = current_user(request)
        return form

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Those of deployments come and go with them."""
        return not (isinstance(obj, Provider) and obj.is_managed)

    has_delete_permission = has_change_permission

    def save_model(self, request: HttpRequest, obj: Provider, form: Any, change: bool) -> None:
        obj.pk = form.write(request).pk

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Nothing is related, and the service has recorded the change."""

    def log_deletions(self, request: HttpRequest, queryset: Any) -> None:
        """Recorded by the service."""

    def delete_model(self, request: HttpRequest, obj: Provider) -> None:
        services.delete_provider(provider=obj, actor=current_user(request), request=request)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Provider]) -> None:
        for provider in queryset.filter(is_managed=False):
            self.delete_model(request, provider)

    def _advise(self, request: HttpRequest, provider: Provider, error: ProviderError) -> None:
        self.message_user(request, f"{provider}: {error.advice}", messages.ERROR)

    @admin.action(description=_("Refresh the model list"))
    def refresh(self, request: HttpRequest, providers: QuerySet[Provider]) -> None:
        actor, added = current_user(request), 0
        for provider in providers.filter(is_managed=False):
            try:
                found = services.refresh_models(provider=provider, actor=actor, request=request)
            except ProviderError as error:
                self._advise(request, provider, error)
            else:
                added += len(found.added)
        text = ngettext("%(count)d model added.", "%(count)d models added.", added)
        self.message_user(request, text % {"count": added}, messages.SUCCESS)

    @admin.action(description=_("Test the connection"))
    def test(self, request: HttpRequest, providers: QuerySet[Provider]) -> None:
        for provider in providers:
            result = services.check_connection(provider)
            if result.error is not None:
                self._advise(request, provider, result.error)
                continue
            text = gettext("The provider answers (%(ms)d ms).") % {"ms": result.latency_ms}
            self.message_user(request, f"{provider}: {text}", messages.SUCCESS)

    def _switch(self, request: HttpRequest, providers: QuerySet[Provider], *, on: bool) -> None:
        actor = current_user(request)

        def act(provider: Provider) -> None:
            services.change_provider(provider=provider, actor=actor, request=request, is_enabled=on)

        if self.attempt(request, providers.filter(is_managed=False), act):
            self.message_user(request, gettext("The changes are saved."), messages.SUCCESS)

    @admin.action(description=_("Enable"))
    def enable(self, request: HttpRequest, providers: QuerySet[Provider]) -> None:
        self._switch(request, providers, on=True)

    @admin.action(description=_("Disable"))
    def disable(self, request: HttpRequest, providers: QuerySet[Provider]) -> None:
        self._switch(request, providers, on=False)


class TypeFilter(admin.SimpleListFilter):
    """By the main type, in words."""

    title = _("type")
    parameter_name = "main_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        rows = model_admin.model._default_manager.exclude(main_type="").order_by("main_type")
        codes = rows.values_list("main_type", flat=True).distinct()
        return [(code, type_name(code)) for code in codes]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(main_type=self.value()) if self.value() else queryset


@admin.register(ProviderModel)
class ProviderModelAdmin(AuditedAdmin):
    """Models come from a provider's list; what a person changes here survives its refresh."""

    audit_noun = "model"
    list_display = ("model_id", "provider", "kinds", "context_tokens", "is_enabled", "is_there")
    list_filter = (
        ("provider", AutocompleteSelectFilter),
        TypeFilter,
        "is_enabled",
        ("missing_since", admin.EmptyFieldListFilter),
    )
    list_filter_submit = True
    list_select_related = ("provider",)
    search_fields = ("model_id", "name", "provider__name")
    readonly_fields = ("provider", "model_id", "kinds", "evidence", "missing_since")
    fieldsets = (
        (None, {"fields": ("provider", "model_id", "name", "is_enabled", "missing_since")}),
        (_("What it is"), {"fields": ("kinds", "evidence", "context_tokens")}),
        (
            _("Defaults"),
            {"fields": ("system_prompt", "temperature", "top_p", "max_tokens")},
        ),
    )
    actions = ("enable", "disable")

    @display(description=_("types"), ordering="main_type")
    def kinds(self, model: ProviderModel) -> str:
        return enumerated(map(type_name, model.types or [model.main_type]))

    @display(description=_("evidence"))
    def evidence(self, model: ProviderModel) -> str:
        return str(EVIDENCE.get(model.type_evidence, model.type_evidence))

    @display(description=_("listed"), boolean=True)
    def is_there(self, model: ProviderModel) -> bool:
        return model.missing_since is None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        changes = {name: form.cleaned_data[name] for name in form.changed_data}
        if changes:
            services.change_model(
                model=ProviderModel.objects.get(pk=obj.pk),
                actor=current_user(request),
                request=request,
                **changes,
            )

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Nothing is related, and the service has recorded the change."""

    def _switch(self, request: HttpRequest, rows: QuerySet[ProviderModel], *, on: bool) -> None:
        actor = current_user(request)

        def act(model: ProviderModel) -> None:
            services.change_model(model=model, actor=actor, request=request, is_enabled=on)

        if self.attempt(request, rows, act):
            self.message_user(request, gettext("The changes are saved."), messages.SUCCESS)

    @admin.action(description=_("Enable"))
    def enable(self, request: HttpRequest, rows: QuerySet[ProviderModel]) -> None:
        self._switch(request, rows, on=True)

    @admin.action(description=_("Disable"))
    def disable(self, request: HttpRequest, rows: QuerySet[ProviderModel]) -> None:
        self._switch(request, rows, on=False)


class AliasMemberInline(ReadOnlyInline):
    model = AliasMember
    hide_title = False
    fields = ("position", "model", "weight")
    readonly_fields = fields


@admin.register(Alias)
class AliasAdmin(ReadOnlyAdmin):
    """Changed on its page, where its models are seen at work."""

    list_display = ("name", "owner", "strategy", "retries", "is_enabled", "created_at")
    list_filter = ("strategy", "is_enabled")
    search_fields = ("name", "owner__email")
    inlines = (AliasMemberInline,)


@admin.register(ModelHealth)
class ModelHealthAdmin(ReadOnlyAdmin):
    list_display = ("model", "state", "reason", "failures", "retry_at", "ttft_ms", "changed_at")
    list_filter = ("state",)
    list_select_related = ("model__provider",)
    search_fields = ("model__model_id", "model__provider__name")


@admin.register(ModelPrice)
class ModelPriceAdmin(ReadOnlyAdmin):
    """Changed on the page of the price table, where an edit never rewrites what was."""

    list_display = (
        "model_pattern",
        "provider_slug",
        "currency",
        "input_per_mtok",
        "output_per_mtok",
        "cached_input_per_mtok",
        "context_tokens",
        "valid_from",
        "is_edited",
    )
    list_filter = ("provider_slug", "currency", TypeFilter, "is_edited")
    list_filter_submit = True
    search_fields = ("model_pattern", "provider_slug", "source")


class SourceFilter(admin.SimpleListFilter):
    """By the part of the platform that called."""

    title = _("source")
    parameter_name = "source"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(SOURCE_WORDS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(source=self.value()) if self.value() else queryset


@admin.register(CallRecord)
class CallRecordAdmin(ReadOnlyAdmin):
    audit_noun = "call"
    list_display = (
        "at",
        "user",
        "model_label",
        "provider_label",
        "source_label",
        "status_label",
        "prompt_tokens",
        "completion_tokens",
        "cost",
        "currency",
        "ttft_ms",
        "duration_ms",
    )
    list_filter = (
        ("at", RangeDateTimeFilter),
        ("user", AutocompleteSelectFilter),
        ("model", AutocompleteSelectFilter),
        ("status", admin.AllValuesFieldListFilter),
        SourceFilter,
    )
    list_filter_submit = True
    list_fullwidth = True
    list_select_related = ("user",)
    search_fields = ("model_label", "provider_label", "user__email", "error_code")
    fields = (
        ("at", "user"),
        ("model_label", "provider_label"),
        ("source_label", "api_key"),
        ("status_label", "error_code"),
        ("kind", "is_estimated"),
        ("prompt_tokens", "completion_tokens"),
        ("reasoning_tokens", "cached_tokens"),
        ("cache_write_tokens", "cost_source"),
        ("cost", "currency"),
        ("price", "own_price"),
        ("ttft_ms", "duration_ms"),
    )

    readonly_fields = ("status_label", "source_label")

    @admin.display(description=_("source"), ordering="source")
    def source_label(self, call: CallRecord) -> str:
        return str(SOURCE_WORDS.get(call.source, call.source))

    @display(description=_("status"), ordering="status", label=STATUS_COLOURS)
    def status_label(self, call: CallRecord) -> Label:
        return Label(call.status, STATUS_WORDS.get(call.status, call.status))
