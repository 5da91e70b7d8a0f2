"""Versions of a prompt, the labels that point at them, and how often each was used."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from prompts.models.library import Prompt
from prompts.variables import Variable, variables_of

# What programs and readers get unless they ask for another; only owners move it.
PRODUCTION = "production"


class PromptVersion(models.Model):
    """What a prompt said at one time; never changed afterwards."""

    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField(_("version"))
    text = models.TextField(_("text"), max_length=50_000)
    variable_specs: models.JSONField[Any] = models.JSONField(
        _("variables"), default=list, blank=True
    )
    note = models.CharField(_("what changed"), max_length=200, blank=True, default="")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=_("author"),
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now)

    class Meta:
        verbose_name = _("version")
        verbose_name_plural = _("versions")
        ordering = ["-number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["prompt", "number"], name="one_version_a_number")
        ]

    def __str__(self) -> str:
        return f"{self.prompt_id} v{self.number}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError("a version of a prompt never changes")
        super().save(*args, **kwargs)

    @property
    def variables(self) -> list[Variable]:
        return variables_of(self.text, self.variable_specs)


class PromptLabel(models.Model):
    """A name that points at one version and moves on to another."""

    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="labels")
    name = models.CharField(_("label"), max_length=40)
    version = models.ForeignKey(PromptVersion, models.CASCADE, related_name="labels")
    moved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    moved_at = models.DateTimeField(_("moved"), default=timezone.now)

    class Meta:
        verbose_name = _("label")
        verbose_name_plural = _("labels")
        ordering = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["prompt", "name"], name="one_label_a_name")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_protected(self) -> bool:
        return self.name == PRODUCTION


class PromptUseDay(models.Model):
    """How often a version was filled in on one day, by the label it was asked for with."""

    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="use_days")
    version = models.ForeignKey(PromptVersion, models.CASCADE, related_name="use_days")
    label = models.CharField(max_length=40, blank=True, default="")
    day = models.DateField()
    uses = models.PositiveIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["version", "label", "day"], name="one_count_a_day")
        ]

    def __str__(self) -> str:
        return f"{self.version} {self.day}: {self.uses}"
