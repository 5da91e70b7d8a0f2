"""What a person thinks of an answer, told to the application that gave it."""

import logging
from uuid import UUID

from django.db import transaction

from chat import remembering
from chat.models import Feedback, FeedbackKind, Message
from llmplatform import errands
from providers.errors import ProviderError
from providers.models import Provider
from providers.services import send_feedback

logger = logging.getLogger(__name__)

EXPIRES_S = 3600
RATINGS = {FeedbackKind.UP.value: "like", FeedbackKind.DOWN.value: "dislike"}


def forward(message: Message) -> None:
    """Soon, where the answer came from an application that wants to know."""
    if _told_of(message) is not None:
        task, pk = "chat.tasks.tell_thumb", str(message.pk)
        transaction.on_commit(lambda: errands.send(task, pk, expires_s=EXPIRES_S))


def tell(message_id: UUID) -> None:
    """The thumb as it is now. What fails is nobody's business but the log's."""
    message = Message.objects.select_related("session__owner").filter(pk=message_id).first()
    found = None if message is None else _told_of(message)
    if message is None or found is None:
        return
    provider_id, named = found
    user = message.session.owner
    provider = Provider.objects.for_user(user).apps().filter(pk=provider_id).first()
    if provider is None:
        return
    given = Feedback.objects.filter(message=message).first()
    rating = RATINGS.get(given.verdict) if given else None
    try:
        send_feedback(provider=provider, user=user, message_id=named, rating=rating)
    except ProviderError as error:
        logger.warning("a thumb did not reach its application: %s", error.code)


def _told_of(message: Message) -> tuple[int, str] | None:
    """The connection, and what it calls this answer."""
    state = remembering.state_of(message)
    named = str(state.data.get("message_id") or "") if state else ""
    if state is None or state.provider_id is None or not named:
        return None
    return state.provider_id, named
