"""The numbers of the console's overview, straight from the database. Unknown is None, never 0."""

from typing import Any

from django.utils import timezone

from accounts.models import AuditEvent
from llmplatform import probes
from llmplatform.dashboard.attention import needs
from llmplatform.dashboard.calls import last_day
from llmplatform.dashboard.work import active_people, queue, running
from training.node_cards import node_cards

RECENT_EVENTS = 12


def overview() -> dict[str, Any]:
    """Everything that templates/console/overview.html shows."""
    nodes, findings, traffic = node_cards(), probes.findings(), last_day()
    active = running()
    return {
        "nodes": nodes,
        "findings": findings,
        "calls": traffic,
        "running": active,
        "queue": queue(),
        "people": active_people(),
        "events": AuditEvent.objects.all()[:RECENT_EVENTS],
        "now": timezone.localtime(),
        "needs": needs(nodes, findings),
    }
