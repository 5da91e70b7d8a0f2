"""What people say about answers of their own chats, and whether others may learn from it."""

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from chat import forwarding
from chat.models import (
    Feedback,
    FeedbackKind,
    FeedbackReason,
    Message,
    TrainingConsent,
    Vote,
)
from llmplatform.text import UNSTORABLE

NOTE_MAX_CHARS = 2000
CORRECTION_MAX_CHARS = 200_000
VERDICTS = (FeedbackKind.UP, FeedbackKind.DOWN)


def consent_of(user: User) -> TrainingConsent | None:
    """None: not asked yet."""
    return TrainingConsent.objects.filter(user=user).first()


def give_consent(
    *, user: User, is_given: bool = True, request: HttpRequest | None = None
) -> TrainingConsent:
    """Says yes, or no for the first time. Taking a yes back: withdrawing.py."""
    with transaction.atomic():
        before = consent_of(user)
        if before is not None and before.is_given == is_given:
            return before
        values = {"is_given": is_given, "decided_at": timezone.now()}
        consent, _is_new = TrainingConsent.objects.update_or_create(user=user, defaults=values)
        audit(
            actor=user,
            action="consent.give" if is_given else "consent.refuse",
            target=user,
            before={"is_given": before.is_given if before else None},
            after={"is_given": is_given},
            request=request,
        )
    return consent


def give(
    *,
    message: Message,
    user: User,
    verdict: str | None = None,
    reason: str | None = None,
    note: str | None = None,
    correction: str | None = None,
    request: HttpRequest | None = None,
) -> Feedback | None:
    """Rates an answer of `user`, or corrects it; what is None stays, and "" takes it away. None
    when nothing is left of it. ValidationError keyed by field."""
    _check_answer(message)
    changes = _checked(message, verdict=verdict, reason=reason, note=note, correction=correction)
    with transaction.atomic():
        feedback = Feedback.objects.select_for_update().filter(message=message).first()
        feedback = feedback or Feedback(user=user, message=message)
        before = (feedback.verdict, feedback.correction)
        for name, value in changes.items():
            setattr(feedback, name, value)
        if not (feedback.verdict or feedback.correction):
            take_away(feedback=feedback, request=request)
            return None
        feedback.kind = FeedbackKind.CORRECTION if feedback.correction else feedback.verdict
        feedback.model_label, feedback.updated_at = message.model_label, timezone.now()
        if before != (feedback.verdict, feedback.correction):
            feedback.reopen()
        feedback.save()
        if before[0] != feedback.verdict:
            forwarding.forward(message)
        shown = [name for name in ("verdict", "reason") if name in changes]
        after: dict[str, str] = {name: changes[name] for name in shown}
        after |= dict.fromkeys(changes.keys() & {"note", "correction"}, "changed")
        audit(actor=user, action="feedback.give", target=feedback, after=after, request=request)
    return feedback


def _check_answer(message: Message) -> None:
    if message.is_question or message.is_streaming or not message.content.strip():
        raise ValidationError({"verdict": [_("Only an answer that has a text can be rated.")]})


def _checked(message: Message, **given: str | None) -> dict[str, str]:
    changes = {name: value.strip() for name, value in given.items() if value is not None}
    problems: dict[str, list[str]] = {}
    if changes.get("verdict", "") not in ("", *VERDICTS):
        problems["verdict"] = [_("Choose up or down.")]
    if changes.get("reason", "") not in ("", *FeedbackReason.values):
        problems["reason"] = [_("There is no such reason.")]
    for name, limit in (("note", NOTE_MAX_CHARS), ("correction", CORRECTION_MAX_CHARS)):
        if len(changes.get(name, "")) > limit:
            text = _("The text is longer than %(count)d characters.")
            problems[name] = [text % {"count": limit}]
        elif UNSTORABLE.search(changes.get(name, "")):
            problems[name] = [_("The text contains characters that cannot be stored.")]
    if problems:
        raise ValidationError(problems)
    if changes.get("correction") == message.content.strip():
        changes["correction"] = ""
    return changes


def take_away(*, feedback: Feedback, request: HttpRequest | None = None) -> None:
    """What was collected already stays in its datasets; see withdrawing.py."""
    if feedback.pk is None:
        return
    with transaction.atomic():
        audit(actor=feedback.user, action="feedback.delete", target=feedback, request=request)
        if feedback.message is not None:
            forwarding.forward(feedback.message)
        feedback.delete()


def take_vote(*, vote: Vote, winner: Message | None) -> None:
    """The best answer of a comparison is an example; a tie is none. In the transaction of the vote,
    which is audited."""
    Feedback.objects.filter(vote=vote).delete()
    if winner is None or Feedback.objects.filter(message=winner).exists():
        return
    Feedback.objects.create(
        user=vote.voter,
        message=winner,
        vote=vote,
        kind=FeedbackKind.VOTE,
        note=vote.note,
        model_label=winner.model_label,
    )
