"""Console: the audit log. Nobody adds, changes or deletes there."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RangeDateTimeFilter

from accounts import services
from accounts.access import current_user
from accounts.audit_words import action_words, kind_words
from accounts.models import AuditEvent
from llmplatform.audited_admin import ReadOnlyAdmin
from llmplatform.spreadsheets import csv_response


class ActionFilter(admin.AllValuesFieldListFilter):
    """By the code, shown in words."""

    words = staticmethod(action_words)

    def choices(self, changelist: Any) -> Iterator[Any]:
        for each in super().choices(changelist):
            yield each | {"display": self.words(str(each["display"]))}


class KindFilter(ActionFilter):
    words = staticmethod(kind_words)


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    audit_noun = "audit"
    list_display = ("at", "actor_label", "action_label", "target_label", "kind", "address")
    list_filter = (
        ("at", RangeDateTimeFilter),
        ("actor", AutocompleteSelectFilter),
        ("action", ActionFilter),
        ("target_type", KindFilter),
    )
    list_filter_submit = True
    search_fields = ("actor_label", "action", "target_label", "target_id", "address", "request_id")
    fields = (
        ("at", "actor_label"),
        ("action_label", "address"),
        ("target_label", "kind"),
        ("target_id", "request_id"),
        "before",
        "after",
    )
    readonly_fields = ("action_label", "kind")
    actions = ("export",)

    @admin.display(description=_("action"), ordering="action")
    def action_label(self, event: AuditEvent) -> str:
        return event.action_words

    @admin.display(description=_("object type"), ordering="target_type")
    def kind(self, event: AuditEvent) -> str:
        return kind_words(event.target_type)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """An object's history (AuditedAdmin.history_view) is this list, filtered by the object."""
        return lookup in ("target_id__exact", "target_type__exact") or super().lookup_allowed(
            lookup, value, request
        )

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:accounts_auditevent_change", args=[object_id]))

    @admin.action(description=_("Export as CSV"))
    def export(self, request: HttpRequest, events: QuerySet[AuditEvent]) -> StreamingHttpResponse:
        services.audit(
            actor=current_user(request),
            action="audit.export",
            after={"events": events.count()},
            request=request,
        )
        rows = events.values_list(*COLUMNS).iterator(chunk_size=1000)
        return csv_response("audit", COLUMNS, rows)


COLUMNS = (
    "at",
    "actor_label",
    "action",
    "target_type",
    "target_id",
    "target_label",
    "address",
    "request_id",
    "before",
    "after",
)
