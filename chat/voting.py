"""Votes on the answers of a round, and the end of a comparison's blindness."""

from collections.abc import Sequence

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from chat.columns import sides_of
from chat.comparing import changed, claim, record
from chat.models import COLUMNS_MIN, ChatSession, Comparison, Message, MessageRole, Outcome, Vote

NOTE_MAX_CHARS = 2000


def vote(
    *,
    comparison: Comparison,
    actor: User,
    outcome: str,
    best: int | None = None,
    note: str = "",
    request: HttpRequest | None = None,
) -> Vote:
    """On the last round; `best` is a column's number. A blind comparison is revealed by it.

    A blind vote is final; another one can be changed. Raises ValidationError, StillAnswering.
    """
    with transaction.atomic():
        locked = claim(comparison)
        sides = sides_of(locked)
        answered = [side.column.number for side in sides if side.has_answered]
        _check_vote(outcome, best, answered)
        number = sides[0].rounds
        before = locked.votes.filter(round=number).first()
        if before is not None and before.is_blind:
            raise ValidationError(_("A blind vote is final: the names are known by now."))
        columns = {side.column.number: side.column for side in sides}
        found, _is_new = Vote.objects.update_or_create(
            comparison=locked,
            round=number,
            defaults={
                "voter": actor,
                "outcome": outcome,
                "best": columns[best] if best and outcome == Outcome.BEST else None,
                "answered": answered,
                "note": note.strip()[:NOTE_MAX_CHARS],
                "is_blind": locked.is_masked,
            },
        )
        after = {"round": number, "outcome": outcome, "is_blind": found.is_blind}
        record(locked, actor, "vote", request, after=after)
        if locked.is_masked:
            _reveal(locked)
        changed(locked)
    return found


def _check_vote(outcome: str, best: int | None, answered: Sequence[int]) -> None:
    if outcome not in Outcome.values:
        raise ValidationError(
            {"outcome": [_("Choose the best answer, a tie, or that all are bad.")]}
        )
    if len(answered) < COLUMNS_MIN:
        raise ValidationError(_("A vote needs two answers at least. Try the failed ones again."))
    if outcome == Outcome.BEST and best not in answered:
        raise ValidationError({"best": [_("Choose a column that has answered.")]})


def reveal(*, comparison: Comparison, actor: User, request: HttpRequest | None = None) -> None:
    """Show the names without a vote; votes from then on are not blind. Raises StillAnswering."""
    with transaction.atomic():
        locked = claim(comparison)
        if locked.is_masked:
            _reveal(locked)
            record(locked, actor, "reveal", request)
            changed(locked)


def _reveal(comparison: Comparison) -> None:
    """Watchers are told every answer anew: what was hidden of it is shown."""
    comparison.revealed_at = timezone.now()
    comparison.save(update_fields=["revealed_at"])
    for session_id in comparison.columns.values_list("session_id", flat=True):
        revision = ChatSession.objects.bump(session_id)
        answers = Message.objects.filter(session=session_id, role=MessageRole.ASSISTANT)
        answers.update(revision=revision)
