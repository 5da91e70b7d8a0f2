"""What administrators decide about chats while the platform runs."""

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from providers.models import ProviderModel


class TitleWriter(models.TextChoices):
    NOBODY = "nobody", _("Nobody: a chat is called like its first question")
    SAME = "same", _("The model that answers")
    CHOSEN = "chosen", _("One model for all chats")


class ChatSettings(models.Model):
    """The one row of them; `ChatSettings.current()` reads it, or what holds without one."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    title_writer = models.CharField(
        _("who writes titles"),
        max_length=10,
        choices=TitleWriter.choices,
        default=TitleWriter.SAME,
        help_text=_(
            "After its first answer a chat gets a short title. The call is on the ledger of the "
            "person whose chat it is, with the source “title”."
        ),
    )
    title_model = models.ForeignKey(
        ProviderModel,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("model for titles"),
        help_text=_("Of a connection for everyone: it reads the beginning of every chat."),
    )
    kept_days = models.PositiveSmallIntegerField(
        _("days that deleted chats are kept"),
        default=30,
        validators=[MinValueValidator(1), MaxValueValidator(3650)],
        help_text=_("Until then their owner can restore them; afterwards they are gone for good."),
    )

    class Meta:
        verbose_name = _("chat settings")
        verbose_name_plural = _("chat settings")

    def __str__(self) -> str:
        return str(_("Chat settings"))

    def clean(self) -> None:
        if self.title_writer == TitleWriter.CHOSEN and self.title_model is None:
            raise ValidationError({"title_model": _("Choose the model that writes titles.")})

    @classmethod
    def current(cls) -> "ChatSettings":
        return cls.objects.filter(pk=1).first() or cls(pk=1)
