"""API: `feedback`: what people say about answers, and their consent."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Router

from accounts.access import current_user, owned_or_404
from chat import feedback, origins, withdrawing
from chat.feedback_filters import Filters
from chat.feedback_schemas import (
    ConsentIn,
    ConsentOut,
    FeedbackIn,
    FeedbackOut,
    FiltersIn,
    TrailOut,
)
from chat.models import ChatSession, Feedback, Message, TrainingConsent
from llmplatform.schemas import Page, Paging, paginate

feedback_router = Router(tags=["Feedback"])


def _told(consent: TrainingConsent | None) -> dict[str, Any]:
    if consent is None:
        return {"is_given": None, "decided_at": None}
    return {"is_given": consent.is_given, "decided_at": consent.decided_at}


def _message(request: HttpRequest, message_id: UUID) -> Message:
    rows = Message.objects.filter(session__in=ChatSession.objects.for_user(current_user(request)))
    return owned_or_404(rows.select_related("session"), pk=message_id)


@feedback_router.get("consent", response=ConsentOut)
def get_consent(request: HttpRequest) -> Any:
    """Whether others may train on what one rates and corrects."""
    return _told(feedback.consent_of(current_user(request)))


@feedback_router.put("consent", response=ConsentOut)
def set_consent(request: HttpRequest, body: ConsentIn) -> Any:
    """Taken back, one's answers leave the next version of every dataset that has them."""
    user = current_user(request)
    before = feedback.consent_of(user)
    if before is not None and before.is_given and not body.is_given:
        withdrawing.withdraw(user=user, request=request)
    else:
        feedback.give_consent(user=user, is_given=body.is_given, request=request)
    return _told(feedback.consent_of(user))


@feedback_router.get("uses", response=TrailOut)
def get_uses(request: HttpRequest) -> Any:
    """The datasets of reviewers that have one's answers, and the models trained on them."""
    return withdrawing.trail_of(withdrawing.given_by(current_user(request)))


@feedback_router.get("", response=Page[FeedbackOut])
def list_feedback(request: HttpRequest, paging: Query[Paging], filters: Query[FiltersIn]) -> Any:
    """One's own, the newest first."""
    rows = Feedback.objects.for_user(current_user(request))
    return paginate(Filters.of(filters.model_dump()).apply(rows), paging)


@feedback_router.get("messages/{uuid:message_id}", response=FeedbackOut | None)
def get_feedback(request: HttpRequest, message_id: UUID) -> Any:
    """On one answer; null where there is none."""
    return Feedback.objects.filter(message=_message(request, message_id)).first()


@feedback_router.put("messages/{uuid:message_id}", response=FeedbackOut | None)
def give_feedback(request: HttpRequest, message_id: UUID, body: FeedbackIn) -> Any:
    """A verdict, a reason, a better answer. Null when nothing is left of it."""
    return feedback.give(
        message=_message(request, message_id),
        user=current_user(request),
        request=request,
        **body.model_dump(exclude_unset=True),
    )


@feedback_router.delete("messages/{uuid:message_id}", response={204: None})
def take_away(request: HttpRequest, message_id: UUID) -> Any:
    message = _message(request, message_id)
    given = Feedback.objects.filter(message=message).first()
    if given is not None:
        feedback.take_away(feedback=given, request=request)
    return 204, None


@feedback_router.get("messages/{uuid:message_id}/uses", response=TrailOut)
def get_uses_of_answer(request: HttpRequest, message_id: UUID) -> Any:
    """The dataset versions that have this answer, and what learnt from them."""
    return origins.uses_of(_message(request, message_id))
