"""API: `feedback/inbox` and `feedback/reviewers`."""

from typing import Any, Literal

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from ninja import Query, Router

from accounts.access import current_user, owned_or_404
from accounts.models import User
from chat import reviewing
from chat.feedback_filters import Filters
from chat.feedback_schemas import (
    CandidateOut,
    CandidateRow,
    DecisionIn,
    DecisionsIn,
    DecisionsOut,
    FiltersIn,
    ReviewerIn,
    ReviewerOut,
)
from chat.models import Feedback, Reviewer
from llmplatform.schemas import Page, Paging, paginate

inbox_router = Router(tags=["Feedback"])
reviewers_router = Router(tags=["Feedback"])


def _reviewing_user(request: HttpRequest) -> User:
    user = current_user(request)
    if not reviewing.may_review(user):
        raise PermissionDenied
    return user


def _admin(request: HttpRequest) -> User:
    user = current_user(request)
    if not user.is_admin:
        raise PermissionDenied
    return user


def _candidate(request: HttpRequest, feedback_id: int) -> Feedback:
    """One that reviewers may see; for other people, one of their own."""
    user = current_user(request)
    own = Feedback.objects.for_user(user)
    rows = reviewing.inbox() if reviewing.may_review(user) else own
    return owned_or_404(rows.select_related("message__session", "user"), pk=feedback_id)


@inbox_router.get("", response=Page[CandidateRow])
def list_candidates(
    request: HttpRequest,
    paging: Query[Paging],
    filters: Query[FiltersIn],
    state: Literal["pending", "accepted", "rejected", "all"] = "pending",
) -> Any:
    """Of people who agreed, the newest first. Reviewers only."""
    _reviewing_user(request)
    rows = Filters.of(filters.model_dump()).apply(reviewing.inbox())
    rows = rows if state == "all" else rows.filter(state=state)
    return paginate(rows.select_related("user").prefetch_related("tag_rows"), paging)


@inbox_router.post("decisions", response=DecisionsOut)
def decide_many(request: HttpRequest, body: DecisionsIn) -> Any:
    """Each as it stands in its chat; what cannot be accepted is told."""
    user = _reviewing_user(request)
    rows = reviewing.inbox().filter(pk__in=body.ids)
    done, refused = reviewing.decide_all(
        rows=rows, decision=body.decision, actor=user, request=request
    )
    told = [{"id": feedback.pk, "reason": reason} for feedback, reason in refused]
    return {"done": done, "refused": told}


@inbox_router.get("{int:feedback_id}", response=CandidateOut)
def get_candidate(request: HttpRequest, feedback_id: int) -> Any:
    """With its conversation."""
    return _candidate(request, feedback_id)


@inbox_router.post("{int:feedback_id}/decision", response=CandidateOut)
def decide(request: HttpRequest, feedback_id: int, body: DecisionIn) -> Any:
    feedback = _candidate(request, feedback_id)
    user = _reviewing_user(request)
    if body.tags is not None:
        reviewing.set_tags(feedback=feedback, names=body.tags, actor=user, request=request)
    if body.decision == "accept":
        example = body.example.model_dump() if body.example else None
        reviewing.accept(feedback=feedback, actor=user, example=example, request=request)
    elif body.decision == "reject":
        reviewing.reject(feedback=feedback, actor=user, request=request)
    else:
        reviewing.reopen(feedback=feedback, actor=user, request=request)
    return feedback


def _named(reviewer: Reviewer) -> dict[str, Any]:
    return {
        "user_id": reviewer.user_id,
        "email": reviewer.user.email,
        "named_by": reviewer.named_by.email if reviewer.named_by else None,
        "created_at": reviewer.created_at,
    }


@reviewers_router.get("", response=Page[ReviewerOut])
def list_reviewers(request: HttpRequest, paging: Query[Paging]) -> Any:
    """The people named by administrators, who review anyway. Administrators only."""
    _admin(request)
    return paginate(Reviewer.objects.select_related("user", "named_by"), paging, _named)


@reviewers_router.post("", response={201: ReviewerOut})
def name_reviewer(request: HttpRequest, body: ReviewerIn) -> Any:
    actor = _admin(request)
    return 201, _named(reviewing.name_reviewer(email=body.email, actor=actor, request=request))


@reviewers_router.delete("{int:user_id}", response={204: None})
def unname_reviewer(request: HttpRequest, user_id: int) -> Any:
    actor = _admin(request)
    reviewer = owned_or_404(Reviewer.objects.select_related("user"), user=user_id)
    reviewing.unname_reviewer(reviewer=reviewer, actor=actor, request=request)
    return 204, None
