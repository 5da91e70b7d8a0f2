"""What the gateway knows and recorded about the models behind an alias."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Avg, Count, Q
from django.utils import timezone

from providers.errors import error_advice
from providers.models import Alias, AliasMember, CallRecord, CircuitState, ModelHealth

WITHIN = timedelta(hours=1)


@dataclass(frozen=True)
class ShownMember:
    """`calls` and `failed` are of the last hour; `share`: the weight's part of all, in percent."""

    member: AliasMember
    health: ModelHealth | None
    is_usable: bool
    calls: int
    failed: int
    ttft_ms: float | None
    share: int

    @property
    def rests(self) -> bool:
        health = self.health
        if health is None or health.state != CircuitState.OPEN or health.retry_at is None:
            return False
        return health.retry_at > timezone.now()

    @property
    def reason(self) -> str:
        """Why it rests, and what to do."""
        code = self.health.reason if self.health else ""
        return error_advice(code) if code else ""


def members_shown(alias: Alias) -> list[ShownMember]:
    rows = list(alias.members.select_related("model__provider", "model__health"))
    recent = CallRecord.objects.filter(
        model__in=[row.model_id for row in rows], at__gt=timezone.now() - WITHIN
    )
    counted = (
        recent.order_by()
        .values("model")
        .annotate(
            calls=Count("pk"), failed=Count("pk", filter=Q(status="failed")), ttft=Avg("ttft_ms")
        )
    )
    figures: dict[Any, Any] = {row["model"]: row for row in counted}
    total = sum(row.weight for row in rows) or 1
    shown = []
    for row in rows:
        model, known = row.model, figures.get(row.model_id, {})
        is_usable = model.is_enabled and not model.missing_since and model.provider.is_enabled
        shown.append(
            ShownMember(
                member=row,
                health=getattr(model, "health", None),
                is_usable=is_usable,
                calls=known.get("calls", 0),
                failed=known.get("failed", 0),
                ttft_ms=known.get("ttft"),
                share=round(100 * row.weight / total),
            )
        )
    return shown
