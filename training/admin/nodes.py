"""Console: machines. They join by starting a worker; here they are emptied and forgotten."""

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import display

from accounts.access import current_user
from llmplatform.audited_admin import AuditedAdmin, ReadOnlyInline
from training.draining import set_draining
from training.models import Node, Slot


class SlotInline(ReadOnlyInline):
    """What the node's worker found; nobody types it."""

    model = Slot
    fields = readonly_fields = ("name", "index", "is_gpu", "shown_memory", "workload")

    @display(description=_("memory"))
    def shown_memory(self, slot: Slot) -> str:
        return filesizeformat(slot.memory_bytes)


@admin.register(Node)
class NodeAdmin(AuditedAdmin):
    audit_noun = "node"
    list_display = (
        "name",
        "is_there",
        "is_draining",
        "has_training",
        "cpu_count",
        "memory",
        "disk",
        "last_seen_at",
    )
    list_filter = ("is_draining", "has_training")
    search_fields = ("name",)
    fields = (
        ("name", "is_there"),
        ("is_draining", "hour_price_usd"),
        ("has_training", "cpu_count"),
        ("memory", "disk"),
        ("last_seen_at", "created_at"),
    )
    readonly_fields = (
        "name",
        "is_there",
        "has_training",
        "cpu_count",
        "memory",
        "disk",
        "last_seen_at",
        "created_at",
    )
    inlines = (SlotInline,)
    actions = ("drain", "undrain")

    @display(description=_("answers"), boolean=True)
    def is_there(self, node: Node) -> bool:
        return node.is_live

    @display(description=_("memory"), ordering="memory_bytes")
    def memory(self, node: Node) -> str:
        return filesizeformat(node.memory_bytes)

    @display(description=_("disk"), ordering="disk_bytes")
    def disk(self, node: Node) -> str:
        return filesizeformat(node.disk_bytes)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Only one that is gone; a live one would come back at once."""
        return isinstance(obj, Node) and not obj.is_live

    def _switch(self, request: HttpRequest, nodes: QuerySet[Node], *, draining: bool) -> int:
        actor = current_user(request)
        return sum(
            set_draining(node=node, actor=actor, draining=draining, request=request)
            for node in nodes
        )

    @admin.action(description=_("Drain: start nothing new there"))
    def drain(self, request: HttpRequest, nodes: QuerySet[Node]) -> None:
        count = self._switch(request, nodes, draining=True)
        text = ngettext("%(count)d node is draining.", "%(count)d nodes are draining.", count)
        self.message_user(request, text % {"count": count}, messages.SUCCESS)

    @admin.action(description=_("Take new work again"))
    def undrain(self, request: HttpRequest, nodes: QuerySet[Node]) -> None:
        count = self._switch(request, nodes, draining=False)
        text = ngettext("%(count)d node takes new work.", "%(count)d nodes take new work.", count)
        self.message_user(request, text % {"count": count}, messages.SUCCESS)
