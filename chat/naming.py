"""A model names a chat after its first answer. Nobody waits for it, and a failure changes nothing:
the chat keeps the first line of its question as its title. The call is one of the person's: within
their limits, and on the ledger.
"""

import asyncio
import logging
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from django.db import DatabaseError, transaction

from accounts.models import User
from chat import titles
from chat.events import changed
from chat.models import ChatSession, ChatSettings, Message, MessageStatus, TitleSource, TitleWriter
from chat.running import Generation
from chat.saving import without_connection
from llmplatform.encryption import KeyUnreadable
from llmplatform.nudges import nudges
from providers.errors import LimitReached, NoSuchModel, ProviderError, TimedOut
from providers.services import Measurement, record_call, reserved, resolve_chat_target
from providers.types import ChatRequest, Event, Said, Target

logger = logging.getLogger(__name__)

SOURCE = "title"
# Enough for a model that thinks first.
TOKENS_MAX = 1000
PATIENCE_S = 60.0
# One repeats what it hears, the other is an application that does its own thing with any question.
NAMING_NOTHING = frozenset({"echo", "dify"})

Ask = Callable[[Target, ChatRequest], AsyncGenerator[Event, None]]
InDatabase = Callable[..., Awaitable[Any]]


@dataclass
class Naming:
    """One call for a title, and how it ended."""

    session_id: uuid.UUID
    user: User
    target: Target
    request: ChatRequest
    measured: Measurement = field(init=False)
    call_id: uuid.UUID = field(default_factory=uuid.uuid4)
    said: Said = field(default_factory=Said)
    status: str = "interrupted"
    error_code: str = ""

    def __post_init__(self) -> None:
        self.measured = Measurement.of(self.request.messages)  # type: ignore[arg-type]


async def name_chat(generation: Generation, *, ask: Ask, in_database: InDatabase) -> None:
    """After `generation`, one of the chat's first answers. Raises nothing but its cancelling."""
    if not generation.is_early or generation.ending != MessageStatus.DONE:
        return
    try:
        naming = await in_database(planned, generation)
        if naming is None:
            return
        try:
            await _call(naming, ask)
        finally:
            is_named = await in_database(keep, naming)
        if is_named:
            await nudges.send([changed(naming.session_id)])
    except DatabaseError:
        logger.warning("a chat could not be named", exc_info=True)
    except Exception:
        logger.exception("naming a chat failed")


@without_connection
def planned(generation: Generation) -> Naming | None:
    """The call for a title; None where the chat has one, or where no model may write it."""
    rows = ChatSession.objects.for_user(generation.user).filter(title_source=TitleSource.QUESTION)
    if not rows.filter(pk=generation.session_id).exists():
        return None
    target = _writer(generation)
    question = Message.objects.filter(children=generation.message_id).first()
    if target is None or question is None or not generation.content.strip():
        return None
    messages = titles.messages_for(question.content, generation.content)
    parameters = {**target.defaults, "max_tokens": TOKENS_MAX}
    request = ChatRequest(target.model_id, messages, parameters, is_stream=False)
    return Naming(generation.session_id, generation.user, target, request)


def _writer(generation: Generation) -> Target | None:
    """The model that writes it, as far as the person may use that."""
    settings = ChatSettings.current()
    if settings.title_writer == TitleWriter.SAME:
        # One that was trained here for something else babbles when it is asked for a title.
        target = generation.target
        return None if target.is_managed or target.kind in NAMING_NOTHING else target
    if settings.title_writer == TitleWriter.NOBODY or settings.title_model_id is None:
        return None
    try:
        return resolve_chat_target(user=generation.user, model_pk=settings.title_model_id)
    except (NoSuchModel, KeyUnreadable):
        return None


async def _call(naming: Naming, ask: Ask) -> None:
    """Leaves in `naming` what came of it."""
    target, request = naming.target, naming.request
    place = reserved(user=naming.user, target=target, request=request, measured=naming.measured)
    try:
        async with asyncio.timeout(PATIENCE_S), place, aclosing(ask(target, request)) as events:
            async for event in events:
                naming.measured.note(event)
                naming.said.take(event)
        naming.status = "done"
    except TimeoutError:
        naming.status, naming.error_code = "failed", TimedOut.code
    except ProviderError as error:
        naming.status = "refused" if isinstance(error, LimitReached) else "failed"
        naming.error_code = error.code


@without_connection
def keep(naming: Naming) -> bool:
    """Record the call; whether the chat has a new title. One that a person gave stays."""
    with transaction.atomic():
        record_call(
            target=naming.target,
            user=naming.user,
            source=SOURCE,
            status=naming.status,
            error_code=naming.error_code,
            measured=naming.measured,
            call_id=naming.call_id,
        )
        title = titles.title_in(naming.said.text) if naming.status == "done" else ""
        rows = ChatSession.objects.kept().filter(pk=naming.session_id)
        mine = rows.filter(title_source=TitleSource.QUESTION)
        if not title or not mine.update(title=title, title_source=TitleSource.MODEL):
            return False
        ChatSession.objects.bump(naming.session_id)
    return True
