"""API: `training/deployments`."""

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router
from pydantic import Field

from accounts.access import current_user, owned_or_404
from llmplatform.errors import ApiError
from llmplatform.schemas import Answer
from training import parity, streams
from training.errors import StateConflict
from training.models import Deployment, ParityCheck
from training.schemas import JobError, LogOut

deployments_router = Router(tags=["Training"])


class ParityOut(Answer):
    status: str
    rows: list[dict[str, Any]] = Field(
        description="A training prompt each: the first token that differs, and both answers."
    )
    problems: list[str] = Field(description="What it holds against the label production.")
    error: JobError | None = None

    @staticmethod
    def of(check: ParityCheck) -> dict[str, Any]:
        label = check.get_reason_display()
        error = {"code": check.reason, "message": label, "detail": check.detail}
        return {
            "status": str(check.state),
            "rows": check.rows,
            "problems": parity.problems_of(check.version),
            "error": error if check.reason else None,
        }


def _deployment(request: HttpRequest, deployment_id: str) -> Deployment:
    rows = Deployment.objects.for_user(current_user(request))
    return owned_or_404(rows.select_related("version__job__dataset", "node"), pk=deployment_id)


@deployments_router.get("{deployment_id}/logs", response=LogOut)
def read_log(request: HttpRequest, deployment_id: str, after: Query[int] = 0) -> Any:
    """Lines from number `after` on; `next` is where to go on."""
    lines = streams.log_after(_deployment(request, deployment_id).pk, max(0, after))
    return {"lines": lines.items, "next": lines.next}


@deployments_router.get("{deployment_id}/parity", response=ParityOut)
def read_parity(request: HttpRequest, deployment_id: str) -> Any:
    """The newest check. 404 before the first one."""
    check = _deployment(request, deployment_id).parity_checks.order_by("-created_at").first()
    if check is None:
        raise ApiError(404, "not_found", StateConflict("check", "none").message)
    return ParityOut.of(check)


@deployments_router.post("{deployment_id}/parity", response={202: ParityOut})
def begin_parity(request: HttpRequest, deployment_id: str) -> Any:
    """Do trainer and endpoint render the same tokens, and does it answer them alike?"""
    deployment, user = _deployment(request, deployment_id), current_user(request)
    try:
        check = parity.begin(deployment=deployment, actor=user, request=request)
    except StateConflict as error:
        raise ApiError(409, "conflict", error.message) from error
    return 202, ParityOut.of(check)
