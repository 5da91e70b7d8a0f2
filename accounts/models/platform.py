"""Settings that administrators change while the platform runs."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class RegistrationMode(models.TextChoices):
    OPEN = "open", _("Anyone can register")
    APPROVAL = "approval", _("An administrator approves new accounts")
    CLOSED = "closed", _("Only administrators create accounts")


class PlatformSettings(models.Model):
    """The one row of live settings; `PlatformSettings.current()` reads or creates it."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    registration = models.CharField(
        _("registration"),
        max_length=10,
        choices=RegistrationMode.choices,
        default=RegistrationMode.OPEN,
    )

    class Meta:
        verbose_name = _("platform settings")
        verbose_name_plural = _("platform settings")

    def __str__(self) -> str:
        return str(_("Platform settings"))

    @classmethod
    def current(cls) -> "PlatformSettings":
        return cls.objects.get_or_create(pk=1)[0]
