"""Console: the live settings."""

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from accounts.models import PlatformSettings
from llmplatform.audited_admin import AuditedAdmin


@admin.register(PlatformSettings)
class PlatformSettingsAdmin(AuditedAdmin):
    """One row: its list is its form."""

    audit_noun = "settings"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        row = PlatformSettings.current()
        return HttpResponseRedirect(
            reverse("admin:accounts_platformsettings_change", args=[row.pk])
        )
