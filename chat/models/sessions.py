"""Conversations. The database holds the truth; whoever watches reads it by cursor.

Messages form a tree: an answer's parent is its question, and asking again or changing a question
adds a sibling. `ChatSession.tip` names the leaf that is shown; the conversation is the path to it.
"""

import uuid
from datetime import timedelta
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from chat.models.folders import ChatFolder
from knowledge.models import Base
from providers.models import ProviderModel
from training.models import ModelVersion

# A running generation writes a heartbeat every few seconds; silence this long means it is dead.
LOST_AFTER = timedelta(seconds=30)


class ChatSessionQuerySet(models.QuerySet["ChatSession"]):
    def kept(self) -> Self:
        """Those that nobody has deleted."""
        return self.filter(deleted_at=None)

    def for_user(self, user: User) -> Self:
        """Their own chats; a column of a comparison is none."""
        return self.kept().filter(owner=user, column=None)

    def deleted_by(self, user: User) -> Self:
        """Those of `user` that can still be restored, the last deleted first."""
        rows = self.filter(owner=user, column=None, deleted_at__isnull=False)
        return rows.order_by("-deleted_at", "pk")

    def listed(self, *, is_archived: bool = False) -> Self:
        """Those in the list of chats, or in the list of archived ones."""
        # Not as `NOT is_archived`, for which SQLite leaves the order of the index.
        return self.filter(is_archived__in=[is_archived])

    def with_answering(self) -> Self:
        """Each says whether an answer is being written: always at the tip, if anywhere."""
        return self.annotate(is_answering=Q(tip__status=MessageStatus.STREAMING, tip__isnull=False))

    def answered_by(self, version_id: int) -> Self:
        """Those with an answer by this model version, shown or not."""
        answers = Message.objects.filter(session=OuterRef("pk"), model_version=version_id)
        return self.filter(Exists(answers))

    def bump(self, pk: uuid.UUID) -> int:
        """The next revision of that one, which is now its own."""
        rows = self.filter(pk=pk)
        rows.update(revision=F("revision") + 1)
        return rows.values_list("revision", flat=True).get()


class TitleSource(models.TextChoices):
    """Whose words a title is; a model's takes the place of the question's only."""

    QUESTION = "question", _("First question")
    MODEL = "model", _("Model")
    PERSON = "person", _("Person")


class ChatSession(models.Model):
    """One conversation of one person with one model at a time.

    A deleted one (`deleted_at`) exists for nobody but its owner, who may restore it for a while.
    `revision` rises with every change a watcher must hear of, except the text of a running answer.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="chat_sessions"
    )
    title = models.CharField(_("title"), max_length=200, blank=True)
    title_source = models.CharField(
        max_length=10, choices=TitleSource.choices, default=TitleSource.QUESTION, editable=False
    )
    model = models.ForeignKey(
        ProviderModel,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("model"),
    )
    system_prompt = models.TextField(_("system prompt"), blank=True)
    parameters = models.JSONField(_("parameters"), default=dict, blank=True)
    knowledge_bases = models.ManyToManyField(
        Base,
        through="chat.SessionBase",
        related_name="+",
        blank=True,
        verbose_name=_("knowledge bases"),
    )
    is_pinned = models.BooleanField(_("pinned"), default=False)
    is_archived = models.BooleanField(_("in the archive"), default=False)
    folder = models.ForeignKey(
        ChatFolder,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="chats",
        verbose_name=_("folder"),
    )
    deleted_at = models.DateTimeField(
        _("deleted"), null=True, blank=True, editable=False, db_index=True
    )
    # Without a constraint in the database: session and message point at each other.
    tip = models.ForeignKey(
        "chat.Message",
        models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        db_constraint=False,
    )
    revision = models.PositiveIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("updated"), default=timezone.now, db_index=True)

    objects = ChatSessionQuerySet.as_manager()

    class Meta:
        verbose_name = _("chat")
        verbose_name_plural = _("chats")
        ordering = ["-is_pinned", "-updated_at"]
        # The list of chats is read from its end, without sorting.
        indexes: ClassVar = [
            models.Index(
                fields=["owner", "deleted_at", "is_archived", "is_pinned", "updated_at"],
                name="chat_session_list",
            ),
            # PostgreSQL takes no order from an index after a column that is to be NULL.
            models.Index(
                fields=["owner", "is_archived", "is_pinned", "updated_at"],
                condition=Q(deleted_at=None),
                name="chat_session_kept",
            ),
        ]

    def __str__(self) -> str:
        return self.title or str(_("New chat"))

    @property
    def searched_bases(self) -> list[int]:
        return [row.base_id for row in self.chosen_bases.all() if row.base_id and not row.is_gone]

    @property
    def gone_knowledge_bases(self) -> list[str]:
        """Names of chosen ones that were deleted or are shared no more."""
        return [row.name for row in self.chosen_bases.all() if row.is_gone]


class MessageRole(models.TextChoices):
    USER = "user", _("User")
    ASSISTANT = "assistant", _("Assistant")


class MessageStatus(models.TextChoices):
    STREAMING = "streaming", _("Streaming")
    DONE = "done", _("Done")
    STOPPED = "stopped", _("Stopped")
    INTERRUPTED = "interrupted", _("Interrupted")
    FAILED = "failed", _("Failed")


class MessageQuerySet(models.QuerySet["Message"]):
    def streaming(self) -> Self:
        return self.filter(status=MessageStatus.STREAMING)

    def lost(self) -> Self:
        return self.streaming().filter(heartbeat_at__lt=timezone.now() - LOST_AFTER)


class Message(models.Model):
    """A question or an answer.

    streaming -> done | stopped | failed | interrupted; `run` names the generation that may write.
    `position` counts from the root; `revision` is the session's when the row last changed.
    `remarks`: what the search for its sources could not do, as chat.material.Noted; `claims`: its
    sentences without enough support, [start, end, support] in characters of the content.
    `provider_state`: what chat.remembering keeps for its provider; for nobody's eyes.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    session = models.ForeignKey(ChatSession, models.CASCADE, related_name="messages")
    # MySQL checks row by row, so it could not delete a tree with a constraint.
    parent = models.ForeignKey(
        "self",
        models.DO_NOTHING,
        null=True,
        blank=True,
        editable=False,
        related_name="children",
        db_constraint=False,
    )
    position = models.PositiveIntegerField()
    role = models.CharField(_("role"), max_length=10, choices=MessageRole.choices)
    content = models.TextField(_("content"), blank=True)
    thinking_content = models.TextField(_("thoughts"), blank=True)
    thinking_ms = models.PositiveIntegerField(null=True, blank=True)
    status = models.CharField(
        _("status"), max_length=12, choices=MessageStatus.choices, default=MessageStatus.DONE
    )
    error_code = models.CharField(_("error"), max_length=40, blank=True)
    revision = models.PositiveIntegerField(default=0, editable=False)
    run = models.UUIDField(null=True, blank=True, editable=False)
    heartbeat_at = models.DateTimeField(null=True, blank=True, db_index=True)
    is_stop_asked = models.BooleanField(default=False)
    model_label = models.CharField(_("model"), max_length=200, blank=True)
    # Of an answer by a model trained here: what answered, wherever its route points by now.
    model_version = models.ForeignKey(
        ModelVersion,
        models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=_("model version"),
    )
    prompt_tokens = models.PositiveIntegerField(null=True, blank=True)
    completion_tokens = models.PositiveIntegerField(null=True, blank=True)
    is_estimated = models.BooleanField(_("tokens estimated"), default=False, editable=False)
    cost = models.DecimalField(
        _("cost"), max_digits=20, decimal_places=10, null=True, blank=True, editable=False
    )
    currency = models.CharField(_("currency"), max_length=3, blank=True, editable=False)
    ttft_ms = models.PositiveIntegerField(null=True, blank=True)
    duration_ms = models.PositiveIntegerField(null=True, blank=True)
    finish_reason = models.CharField(max_length=40, blank=True)
    remarks: models.JSONField[Any] = models.JSONField(default=list, editable=False)
    claims: models.JSONField[Any] = models.JSONField(default=list, editable=False)
    provider_state: models.JSONField[Any] = models.JSONField(default=dict, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    objects = MessageQuerySet.as_manager()

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        ordering = ["session_id", "position", "created_at"]
        indexes: ClassVar = [models.Index(fields=["session", "position"])]

    def __str__(self) -> str:
        return self.content[:60]

    @property
    def is_question(self) -> bool:
        return self.role == MessageRole.USER

    @property
    def is_streaming(self) -> bool:
        return self.status == MessageStatus.STREAMING

    @property
    def is_unfinished(self) -> bool:
        """Text is missing that the model could still write."""
        is_cut = self.status in (MessageStatus.STOPPED, MessageStatus.INTERRUPTED)
        return (is_cut or self.finish_reason == "length") and bool(self.content.strip())

    @property
    def tokens_per_second(self) -> float | None:
        """Of the time after the first token; None where that is unknown."""
        if not self.completion_tokens or self.duration_ms is None or self.ttft_ms is None:
            return None
        seconds = (self.duration_ms - self.ttft_ms) / 1000
        return self.completion_tokens / seconds if seconds > 0 else None
