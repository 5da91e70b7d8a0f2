"""What chats rest on: the knowledge bases of a session, and the passages of an answer."""

from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from chat.models.sessions import ChatSession, Message
from knowledge.models import Base, Document

NAME_CHARS = 255


class SessionBase(models.Model):
    """A base that a chat is answered from. `name` is what it was called when it was chosen, for one
    that has been deleted since."""

    session = models.ForeignKey(ChatSession, models.CASCADE, related_name="chosen_bases")
    base = models.ForeignKey(Base, models.SET_NULL, null=True, related_name="+")
    name = models.CharField(max_length=NAME_CHARS)

    class Meta:
        ordering: ClassVar = ["pk"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_gone(self) -> bool:
        """Deleted, or shared no more: it is not searched."""
        return self.base is None or not self.base.is_readable_by(self.session.owner_id)


class MessageSource(models.Model):
    """A passage that an answer was given, and that it may cite by its number. The text is kept, so
    that the answer can be checked when the document is gone.

    `start` and `end`: characters of the document's text, as in knowledge.types.Passage.
    """

    message = models.ForeignKey(Message, models.CASCADE, related_name="sources")
    number = models.PositiveSmallIntegerField(_("number"))
    base = models.ForeignKey(Base, models.SET_NULL, null=True, related_name="+")
    base_name = models.CharField(_("knowledge base"), max_length=NAME_CHARS)
    document = models.ForeignKey(Document, models.SET_NULL, null=True, related_name="+")
    document_name = models.CharField(_("document"), max_length=NAME_CHARS)
    text = models.TextField(_("text"))
    page = models.PositiveIntegerField(_("page"), null=True)
    headings: models.JSONField[Any] = models.JSONField(default=list)
    start = models.PositiveIntegerField(default=0)
    end = models.PositiveIntegerField(default=0)
    score = models.FloatField(default=0.0)
    is_cited = models.BooleanField(_("cited"), default=False)

    class Meta:
        verbose_name = _("source")
        verbose_name_plural = _("sources")
        ordering: ClassVar = ["number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["message", "number"], name="one_source_a_number")
        ]

    def __str__(self) -> str:
        return f"[{self.number}] {self.document_name}"
