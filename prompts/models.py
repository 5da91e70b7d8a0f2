"""The library of prompt templates."""

from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from prompts.rendering import Variable, variables_of


class PromptQuerySet(models.QuerySet["Prompt"]):
    def for_user(self, user: User) -> Self:
        """Their own, the company's, and what others share."""
        return self.filter(Q(owner=user) | Q(owner=None) | Q(is_shared=True))

    def editable_by(self, user: User) -> Self:
        company = Q(owner=None) if user.is_admin else Q(pk__in=[])
        return self.filter(Q(owner=user) | company)

    def matching(self, words: str) -> Self:
        """Every word of `words` in the title, the text or a tag."""
        rows = self
        for word in words.split():
            tagged = PromptTag.objects.filter(prompt=OuterRef("pk"), name__icontains=word)
            rows = rows.filter(Q(title__icontains=word) | Q(text__icontains=word) | Exists(tagged))
        return rows

    def tagged(self, name: str) -> Self:
        return self.filter(
            Exists(PromptTag.objects.filter(prompt=OuterRef("pk"), name__iexact=name))
        )


class Prompt(models.Model):
    """A template; its variables are the `{{places}}` of its text. No owner: the company's."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="prompts",
        verbose_name=_("owner"),
    )
    title = models.CharField(_("title"), max_length=200)
    text = models.TextField(_("text"), max_length=50_000)
    is_shared = models.BooleanField(_("shared"), default=False)
    uses = models.PositiveIntegerField(_("uses"), default=0, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("updated"), default=timezone.now, editable=False)

    objects = PromptQuerySet.as_manager()

    class Meta:
        verbose_name = _("prompt")
        verbose_name_plural = _("prompts")
        ordering = ["title", "pk"]

    def __str__(self) -> str:
        return self.title

    @property
    def variables(self) -> list[Variable]:
        return variables_of(self.text)

    @property
    def tags(self) -> list[str]:
        """In alphabetical order; prefetch `tag_rows` for lists."""
        return [row.name for row in self.tag_rows.all()]

    def count_use(self) -> None:
        Prompt.objects.filter(pk=self.pk).update(uses=F("uses") + 1)


class PromptTag(models.Model):
    """A word under which a prompt is found; a row, so that every database can search it."""

    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="tag_rows")
    name = models.CharField(_("tag"), max_length=40, db_index=True)

    class Meta:
        verbose_name = _("tag")
        verbose_name_plural = _("tags")
        ordering = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["prompt", "name"], name="one_tag_a_prompt")
        ]

    def __str__(self) -> str:
        return self.name
