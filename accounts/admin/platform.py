"""Console: the live settings."""

from django.contrib import admin

from accounts.models import PlatformSettings
from llmplatform.audited_admin import SettingsAdmin


@admin.register(PlatformSettings)
class PlatformSettingsAdmin(SettingsAdmin):
    audit_noun = "settings"
