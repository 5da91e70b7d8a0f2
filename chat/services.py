"""Verbs about conversations: open, ask, ask again, stop, switch versions."""

import uuid
from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from chat import attachments as files
from chat import context, grounding
from chat.errors import StillAnswering
from chat.events import tell_changed
from chat.generation import generator
from chat.material import Search
from chat.models import ChatSession, Message, MessageRole, MessageStatus, TitleSource
from chat.running import Generation
from chat.search import index
from chat.threads import Tree
from chat.titles import title_of
from knowledge.models import Base
from knowledge.types import Passage
from providers.errors import BudgetReached, NoSuchModel
from providers.models import ProviderModel
from providers.services import chat_target, check_limits
from providers.types import Target
from training.models import ModelVersion

CONTENT_MAX_CHARS = 200_000
# The second answer: where the first one failed, the chat still gets its title.
LAST_EARLY = 3
SHOWN_IN_AUDIT = ("is_pinned", "is_archived", "parameters")
BASES = "knowledge_bases"
PRIVATE = frozenset({"title", "system_prompt", "folder"})


def record_export(*, session: ChatSession, actor: User, format: str, request: HttpRequest) -> None:
    audit(
        actor=actor,
        action="chat.export",
        target=session,
        is_private=True,
        after={"format": format},
        request=request,
    )


def usable_models(user: User) -> QuerySet[ProviderModel]:
    """The models `user` can chat with now."""
    rows = ProviderModel.objects.for_user(user).usable().chat()
    return rows.select_related("provider").order_by("provider__name", "name", "pk")


def create_session(
    *,
    owner: User,
    model: ProviderModel | None,
    knowledge_bases: Sequence[Base] = (),
    request: HttpRequest | None = None,
    **fields: Any,
) -> ChatSession:
    if fields.get("title"):
        fields.setdefault("title_source", TitleSource.PERSON)
    with transaction.atomic():
        session = ChatSession.objects.create(owner=owner, model=model, **fields)
        grounding.choose(session, knowledge_bases)
        audit(actor=owner, action="chat.create", target=session, is_private=True, request=request)
    return session


def change_session(
    *, session: ChatSession, actor: User, request: HttpRequest | None = None, **changes: Any
) -> ChatSession:
    """Title, pin, archive, folder, model, system prompt, parameters, knowledge bases."""
    if "title" in changes:
        changes["title_source"] = TitleSource.PERSON
    before = {name: getattr(session, name) for name in SHOWN_IN_AUDIT if name in changes}
    bases = changes.pop(BASES, None)
    for name, value in changes.items():
        setattr(session, name, value)
    with transaction.atomic():
        session.save(update_fields=list(changes))
        session.revision = ChatSession.objects.bump(session.pk)
        after = {name: changes[name] for name in before}
        after |= dict.fromkeys(changes.keys() & PRIVATE, "changed")
        after |= {"model": str(changes["model"])} if "model" in changes else {}
        if bases is not None and grounding.differ(session, bases):
            before[BASES] = [row.base_id for row in session.chosen_bases.all()]
            after[BASES] = [base.pk for base in bases]
            grounding.choose(session, bases)
        audit(
            actor=actor,
            action="chat.update",
            target=session,
            is_private=True,
            before=before,
            after=after,
            request=request,
        )
        _tell(session.pk)
    return session


def delete_session(
    *, session: ChatSession, actor: User, request: HttpRequest | None = None
) -> None:
    """Nobody sees it any more, and a running answer ends; its owner can restore it for a while."""
    with transaction.atomic():
        # Whoever asks in it at this moment is before or after, and sees its end.
        ChatSession.objects.select_for_update().get(pk=session.pk)
        stop(session=session)
        ChatSession.objects.filter(pk=session.pk).update(deleted_at=timezone.now())
        audit(actor=actor, action="chat.delete", target=session, is_private=True, request=request)
        _tell(session.pk)


def restore_session(
    *, session: ChatSession, actor: User, request: HttpRequest | None = None
) -> None:
    """As it was before it was deleted."""
    with transaction.atomic():
        ChatSession.objects.filter(pk=session.pk).update(deleted_at=None)
        ChatSession.objects.bump(session.pk)
        audit(actor=actor, action="chat.restore", target=session, is_private=True, request=request)


def purge_sessions(
    *, sessions: Sequence[ChatSession], actor: User, request: HttpRequest | None = None
) -> None:
    """Gone for good, with their messages."""
    for session in sessions:
        with transaction.atomic():
            audit(
                actor=actor, action="chat.purge", target=session, is_private=True, request=request
            )
            session.delete()


def ask(
    *,
    session: ChatSession,
    actor: User,
    content: str,
    instead_of: Message | None = None,
    files_of: Message | None = None,
    attachments: Sequence[uuid.UUID] = (),
) -> Message:
    """Store a question and start its answer, which is returned while it is written.

    `instead_of`: a question of which this is a new version, with its files. `files_of`: one whose
    files go with it too. `attachments`: unsent ones of `actor`. Raises ValidationError,
    StillAnswering.
    """
    files_of = instead_of or files_of
    has_files = bool(attachments) or (files_of and files_of.attachments.exists())
    text = _checked(content, may_be_empty=bool(has_files))
    target = _target(session, actor)
    with transaction.atomic():
        locked, tree = _claim(session)
        parent_id = instead_of.parent_id if instead_of else locked.tip_id
        history = tree.path_to(parent_id)
        locked.title = locked.title or title_of(text) or files.title_of(attachments)
        question = Message.objects.create(
            session=locked,
            parent_id=parent_id,
            position=len(history),
            role=MessageRole.USER,
            content=text,
            revision=locked.revision,
        )
        index.add([question])
        copied = (
            files.copy(source=files_of, target=question, owner=actor)
            if files_of is not None
            else []
        )
        try:
            files.attach(message=question, owner=actor, ids=attachments)
            if not has_files:
                files.note_none(question)
            return _answer(locked, actor, target, [*history, question])
        except ValidationError:
            files.undo(copied)
            raise


def open_with(
    *,
    owner: User,
    content: str,
    request: HttpRequest | None,
    attachments: Sequence[uuid.UUID] = (),
    **fields: Any,
) -> Message:
    """A new session with its first question asked; neither exists when either is refused."""
    with transaction.atomic():
        session = create_session(owner=owner, request=request, **fields)
        return ask(session=session, actor=owner, content=content, attachments=attachments)


def ask_again(*, answer: Message, actor: User) -> Message:
    """Another version of an answer, with the session's model and parameters of now.

    Raises ValidationError, StillAnswering.
    """
    target = _target(answer.session, actor)
    with transaction.atomic():
        locked, tree = _claim(answer.session)
        return _answer(locked, actor, target, tree.path_to(answer.parent_id))


def go_on(*, answer: Message, actor: User) -> Message:
    """Let the model write on where an answer ended early. Raises as `ask_again` does."""
    target = _target(answer.session, actor)
    if not answer.is_unfinished:
        raise ValidationError(_("This answer is complete."))
    with transaction.atomic():
        locked, tree = _claim(answer.session)
        path = tree.path_to(answer.pk)
        answer.refresh_from_db()
        index.remove(message=answer)
        messages = context.build(locked, path, is_continued=True)
        messages, passages = grounding.again(answer, messages)
        _start(locked, actor, target, answer, messages, passages=passages)
    return answer


def show_version(*, message: Message) -> None:
    """Show this version of a message, and what followed it last. Raises StillAnswering."""
    with transaction.atomic():
        locked, tree = _claim(message.session)
        leaf = tree.newest_leaf(message.pk)
        path = tree.nodes_to(leaf.pk)
        shown = [each.pk for each in path if each.position >= message.position]
        Message.objects.filter(pk__in=shown).update(revision=locked.revision)
        ChatSession.objects.filter(pk=locked.pk).update(tip=leaf.pk, revision=locked.revision)
        _tell(locked.pk)


def stop(*, session: ChatSession) -> int:
    """End running answers, in whichever process they run; how many there were."""
    running = list(session.messages.streaming().values_list("pk", flat=True))
    Message.objects.filter(pk__in=running).update(is_stop_asked=True)
    transaction.on_commit(lambda: generator.cancel(running))
    return len(running)


def _checked(content: str, *, may_be_empty: bool) -> str:
    if not content.strip() and not may_be_empty:
        raise ValidationError({"content": [_("Write a message first.")]})
    if len(content) > CONTENT_MAX_CHARS:
        limit = _("The message is longer than %(count)d characters.") % {"count": CONTENT_MAX_CHARS}
        raise ValidationError({"content": [limit]})
    return content


def _target(session: ChatSession, actor: User) -> Target:
    _check_limits(actor)
    try:
        return chat_target(user=actor, model=session.model)
    except NoSuchModel as error:
        raise ValidationError({"model": [_("Choose a model that is available.")]}) from error


def _check_limits(actor: User) -> None:
    try:
        check_limits(actor)
    except BudgetReached as error:
        raise ValidationError({"model": [str(error.advice)]}) from error


def _claim(session: ChatSession) -> tuple[ChatSession, Tree]:
    """The session, locked, with its next revision, which the caller writes with what it changes;
    and what has been said in it. Raises StillAnswering, ValidationError."""
    locked = ChatSession.objects.kept().select_for_update().filter(pk=session.pk).first()
    if locked is None:
        raise ValidationError(_("This chat has been deleted."))
    tree = Tree.of(locked)
    if tree.is_answering:
        raise StillAnswering
    locked.revision += 1
    if locked.model_id == session.model_id:
        locked.model = session.model
    return locked, tree


def _tell(session_id: uuid.UUID) -> None:
    transaction.on_commit(lambda: tell_changed(session_id))


def _answer(session: ChatSession, actor: User, target: Target, path: Sequence[Message]) -> Message:
    """A new answer to the last question of `path`, started."""
    answer = Message(
        session=session,
        parent=path[-1],
        position=len(path),
        role=MessageRole.ASSISTANT,
        model_label=_label(session),
    )
    search = grounding.search_of(session, actor, path)
    _start(session, actor, target, answer, context.build(session, path), search=search)
    return answer


def _start(
    session: ChatSession,
    actor: User,
    target: Target,
    answer: Message,
    messages: Sequence[Any],
    *,
    search: Search | None = None,
    passages: Sequence[Passage] = (),
) -> None:
    """`passages`: what it has rested on so far."""
    now = timezone.now()
    answer.run, answer.heartbeat_at, answer.status = uuid.uuid4(), now, MessageStatus.STREAMING
    answer.is_stop_asked, answer.error_code, answer.finish_reason = False, "", ""
    answer.revision = session.revision
    answer.model_version = _version(actor, target)
    answer.save()
    ChatSession.objects.filter(pk=session.pk).update(
        title=session.title,
        tip=answer,
        revision=session.revision,
        updated_at=now,
        is_archived=False,  # what is talked about again is not put aside
    )
    generation = Generation(
        message_id=answer.pk,
        session_id=session.pk,
        run=answer.run,
        user=actor,
        target=target,
        messages=messages,
        parameters=dict(session.parameters),
        content=answer.content,
        thoughts=answer.thinking_content,
        thinking_ms=answer.thinking_ms,
        is_early=answer.position <= LAST_EARLY,
        search=search,
        passages=passages,
        is_sourced=bool(passages),
    )
    transaction.on_commit(lambda: generator.start(generation))
    _tell(session.pk)


def _version(actor: User, target: Target) -> ModelVersion | None:
    """Other people's models, and those that were not trained here, have none."""
    if not target.is_managed or target.model_pk is None:
        return None
    return ModelVersion.objects.answering(actor, model_id=target.model_pk, base_url=target.base_url)


def _label(session: ChatSession) -> str:
    return (session.model.name or session.model.model_id)[:200] if session.model else ""
