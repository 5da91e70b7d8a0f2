"""Pages of the machines and of the queue for them."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.access import admin_required, current_user, owned_or_404
from accounts.models import User
from training import queueing
from training.draining import set_draining
from training.errors import StateConflict
from training.models import Node, Workload
from training.node_cards import NodeCard, node_cards
from training.parallel import PRIORITY_HIGH, PRIORITY_LOW, PRIORITY_NORMAL

NEW_NODE = "gpu-node-2"
INSTALL = "python3.11 training/environment/install.py .venv-training"
JOIN = "NODE_NAME={0} .venv/bin/python -m llmplatform.background worker node.{0}"


def _work(card: NodeCard, viewer: User) -> list[dict[str, Any]]:
    """What is where: places with what holds them, then what runs beside them."""
    found: list[dict[str, Any]] = []
    for slot in card.slots:
        known = slot.workload and queueing.shown_to(viewer, slot.workload)
        found.append({"slot": slot, "holder": slot.workload, "known": known})
    for workload in card.others:
        known = queueing.shown_to(viewer, workload)
        found.append({"slot": None, "holder": workload, "known": known})
    return found


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Asked by htmx, the cards alone."""
    viewer = current_user(request)
    context = {
        "cards": [(card, _work(card, viewer)) for card in node_cards()],
        "install_command": INSTALL,
        "join_command": JOIN.format(NEW_NODE),
        "can_be_joined": bool(settings.REDIS_URL),
    }
    name = "training/nodes.html#cards" if request.htmx else "training/nodes.html"  # type: ignore[attr-defined]
    return render(request, name, context)


@admin_required
@require_POST
def drain(request: HttpRequest, node_id: int, *, draining: bool) -> HttpResponse:
    node = owned_or_404(Node.objects.all(), pk=node_id)
    set_draining(node=node, actor=current_user(request), draining=draining, request=request)
    text = (
        _("Nothing new begins on %(name)s; what runs there goes on.")
        if draining
        else _("%(name)s takes new work.")
    )
    messages.success(request, text % {"name": node.name})
    return redirect("nodes:list")


@require_safe
def queue(request: HttpRequest) -> HttpResponse:
    """Asked by htmx, its tables alone."""
    viewer = current_user(request)
    most = PRIORITY_HIGH if viewer.is_admin else PRIORITY_NORMAL
    context = {
        "queue": queueing.overview(viewer),
        "priorities": range(most, PRIORITY_LOW - 1, -1),
    }
    name = "training/queue.html#tables" if request.htmx else "training/queue.html"  # type: ignore[attr-defined]
    return render(request, name, context)


def _reachable(request: HttpRequest, workload_id: UUID) -> Workload:
    return owned_or_404(queueing.reachable_by(current_user(request)), pk=workload_id)


@require_POST
def change_priority(request: HttpRequest, workload_id: UUID) -> HttpResponse:
    workload, said = _reachable(request, workload_id), request.POST.get("priority", "")
    try:
        priority = int(said)
        queueing.set_priority(
            workload=workload, actor=current_user(request), priority=priority, request=request
        )
    except StateConflict as error:
        messages.error(request, error.message)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    except ValueError:
        messages.error(request, _("Enter a whole number."))
    return redirect("queue:list")


@require_POST
def withdraw(request: HttpRequest, workload_id: UUID) -> HttpResponse:
    workload = _reachable(request, workload_id)
    try:
        queueing.withdraw(workload=workload, actor=current_user(request), request=request)
    except StateConflict as error:
        messages.error(request, error.message)
    else:
        messages.success(request, _("“%(name)s” does not wait any more.") % {"name": workload.name})
    return redirect("queue:list")
