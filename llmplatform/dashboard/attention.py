"""What somebody should look at first, worst first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, Q
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import PlatformSettings, RegistrationMode, User
from llmplatform.dashboard.calls import TROUBLE
from llmplatform.probes import Finding, State, is_low
from providers.models import CallRecord, Provider
from training.models import Kind, Status, Workload
from training.node_cards import NodeCard

FAILED_WITHIN = timedelta(hours=24)
CALLS_WITHIN = timedelta(hours=1)
FEWEST_CALLS = 3
SHOWN_JOBS = 8
CHANGE_VIEWS = {
    Kind.TRAIN: "admin:training_trainingjob_change",
    Kind.BUILD: "admin:training_modelbuild_change",
    Kind.SERVE: "admin:training_deployment_change",
    Kind.FETCH: "admin:training_modelfetch_change",
    Kind.EVALUATE: "admin:training_evaluation_change",
    Kind.CHECK: "admin:training_paritycheck_change",
    Kind.EXPORT: "admin:training_modelexport_change",
}


@dataclass(frozen=True)
class Need:
    """`level`: danger or warning."""

    level: str
    text: str
    detail: str = ""
    url: str = ""


def needs(nodes: Sequence[NodeCard], findings: Sequence[Finding]) -> list[Need]:
    found = [
        *_dependencies(findings),
        *_nodes(nodes),
        *_failed_work(),
        *_failing_providers(),
        *_waiting_people(),
    ]
    return sorted(found, key=lambda need: need.level != "danger")


def _dependencies(findings: Sequence[Finding]) -> list[Need]:
    levels = {State.FAILED: "danger", State.WARNING: "warning"}
    return [
        Need(levels[seen.state], f"{seen.label}: {seen.detail}", seen.advice)
        for seen in findings
        if seen.state in levels
    ]


def _nodes(nodes: Sequence[NodeCard]) -> list[Need]:
    found = []
    for card in nodes:
        url = reverse("admin:training_node_change", args=[card.node.pk])
        if not card.is_live:
            is_busy = any(slot.workload_id for slot in card.slots)
            text = _("Node %(name)s does not answer.") % {"name": card.node.name}
            detail = _("Work is on it.") if is_busy else _("Nothing runs on it.")
            found.append(Need("danger" if is_busy else "warning", text, detail, url))
        elif card.disk_free_bytes is not None and is_low(
            card.disk_free_bytes, card.node.disk_bytes
        ):
            text = _("Node %(name)s is running out of disk space.") % {"name": card.node.name}
            detail = _("%(size)s free") % {"size": filesizeformat(card.disk_free_bytes)}
            found.append(Need("warning", text, detail, url))
    return found


def workload_url(workload: Workload) -> str:
    return reverse(CHANGE_VIEWS[Kind(workload.kind)], args=[workload.pk])


def _failed_work() -> list[Need]:
    since = timezone.now() - FAILED_WITHIN
    rows = Workload.objects.filter(status=Status.FAILED, finished_at__gt=since)
    found = []
    for row in rows.order_by("-finished_at")[:SHOWN_JOBS]:
        text = _("%(kind)s “%(name)s” failed.") % {
            "kind": row.get_kind_display(),
            "name": row.name,
        }
        found.append(Need("danger", text, row.get_reason_display(), workload_url(row)))
    return found


def _failing_providers() -> list[Need]:
    """Those of whose calls at least half fail lately."""
    rows = (
        CallRecord.objects.filter(at__gt=timezone.now() - CALLS_WITHIN)
        .exclude(model=None)
        .order_by()
        .values("model__provider_id")
        .annotate(calls=Count("pk"), failed=Count("pk", filter=TROUBLE))
        .filter(calls__gte=FEWEST_CALLS, failed__gt=0)
    )
    bad = {row["model__provider_id"]: row for row in rows if row["failed"] * 2 >= row["calls"]}
    found = []
    for provider in Provider.objects.filter(pk__in=bad):
        row = bad[provider.pk]
        text = _("Provider %(name)s is failing.") % {"name": provider.name}
        detail = _("%(failed)d of %(calls)d calls within the hour failed.") % row
        url = reverse("admin:providers_provider_change", args=[provider.pk])
        found.append(Need("danger", text, detail, url))
    return found


def _waiting_people() -> list[Need]:
    """New accounts are inactive and have never signed in."""
    if PlatformSettings.current().registration != RegistrationMode.APPROVAL:
        return []
    count = User.objects.filter(Q(is_active=False) & Q(last_login=None)).count()
    if not count:
        return []
    text = ngettext(
        "%(count)d account waits for approval.", "%(count)d accounts wait for approval.", count
    )
    url = reverse("admin:accounts_user_changelist") + "?is_active__exact=0"
    return [Need("warning", text % {"count": count}, url=url)]
