"""The library of prompt templates: what is found, by whom, under which words."""

from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from prompts.variables import Variable, variables_of


class PromptQuerySet(models.QuerySet["Prompt"]):
    def for_user(self, user: User) -> Self:
        """Their own, the company's, and what others share."""
        return self.filter(Q(owner=user) | Q(owner=None) | Q(is_shared=True))

    def manageable_by(self, user: User) -> Self:
        """Who may delete it, share it and move the label that programs rely on."""
        company = Q(owner=None) if user.is_admin else Q(pk__in=[])
        return self.filter(Q(owner=user) | company)

    def editable_by(self, user: User) -> Self:
        """Those, and what its owner lets everybody edit."""
        open_to_all = self.filter(is_shared=True, everyone_edits=True, owner__isnull=False)
        return self.manageable_by(user) | open_to_all

    def in_language(self, language: str) -> Self:
        """Of the platform's presets those in `language`; all that people wrote."""
        return self.filter(Q(preset="") | Q(language=language))

    def matching(self, words: str) -> Self:
        """Every word of `words` in the title, the description, the text or a tag."""
        rows = self
        for word in words.split():
            tagged = PromptTag.objects.filter(prompt=OuterRef("pk"), name__icontains=word)
            here = Q(title__icontains=word) | Q(description__icontains=word)
            rows = rows.filter(here | Q(text__icontains=word) | Exists(tagged))
        return rows

    def tagged(self, name: str) -> Self:
        return self.filter(
            Exists(PromptTag.objects.filter(prompt=OuterRef("pk"), name__iexact=name))
        )

    def favourites_of(self, user: User) -> Self:
        return self.filter(favourite_rows__user=user)

    def marked_for(self, user: User) -> Self:
        """Each with `is_favourite`."""
        mine = PromptFavourite.objects.filter(prompt=OuterRef("pk"), user=user)
        return self.annotate(is_favourite=Exists(mine))


class Prompt(models.Model):
    """A template; its variables are the `{{places}}` of its text. No owner: the company's.

    `text`, `variable_specs` and `number` are those of its latest version.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="prompts",
        verbose_name=_("owner"),
    )
    title = models.CharField(_("title"), max_length=200)
    description = models.CharField(_("description"), max_length=300, blank=True, default="")
    text = models.TextField(_("text"), max_length=50_000)
    variable_specs: models.JSONField[Any] = models.JSONField(
        _("variables"), default=list, blank=True
    )
    number = models.PositiveIntegerField(_("version"), default=1, editable=False)
    is_shared = models.BooleanField(_("shared"), default=False)
    everyone_edits = models.BooleanField(_("everyone edits"), default=False)
    preset = models.CharField(max_length=60, blank=True, default="", db_index=True, editable=False)
    language = models.CharField(max_length=10, blank=True, default="", editable=False)
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
        return variables_of(self.text, self.variable_specs)

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


class PromptFavourite(models.Model):
    """Somebody's star."""

    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="favourite_rows")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="favourite_prompts"
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["prompt", "user"], name="one_star_a_person")
        ]

    def __str__(self) -> str:
        return f"{self.user} {self.prompt}"


class PresetSeed(models.Model):
    """That a preset of the platform was put into the library once, and what it said then.

    No prompt: somebody deleted it, and it does not come back.
    """

    slug = models.CharField(max_length=60)
    language = models.CharField(max_length=10)
    sha256 = models.CharField(max_length=64)
    prompt = models.ForeignKey(Prompt, models.SET_NULL, null=True, related_name="seeds")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["slug", "language"], name="one_seed_a_language")
        ]

    def __str__(self) -> str:
        return f"{self.slug} {self.language}"
