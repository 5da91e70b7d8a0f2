"""API: `comparisons` and what hangs below it. The socket: docs/events.md."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import Query, Router

from accounts.access import current_user, owned_or_404
from accounts.models import User
from chat import comparing, comparison_exporting, exporting, grounding, leaderboard, voting
from chat.api.sessions import model_of
from chat.columns import Side, side_of
from chat.comparison_schemas import (
    BoardOut,
    ColumnIn,
    ComparisonIn,
    ComparisonOut,
    ComparisonPatch,
    ComparisonRow,
    DifferenceOut,
    NumberIn,
    QuestionIn,
    StandingOut,
    VoteIn,
)
from chat.differing import Difference, compared
from chat.errors import StillAnswering
from chat.models import Comparison, ComparisonQuerySet
from chat.schemas import SessionOut, StopOut
from llmplatform.errors import ApiError
from llmplatform.schemas import Page, Paging, paginate

comparisons_router = Router(tags=["Comparisons"])


def _rows(user: User, *, may_only_read: bool) -> ComparisonQuerySet:
    rows = Comparison.objects.select_related("owner")
    return rows.readable_by(user) if may_only_read else rows.for_user(user)


def _own(request: HttpRequest, comparison_id: UUID) -> Comparison:
    rows = _rows(current_user(request), may_only_read=False)
    return owned_or_404(rows, pk=comparison_id)


def _readable(request: HttpRequest, comparison_id: UUID) -> Comparison:
    rows = _rows(current_user(request), may_only_read=True)
    return owned_or_404(rows, pk=comparison_id)


def _side(comparison: Comparison, number: int) -> Side:
    side = side_of(comparison, number)
    if side is None:
        raise ValidationError({"column": [_("There is no such column.")]})
    return side


@contextmanager
def _when_quiet() -> Iterator[None]:
    """409 while answers are written."""
    try:
        yield
    except StillAnswering as error:
        message = _("Wait for the running answers, or stop them first.")
        raise ApiError(409, "still_answering", message) from error


@comparisons_router.get("", response=Page[ComparisonRow])
def list_comparisons(
    request: HttpRequest, paging: Query[Paging], q: str = "", tag: str = "", shared: bool = False
) -> Any:
    """Your own; `shared=true`: those that others share."""
    user = current_user(request)
    rows = _rows(user, may_only_read=shared)
    rows = rows.exclude(owner=user) if shared else rows
    rows = rows.search(q[:200]) if q else rows
    rows = rows.tagged(tag) if tag else rows
    return paginate(rows.prefetch_related("tag_rows", "columns__session__model__provider"), paging)


@comparisons_router.post("", response={201: ComparisonOut})
def create_comparison(request: HttpRequest, body: ComparisonIn) -> Any:
    """Starts all answers and returns at once: read it again, or open the socket, for their text."""
    user = current_user(request)
    return 201, comparing.start(
        owner=user,
        prompt=body.prompt,
        choices=[_choice(user, each) for each in body.models],
        is_blind=body.is_blind,
        system_prompt=body.system_prompt,
        parameters=body.parameters.given() if body.parameters else {},
        knowledge_bases=grounding.readable(user, body.knowledge_bases),
        tags=body.tags,
        attachments=body.attachments,
        request=request,
    )


def _choice(user: User, wanted: int | str | ColumnIn) -> comparing.Choice:
    try:
        if not isinstance(wanted, ColumnIn):
            return comparing.Choice(model_of(user, wanted))
        own = wanted.parameters.given() if wanted.parameters else {}
        return comparing.Choice(model_of(user, wanted.model_id), wanted.system_prompt, own)
    except ValidationError as error:
        raise ValidationError({"models": error.messages}) from error


@comparisons_router.get("leaderboard", response=BoardOut)
def show_leaderboard(request: HttpRequest, tag: str = "", blind: bool = False) -> Any:
    """Everybody's votes, for the models that you may use; `blind=true`: only blind ones."""
    board = leaderboard.board(current_user(request), tag=tag, is_blind_only=blind)
    return {
        "votes": board.votes,
        "blind_votes": board.blind_votes,
        "votes_to_be_ranked": leaderboard.VOTES_MIN,
        "items": [StandingOut.of(row) for row in (*board.ranked, *board.unranked)],
    }


@comparisons_router.get("{uuid:comparison_id}", response=ComparisonOut)
def get_comparison(request: HttpRequest, comparison_id: UUID) -> Comparison:
    return _readable(request, comparison_id)


@comparisons_router.patch("{uuid:comparison_id}", response=ComparisonOut)
def change_comparison(
    request: HttpRequest, comparison_id: UUID, body: ComparisonPatch
) -> Comparison:
    comparison = _own(request, comparison_id)
    changes = body.model_dump(exclude_unset=True, exclude_none=True)
    comparing.change(comparison=comparison, actor=current_user(request), request=request, **changes)
    return _own(request, comparison_id)


@comparisons_router.delete("{uuid:comparison_id}", response={204: None})
def delete_comparison(request: HttpRequest, comparison_id: UUID) -> Any:
    comparison = _own(request, comparison_id)
    comparing.delete(comparison=comparison, actor=current_user(request), request=request)
    return 204, None


@comparisons_router.post("{uuid:comparison_id}/messages", response=ComparisonOut)
def ask(request: HttpRequest, comparison_id: UUID, body: QuestionIn) -> Comparison:
    """The next question to every column; returns at once."""
    comparison, user = _own(request, comparison_id), current_user(request)
    with _when_quiet():
        comparing.ask_all(comparison=comparison, actor=user, **body.model_dump())
    return _own(request, comparison_id)


@comparisons_router.post("{uuid:comparison_id}/again", response=ComparisonOut)
def again(request: HttpRequest, comparison_id: UUID, body: NumberIn) -> Comparison:
    """Another answer of one column to the last question."""
    side = _side(_own(request, comparison_id), body.column)
    with _when_quiet():
        comparing.ask_again(side=side, actor=current_user(request))
    return _own(request, comparison_id)


@comparisons_router.post("{uuid:comparison_id}/continue", response=ComparisonOut)
def go_on(request: HttpRequest, comparison_id: UUID, body: NumberIn) -> Comparison:
    """Let one column write on where its answer was cut."""
    side = _side(_own(request, comparison_id), body.column)
    with _when_quiet():
        comparing.go_on(side=side, actor=current_user(request))
    return _own(request, comparison_id)


@comparisons_router.post("{uuid:comparison_id}/stop", response=StopOut)
def stop(request: HttpRequest, comparison_id: UUID) -> Any:
    return {"stopped": comparing.stop(comparison=_own(request, comparison_id))}


@comparisons_router.post("{uuid:comparison_id}/votes", response={201: ComparisonOut})
def vote(request: HttpRequest, comparison_id: UUID, body: VoteIn) -> Any:
    """On the last round. A blind comparison is revealed by it."""
    comparison, user = _own(request, comparison_id), current_user(request)
    with _when_quiet():
        voting.vote(comparison=comparison, actor=user, request=request, **body.model_dump())
    return 201, _own(request, comparison_id)


@comparisons_router.post("{uuid:comparison_id}/reveal", response=ComparisonOut)
def reveal(request: HttpRequest, comparison_id: UUID) -> Comparison:
    """Show the names without a vote."""
    comparison, user = _own(request, comparison_id), current_user(request)
    with _when_quiet():
        voting.reveal(comparison=comparison, actor=user, request=request)
    return _own(request, comparison_id)


@comparisons_router.post("{uuid:comparison_id}/chats", response={201: SessionOut})
def chat_with(request: HttpRequest, comparison_id: UUID, body: NumberIn) -> Any:
    """The conversation with one column as a chat of its own."""
    side = _side(_own(request, comparison_id), body.column)
    with _when_quiet():
        return 201, comparing.chat_with(side=side, actor=current_user(request), request=request)


@comparisons_router.get("{uuid:comparison_id}/difference", response=DifferenceOut)
def show_difference(
    request: HttpRequest, comparison_id: UUID, left: int = 1, right: int = 2, round: int = 0
) -> Difference:
    """Word by word, of two columns; `round` 0 is the last."""
    comparison = _readable(request, comparison_id)
    return compared(_side(comparison, left), _side(comparison, right), round)


@comparisons_router.get("{uuid:comparison_id}/export", response={200: None})
def export(request: HttpRequest, comparison_id: UUID, format: str = "md") -> HttpResponse:
    if format not in exporting.FORMATS:
        raise ValidationError({"format": [_("Choose md or json.")]})
    comparison, user = _readable(request, comparison_id), current_user(request)
    text = comparison_exporting.exported(comparison, format)
    comparing.record_export(comparison=comparison, actor=user, format=format, request=request)
    return exporting.download(text, comparison, format)
