"""Verbs about parity checks: begin one, and what it lets through to `production`."""

from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from training import dispatch, lifecycle
from training.errors import StateConflict
from training.models import Deployment, ModelVersion, ParityCheck, Stage, Status

PROMPTS, ANSWER_TOKENS = 10, 32


def is_possible(version: ModelVersion) -> bool:
    """Prompts are needed, in texts alone, and a template to render them with."""
    job = version.job
    if job is None or job.stage == Stage.PT or job.dataset.pictures:
        return False
    return job.dataset.has_file


def begin(
    *, deployment: Deployment, actor: User | None = None, request: HttpRequest | None = None
) -> ParityCheck:
    """Into the queue. Without an actor it is the platform's own. Raises StateConflict."""
    version = deployment.version
    if deployment.serving_state != "running" or not is_possible(version):
        raise StateConflict("check", deployment.serving_state)
    check = ParityCheck(
        owner=deployment.owner,
        name=deployment.name,
        version=version,
        served=deployment,
        node=deployment.node,
    )
    with transaction.atomic():
        check.save()
        lifecycle.enqueue(check)
        if actor is not None:
            audit(actor=actor, action="parity.create", target=check, request=request)
        dispatch.look_at_queue()
    return check


def newest(version: ModelVersion) -> ParityCheck | None:
    rows = version.parity_checks.filter(status=Status.SUCCESS)
    return rows.order_by("-finished_at", "-created_at").first()


def problems_of(version: ModelVersion) -> list[str]:
    """What the newest check holds against it; empty without one."""
    check = newest(version)
    if check is None:
        return []
    tokens, answers, total = (
        len(check.different_tokens),
        len(check.different_answers),
        len(check.rows),
    )
    found = []
    if tokens:
        text = _("The endpoint renders %(count)d of %(total)d training prompts differently.")
        found.append(text % {"count": tokens, "total": total})
    if answers:
        text = _("The endpoint answers %(count)d of %(total)d training prompts differently.")
        found.append(text % {"count": answers, "total": total})
    return found
