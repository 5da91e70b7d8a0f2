"""Records that people have taken back: known by their number, since the words are gone."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class WithdrawnRecord(models.Model):
    """No later version of any dataset of `owner` may have it. `line_hash`: as in dataset_lines.py,
    with a sign."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    line_hash = models.BigIntegerField()
    withdrawn_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("withdrawn record")
        verbose_name_plural = _("withdrawn records")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["owner", "line_hash"], name="withdrawn_record")
        ]

    def __str__(self) -> str:
        return str(self.line_hash)
