"""What processes tell each other about models that fail: rows of `ModelHealth`."""

from datetime import timedelta

from django.utils import timezone

from providers.gateway.health import Circuit
from providers.models import CircuitState, ModelHealth, ProviderModel


def save(model_pk: int, circuit: Circuit, wait_s: float) -> None:
    """`wait_s`: until the next try, where the circuit is open."""
    if not ProviderModel.objects.filter(pk=model_pk).exists():
        return
    now = timezone.now()
    ModelHealth.objects.update_or_create(
        model_id=model_pk,
        defaults={
            "state": circuit.state,
            "failures": circuit.failures,
            "reason": circuit.reason,
            "retry_at": now + timedelta(seconds=wait_s) if wait_s else None,
            "ttft_ms": None if circuit.ttft_s is None else circuit.ttft_s * 1000,
            "changed_at": now,
        },
    )


def resting() -> list[tuple[int, str, float]]:
    """Models that rest now: primary key, reason, seconds until the next try."""
    now = timezone.now()
    rows = ModelHealth.objects.filter(state=CircuitState.OPEN, retry_at__gt=now)
    return [
        (row.model_id, row.reason, (row.retry_at - now).total_seconds())
        for row in rows
        if row.retry_at is not None
    ]
