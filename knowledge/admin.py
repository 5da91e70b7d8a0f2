"""Console: knowledge bases as far as running the platform needs them. Their texts are private."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet, Sum
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import action, display

from knowledge import documents
from knowledge.models import Base, Document, DocumentStatus
from knowledge.problems import explained
from llmplatform.audited_admin import Label, ReadOnlyAdmin

COLOURS = {
    DocumentStatus.PENDING: "default",
    DocumentStatus.PROCESSING: "primary",
    DocumentStatus.READY: "success",
    DocumentStatus.FAILED: "danger",
}


@admin.register(Base)
class BaseAdmin(ReadOnlyAdmin):
    audit_noun = "knowledge"
    list_display = ("name", "owner", "is_shared", "index", "size", "bytes", "updated_at")
    list_filter = ("source", "is_shared", ("owner", AutocompleteSelectFilter))
    list_filter_submit = True
    search_fields = ("name", "owner__email")
    fields = (
        ("name", "owner"),
        ("source", "is_shared"),
        ("index", "size"),
        ("chunk_chars", "overlap_chars"),
        ("mode", "top_k"),
        ("score_threshold", "updated_at"),
        "created_at",
    )
    readonly_fields = ("index", "size")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Base]":
        rows: QuerySet[Base] = super().get_queryset(request)
        counted = rows.annotate(
            document_count=Count("documents"), total_bytes=Sum("documents__size_bytes")
        )
        return counted.select_related("owner", "live_space")

    @display(description=_("Index"))
    def index(self, base: Base) -> str:
        return str(base.live_space or "–")

    @display(description=_("documents"), ordering="document_count")
    def size(self, base: Any) -> int:
        return int(base.document_count)

    @display(description=_("bytes"), ordering="total_bytes")
    def bytes(self, base: Any) -> int:
        return int(base.total_bytes or 0)


@admin.register(Document)
class DocumentAdmin(ReadOnlyAdmin):
    """What stands in it is its owner's; why it failed is an operator's business, too."""

    audit_noun = "document"
    actions = ("read_again",)
    list_display = ("name", "base", "state", "chunk_count", "size_bytes", "attempt", "created_at")
    list_filter = ("status", "error_code", ("base", AutocompleteSelectFilter))
    list_filter_submit = True
    search_fields = ("name", "base__name", "base__owner__email")
    fields = (
        ("name", "base"),
        ("media_type", "size_bytes"),
        ("pages", "characters"),
        ("chunk_count", "attempt"),
        ("state", "why"),
        ("heartbeat_at", "not_before"),
        ("created_at", "ready_at"),
    )
    readonly_fields = ("state", "why")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Document]":
        rows: QuerySet[Document] = super().get_queryset(request)
        return rows.select_related("base")

    @display(description=_("status"), ordering="status", label=COLOURS)
    def state(self, document: Document) -> Label:
        return Label(document.status, document.get_status_display())

    @display(description=_("error"))
    def why(self, document: Document) -> str:
        if not document.error_code:
            return "–"
        return explained(document.error_code, document.error_params)

    @action(description=_("Read again"))
    def read_again(self, request: HttpRequest, rows: "QuerySet[Document]") -> None:
        count = sum(documents.read_again(document=document) for document in rows)
        text = ngettext(
            "%(count)d document is read again.", "%(count)d documents are read again.", count
        )
        self.message_user(request, text % {"count": count})
