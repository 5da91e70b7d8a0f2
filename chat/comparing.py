"""Verbs about comparisons: start, ask all, ask one again, change, delete, go on with one."""

import secrets
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from chat import attachments as files
from chat import grounding, services
from chat.columns import Side, sides_of
from chat.context import NO_VISION, TOO_LONG
from chat.copying import copy_path
from chat.errors import StillAnswering
from chat.events import tell_changed
from chat.generation import generator
from chat.models import (
    COLUMNS_MAX,
    COLUMNS_MIN,
    ChatSession,
    Comparison,
    ComparisonColumn,
    ComparisonTag,
    Message,
    MessageRole,
    MessageStatus,
    TitleSource,
)
from chat.threads import Tree
from chat.titles import title_of
from knowledge.models import Base
from llmplatform.encryption import KeyUnreadable
from providers.models import ProviderModel

TAG_MAX_CHARS, TAGS_MAX = 40, 10
UNUSABLE, UNREADABLE = "no_such_model", "authentication"


@dataclass(frozen=True)
class Choice:
    """A model of a comparison. What is its own goes before what holds for all."""

    model: ProviderModel
    system_prompt: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)


def start(
    *,
    owner: User,
    prompt: str,
    choices: Sequence[Choice],
    is_blind: bool = False,
    system_prompt: str = "",
    parameters: Mapping[str, Any] | None = None,
    knowledge_bases: Sequence[Base] = (),
    tags: Iterable[str] = (),
    attachments: Sequence[uuid.UUID] = (),
    request: HttpRequest | None = None,
) -> Comparison:
    """A comparison with its first question asked; nothing exists when it is refused. Every column
    is given the same passages of `knowledge_bases`, which `owner` can read.

    `attachments`: unsent ones of `owner`. Raises ValidationError.
    """
    if not COLUMNS_MIN <= len(choices) <= COLUMNS_MAX:
        limits = {"least": COLUMNS_MIN, "most": COLUMNS_MAX}
        raise ValidationError({"models": [_("Choose %(least)d to %(most)d models.") % limits]})
    order = list(choices)
    if is_blind:
        secrets.SystemRandom().shuffle(order)
    shared = dict(parameters or {})
    with transaction.atomic():
        comparison = Comparison.objects.create(
            owner=owner,
            title=title_of(prompt) or files.title_of(attachments) or _("Comparison"),
            is_blind=is_blind,
            system_prompt=system_prompt,
            parameters=shared,
        )
        for number, choice in enumerate(order, 1):
            session = ChatSession.objects.create(
                owner=owner,
                model=choice.model,
                title=comparison.title,
                # No model is asked for a better one.
                title_source=TitleSource.PERSON,
                system_prompt=choice.system_prompt or system_prompt,
                parameters={**shared, **choice.parameters},
            )
            grounding.choose(session, knowledge_bases)
            ComparisonColumn.objects.create(comparison=comparison, number=number, session=session)
        _keep_tags(comparison, tags)
        ids = [base.pk for base in knowledge_bases]
        after = {"columns": len(order), "is_blind": is_blind, "knowledge_bases": ids}
        record(comparison, owner, "create", request, after=after)
        ask_all(comparison=comparison, actor=owner, content=prompt, attachments=attachments)
    return comparison


def ask_all(
    *,
    comparison: Comparison,
    actor: User,
    content: str,
    attachments: Sequence[uuid.UUID] = (),
) -> None:
    """The next question to every column, with unsent files of `actor`. One that cannot be asked
    says so and leaves the others alone; ValidationError if that is each of them. Raises
    StillAnswering."""
    with transaction.atomic():
        locked = claim(comparison)
        refused: list[tuple[ChatSession, str]] = []
        sides = sides_of(locked)
        first: Message | None = None
        for side in sides:
            session = side.column.session
            # Each conversation has files of its own: the first takes them, the others copies.
            sent: dict[str, Any] = {"files_of": first} if first else {"attachments": attachments}
            try:
                # A savepoint: what a refused one began is undone.
                with transaction.atomic():
                    answer = services.ask(session=session, actor=actor, content=content, **sent)
            except (ValidationError, KeyUnreadable) as error:
                if len(refused) == len(sides) - 1:
                    raise
                refused.append((session, _code_of(error)))
            else:
                first = first or answer.parent
        for session, code in refused:
            question = _note_refusal(session, content, code)
            if first:
                files.copy(source=first, target=question, owner=actor)
        changed(locked)


def _code_of(error: ValidationError | KeyUnreadable) -> str:
    """Why a column was not asked, as its answer keeps it."""
    if isinstance(error, KeyUnreadable):
        return UNREADABLE
    reasons = error.update_error_dict({}).values()
    codes = {each.code for found in reasons for each in found}
    return next((code for code in (NO_VISION, TOO_LONG) if code in codes), UNUSABLE)


def claim(comparison: Comparison) -> Comparison:
    """Locked. Raises StillAnswering while any column answers."""
    locked = Comparison.objects.select_for_update().get(pk=comparison.pk)
    if Message.objects.streaming().filter(session__column__comparison=locked).exists():
        raise StillAnswering
    return locked


def _note_refusal(session: ChatSession, content: str, code: str) -> Message:
    """The question, which is returned, and an answer that failed before it began."""
    count = len(Tree.of(session).nodes_to(session.tip_id))
    revision = ChatSession.objects.bump(session.pk)
    about: dict[str, Any] = {"session": session, "revision": revision}
    question = Message.objects.create(
        **about,
        parent_id=session.tip_id,
        position=count,
        role=MessageRole.USER,
        content=content,
    )
    answer = Message.objects.create(
        **about,
        parent=question,
        position=count + 1,
        role=MessageRole.ASSISTANT,
        status=MessageStatus.FAILED,
        error_code=code,
    )
    ChatSession.objects.filter(pk=session.pk).update(tip=answer)
    return question


def ask_again(*, side: Side, actor: User) -> Message:
    """Another answer of one column to the last question. Raises ValidationError, StillAnswering."""
    return services.ask_again(answer=_open_answer(side), actor=actor)


def go_on(*, side: Side, actor: User) -> Message:
    """Let one column write on where it was cut. Raises as `ask_again` does."""
    return services.go_on(answer=_open_answer(side), actor=actor)


def _open_answer(side: Side) -> Message:
    """The column's last answer, if nobody has voted on it."""
    comparison = side.column.comparison
    if comparison.votes.filter(round=side.rounds).exists():
        raise ValidationError(_("This round has a vote, so its answers stay as they are."))
    if side.answer is None:
        raise ValidationError(_("There is no answer yet."))
    return Message.objects.select_related("session__model__provider").get(pk=side.answer.pk)


def stop(*, comparison: Comparison) -> int:
    """End the running answers of all columns; how many there were."""
    columns = comparison.columns.select_related("session")
    return sum(services.stop(session=column.session) for column in columns)


def change(
    *,
    comparison: Comparison,
    actor: User,
    title: str | None = None,
    is_shared: bool | None = None,
    tags: Iterable[str] | None = None,
    request: HttpRequest | None = None,
) -> None:
    """What is None stays. Raises ValidationError."""
    fields = {"title": title, "is_shared": is_shared}
    changes = {name: value for name, value in fields.items() if value is not None}
    before = {"is_shared": comparison.is_shared}
    for name, value in changes.items():
        setattr(comparison, name, value)
    with transaction.atomic():
        if changes:
            comparison.save(update_fields=list(changes))
        if tags is not None:
            _keep_tags(comparison, tags)
        record(comparison, actor, "update", request, before, {"is_shared": comparison.is_shared})
        changed(comparison)


def delete(*, comparison: Comparison, actor: User, request: HttpRequest | None = None) -> None:
    """Gone with its columns and votes; running answers end."""
    sessions = ChatSession.objects.filter(column__comparison=comparison)
    ids = list(sessions.values_list("pk", flat=True))
    running = list(Message.objects.streaming().filter(session__in=ids).values_list("pk", flat=True))
    with transaction.atomic():
        record(comparison, actor, "delete", request)
        comparison.delete()
        ChatSession.objects.filter(pk__in=ids).delete()
        transaction.on_commit(lambda: generator.cancel(running))
        _tell(ids)


def chat_with(*, side: Side, actor: User, request: HttpRequest | None = None) -> ChatSession:
    """The conversation with one column as a chat of its own; the comparison stays as it is.

    Raises ValidationError while the names are hidden, StillAnswering while it answers.
    """
    if side.column.comparison.is_masked:
        raise ValidationError(_("Vote first: a chat shows which model it is with."))
    if side.is_answering:
        raise StillAnswering
    origin = side.column.session
    with transaction.atomic():
        session = services.create_session(
            owner=actor,
            model=origin.model,
            title=side.column.comparison.title,
            system_prompt=origin.system_prompt,
            parameters=origin.parameters,
            knowledge_bases=grounding.still_readable(actor, side.column.comparison),
            request=request,
        )
        copy_path([turn.message for turn in side.turns], session)
    return session


def record_export(
    *, comparison: Comparison, actor: User, format: str, request: HttpRequest
) -> None:
    record(comparison, actor, "export", request, after={"format": format})


def _keep_tags(comparison: Comparison, tags: Iterable[str]) -> None:
    names = {" ".join(tag.split()).casefold(): " ".join(tag.split()) for tag in tags if tag.strip()}
    if len(names) > TAGS_MAX or any(len(name) > TAG_MAX_CHARS for name in names.values()):
        limits = {"count": TAGS_MAX, "chars": TAG_MAX_CHARS}
        text = _("At most %(count)d tags of %(chars)d characters each.") % limits
        raise ValidationError({"tags": [text]})
    comparison.tag_rows.all().delete()
    rows = [ComparisonTag(comparison=comparison, name=name) for name in names.values()]
    ComparisonTag.objects.bulk_create(rows)


def changed(comparison: Comparison) -> None:
    """Sockets look at sessions, so one of them says that there is something new."""
    Comparison.objects.bump(comparison.pk)
    ids = list(comparison.columns.values_list("session_id", flat=True))
    ChatSession.objects.bump(ids[0])
    _tell(ids)


def _tell(session_ids: Sequence[uuid.UUID]) -> None:
    for session_id in session_ids:
        transaction.on_commit(partial(tell_changed, session_id))


def record(
    comparison: Comparison,
    actor: User,
    verb: str,
    request: HttpRequest | None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    audit(
        actor=actor,
        action=f"comparison.{verb}",
        target=comparison,
        is_private=True,
        before=before,
        after=after,
        request=request,
    )
