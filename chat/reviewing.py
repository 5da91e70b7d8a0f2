"""Deciding what others may learn from: administrators, and the people whom they name."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit, notify
from accounts.types import Notice
from chat.examples import ROLES, Example, example_of, problem_with
from chat.models import Feedback, FeedbackQuerySet, Reviewer, ReviewState
from llmplatform.text import UNSTORABLE

TAG_MAX_CHARS, TAGS_MAX = 50, 20
TURNS_MAX, TEXT_MAX_CHARS = 400, 400_000
# At once; each is read with its conversation.
DECIDED_AT_ONCE = 200


def may_review(user: User) -> bool:
    return user.is_admin or Reviewer.objects.filter(user=user, user__is_active=True).exists()


def reviewers() -> list[User]:
    """Everybody who may, administrators first."""
    named = User.objects.filter(reviewer__isnull=False, is_active=True)
    admins = User.objects.filter(role="admin", is_active=True)
    return [*admins, *named.exclude(pk__in=admins)]


def name_reviewer(*, email: str, actor: User, request: HttpRequest | None = None) -> Reviewer:
    """ValidationError keyed by "email"."""
    try:
        person = User.objects.get_by_natural_key(email)
    except User.DoesNotExist:
        person = None
    if person is None or not person.is_active:
        raise ValidationError({"email": [_("Nobody with this address has an active account.")]})
    if person.is_admin:
        raise ValidationError({"email": [_("Administrators may review anyway.")]})
    with transaction.atomic():
        reviewer, is_new = Reviewer.objects.get_or_create(user=person, defaults={"named_by": actor})
        if is_new:
            audit(actor=actor, action="reviewer.name", target=person, request=request)
            notify(person, _named)
    return reviewer


def _named() -> Notice:
    text = _("You see the rated answers of people who agreed, and decide what models learn from.")
    return Notice(_("You may review answers for training"), text, "/feedback/inbox/")


def unname_reviewer(*, reviewer: Reviewer, actor: User, request: HttpRequest | None = None) -> None:
    with transaction.atomic():
        audit(actor=actor, action="reviewer.unname", target=reviewer.user, request=request)
        reviewer.delete()


def inbox() -> FeedbackQuerySet:
    """What reviewers see: nothing of people who did not agree."""
    return Feedback.objects.all().consented()


def cleaned_example(given: Mapping[str, Any]) -> Example:
    """What a reviewer sent, as it is stored. ValidationError keyed by field."""
    turns = []
    for turn in given.get("messages", ()):
        role, content = turn.get("role"), turn.get("content")
        if role not in ROLES or not isinstance(content, str):
            raise ValidationError({"messages": [_("Each turn has a role and a text.")]})
        if content.strip():
            turns.append({"role": role, "content": content})
    example: Example = {"messages": turns}
    example |= {name: str(given.get(name) or "").strip() for name in ("chosen", "rejected")}
    texts = [turn["content"] for turn in turns] + [example["chosen"], example["rejected"]]
    if len(turns) > TURNS_MAX or sum(map(len, texts)) > TEXT_MAX_CHARS:
        raise ValidationError({"messages": [_("This conversation is too long.")]})
    if any(UNSTORABLE.search(text) for text in texts):
        text = _("The text contains characters that cannot be stored.")
        raise ValidationError({"messages": [text]})
    return example


def _check(example: Example) -> None:
    if not (example["chosen"] or example["rejected"]):
        raise ValidationError({"chosen": [_("Write the answer that a model should learn.")]})
    if example["chosen"] == example["rejected"]:
        raise ValidationError({"chosen": [_("The better answer is the same as the worse one.")]})
    if problem := problem_with(example):
        raise ValidationError({"messages": [problem]})


def accept(
    *,
    feedback: Feedback,
    actor: User,
    example: Mapping[str, Any] | None = None,
    request: HttpRequest | None = None,
) -> Feedback:
    """`example`: as the reviewer wants it; None: as it stands in the chat. ValidationError keyed by
    field when no dataset could use it."""
    wanted = cleaned_example(example) if example is not None else example_of(feedback)
    _check(wanted)
    feedback.example = wanted
    feedback.has_chosen = bool(wanted["chosen"])
    feedback.has_rejected = bool(wanted["rejected"])
    return _decide(feedback, ReviewState.ACCEPTED, actor, request)


def reject(*, feedback: Feedback, actor: User, request: HttpRequest | None = None) -> Feedback:
    feedback.example, feedback.has_chosen, feedback.has_rejected = {}, False, False
    return _decide(feedback, ReviewState.REJECTED, actor, request)


def reopen(*, feedback: Feedback, actor: User, request: HttpRequest | None = None) -> Feedback:
    """Back into the inbox."""
    feedback.reopen()
    with transaction.atomic():
        feedback.save()
        audit(actor=actor, action="feedback.reopen", target=feedback, request=request)
    return feedback


def _decide(feedback: Feedback, state: str, actor: User, request: HttpRequest | None) -> Feedback:
    before = feedback.state
    feedback.state, feedback.reviewed_by = state, actor
    feedback.reviewed_at = timezone.now()
    with transaction.atomic():
        feedback.save()
        audit(
            actor=actor,
            action="feedback.review",
            target=feedback,
            before={"state": before},
            after={"state": state},
            request=request,
        )
    return feedback


def decide_all(
    *, rows: FeedbackQuerySet, decision: str, actor: User, request: HttpRequest | None = None
) -> tuple[int, list[tuple[Feedback, str]]]:
    """Accepts or rejects each as it stands; how many, and those that could not be accepted."""
    done, refused = 0, []
    for feedback in rows.select_related("message__session", "user")[:DECIDED_AT_ONCE]:
        try:
            if decision == "accept":
                accept(feedback=feedback, actor=actor, request=request)
            else:
                reject(feedback=feedback, actor=actor, request=request)
        except ValidationError as error:
            refused.append((feedback, " ".join(error.messages)))
        else:
            done += 1
    return done, refused


def set_tags(
    *, feedback: Feedback, names: Iterable[str], actor: User, request: HttpRequest | None = None
) -> None:
    """ValidationError keyed by "tags"."""
    wanted = list(dict.fromkeys(name.strip() for name in names if name.strip()))
    if len(wanted) > TAGS_MAX or any(len(name) > TAG_MAX_CHARS for name in wanted):
        text = _("At most %(tags)d tags of %(count)d characters.")
        told = text % {"tags": TAGS_MAX, "count": TAG_MAX_CHARS}
        raise ValidationError({"tags": [told]})
    before = feedback.tags
    if before == sorted(wanted):
        return
    with transaction.atomic():
        feedback.set_tags(wanted)
        audit(
            actor=actor,
            action="feedback.tag",
            target=feedback,
            before={"tags": before},
            after={"tags": sorted(wanted)},
            request=request,
        )
