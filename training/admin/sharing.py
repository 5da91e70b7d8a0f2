"""Console: how much of the machines everybody, and one person, may use."""

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from llmplatform.audited_admin import AuditedAdmin
from training.fair_share import quotas
from training.models import GpuQuota, SharingSettings


@admin.register(SharingSettings)
class SharingSettingsAdmin(AuditedAdmin):
    """One row: its list is its form."""

    audit_noun = "sharing"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        row = SharingSettings.current()
        return HttpResponseRedirect(reverse("admin:training_sharingsettings_change", args=[row.pk]))


@admin.register(GpuQuota)
class GpuQuotaAdmin(AuditedAdmin):
    """Instead of what everybody has."""

    audit_noun = "gpu_quota"
    list_display = ("user", "gpu_hours_per_month", "used")
    list_select_related = ("user",)
    search_fields = ("user__email",)
    autocomplete_fields = ("user",)
    readonly_fields = ("used",)

    @display(description=_("used this month (hours)"))
    def used(self, quota: GpuQuota) -> str:
        if quota.user_id is None:
            return "–"
        return f"{quotas([quota.user_id])[quota.user_id].used:.1f}"
