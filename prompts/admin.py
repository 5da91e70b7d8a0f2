"""Console: the prompt library."""

from typing import ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.admin import TabularInline

from llmplatform.audited_admin import AuditedAdmin
from prompts.models import Prompt, PromptTag


class TagInline(TabularInline):  # type: ignore[misc]
    model = PromptTag
    extra = 0


@admin.register(Prompt)
class PromptAdmin(AuditedAdmin):
    audit_noun = "prompt"
    list_display = ("title", "owner", "is_shared", "uses", "updated_at")
    list_filter = ("is_shared",)
    search_fields = ("title", "text", "owner__email")
    # The library's own pages change a text: it becomes a version there.
    readonly_fields = (
        *("owner", "text", "number", "variable_specs", "uses"),
        *("created_at", "updated_at"),
    )
    inlines: ClassVar = [TagInline]

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Prompt]":
        """What others may read anyway; a private prompt is its owner's alone."""
        rows: QuerySet[Prompt] = super().get_queryset(request)
        return rows.filter(Q(owner=None) | Q(is_shared=True))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """The library's own page makes them, with its checks."""
        return False
