"""History becomes the messages a model is sent."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import prefetch_related_objects
from django.utils.translation import gettext as _

from chat import attachments, remembering
from chat.models import Attachment, ChatSession, Message
from providers.models import ProviderModel
from providers.services import estimated_prompt_tokens
from providers.types import ChatMessage

CONTINUE = "Continue your last answer exactly where it stopped. Do not repeat what is there."
# Of a long conversation the newest: providers refuse hundreds, and each costs about a page of text.
MAX_IMAGES = 20
# What an answer says that failed because of its question's files.
NO_VISION, TOO_LONG = "no_vision", "context_too_long"


def build(
    session: ChatSession, history: Sequence[Message], *, is_continued: bool = False
) -> list[ChatMessage]:
    """System prompt, then the turns with their files. Thoughts are never sent back; empty answers
    are left out, and the others come with what their provider wants back. Raises ValidationError
    where the model cannot read the files of the last question, or where they do not fit."""
    prompt = session.system_prompt or (session.model.system_prompt if session.model else "")
    messages = [ChatMessage("system", prompt)] if prompt.strip() else []
    questions = [message for message in history if message.is_question]
    prefetch_related_objects(questions, "attachments")
    files = {message.pk: list(message.attachments.all()) for message in questions}
    sent = _sent_images(session.model, questions, files)
    states = remembering.states_of(session, history)
    for message in history:
        if message.is_question:
            said, images = attachments.beside(message.content, files[message.pk], sent)
            messages.append(ChatMessage(message.role, said, images))
        elif message.content.strip():
            state = states.get(message.pk)
            messages.append(ChatMessage(message.role, message.content, state=state))
    if any(files.values()):
        _check_size(session.model, messages)
    return [*messages, ChatMessage("user", CONTINUE)] if is_continued else messages


def sees(model: ProviderModel | None) -> bool:
    return model is not None and "vision" in model.types


def _sent_images(
    model: ProviderModel | None,
    questions: Sequence[Message],
    files: Mapping[UUID, Sequence[Attachment]],
) -> set[UUID]:
    """Which images go as images; a model that was chosen later may not read the earlier ones."""
    images = [[each.pk for each in files[asked.pk] if each.is_image] for asked in questions]
    if sees(model):
        return set([pk for pks in images for pk in pks][-MAX_IMAGES:])
    if images and images[-1]:
        text = _("%(model)s does not read images. Choose a model with vision, or remove the image.")
        said = text % {"model": model or _("The model")}
        raise ValidationError({"attachments": ValidationError(said, code=NO_VISION)})
    return set()


def _check_size(model: ProviderModel | None, messages: Sequence[ChatMessage]) -> None:
    """A provider's own refusal would not say that it was the file."""
    limit = model.context_tokens if model else None
    wanted = estimated_prompt_tokens(messages)
    if limit and wanted > limit:
        text = _(
            "With its files the conversation has about %(wanted)s tokens; %(model)s reads "
            "%(limit)s. Attach less, or choose a model that reads more."
        )
        words = {"wanted": f"{wanted:,}", "limit": f"{limit:,}", "model": model}
        raise ValidationError({"attachments": ValidationError(text % words, code=TOO_LONG)})
