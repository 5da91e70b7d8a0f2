"""One prompt to several models. A column is a chat session, so that everything an answer can do is
there once; `ChatSession.objects.for_user` leaves columns out.

While a comparison is blind, `is_masked` says that nobody may learn which column is which model.
"""

import uuid
from typing import ClassVar, Self

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from chat.models.grounding import SessionBase
from chat.models.sessions import ChatSession, Message

COLUMNS_MIN, COLUMNS_MAX = 2, 6
LETTERS = "ABCDEF"


class ComparisonQuerySet(models.QuerySet["Comparison"]):
    def for_user(self, user: User) -> Self:
        return self.filter(owner=user)

    def readable_by(self, user: User) -> Self:
        """Their own, and what others share with the company."""
        return self.filter(Q(owner=user) | Q(is_shared=True))

    def search(self, text: str) -> Self:
        """Those whose title, tags or any message contains `text`."""
        said = Message.objects.filter(
            session__column__comparison=OuterRef("pk"), content__icontains=text
        )
        tagged = ComparisonTag.objects.filter(comparison=OuterRef("pk"), name__icontains=text)
        return self.filter(Q(title__icontains=text) | Exists(said) | Exists(tagged))

    def tagged(self, name: str) -> Self:
        return self.filter(
            Exists(ComparisonTag.objects.filter(comparison=OuterRef("pk"), name__iexact=name))
        )

    def bump(self, pk: uuid.UUID) -> None:
        """Watchers look again at what is not a message: names, votes, the title."""
        self.filter(pk=pk).update(revision=F("revision") + 1, updated_at=timezone.now())


class Comparison(models.Model):
    """Of one person. `revision` rises when something other than the columns' messages changes."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="comparisons")
    title = models.CharField(_("title"), max_length=200)
    is_blind = models.BooleanField(_("blind"), default=False)
    revealed_at = models.DateTimeField(_("revealed"), null=True, blank=True, editable=False)
    is_shared = models.BooleanField(_("shared"), default=False)
    # What holds for all columns; a column's own is in its session, merged with this.
    system_prompt = models.TextField(_("system prompt"), blank=True)
    parameters = models.JSONField(_("parameters"), default=dict, blank=True)
    revision = models.PositiveIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("updated"), default=timezone.now, db_index=True)

    objects = ComparisonQuerySet.as_manager()

    class Meta:
        verbose_name = _("comparison")
        verbose_name_plural = _("comparisons")
        ordering = ["-updated_at"]

    def __str__(self) -> str:
        return self.title

    @property
    def is_masked(self) -> bool:
        return self.is_blind and self.revealed_at is None

    @property
    def bases(self) -> list[SessionBase]:
        """The knowledge bases that all columns are answered from."""
        column = self.columns.all()[:1]
        return list(column[0].session.chosen_bases.all()) if column else []

    @property
    def knowledge_bases(self) -> list[int]:
        """Those of them that its owner can still read."""
        return [row.base_id for row in self.bases if row.base_id and not row.is_gone]

    @property
    def tags(self) -> list[str]:
        """In alphabetical order; prefetch `tag_rows` for lists."""
        return [row.name for row in self.tag_rows.all()]

    @property
    def last_vote(self) -> "Vote | None":
        """Prefetch `votes__best` for lists."""
        return max(self.votes.all(), key=lambda vote: vote.round, default=None)


class ComparisonColumn(models.Model):
    """`number` counts from 1; of a blind comparison in an order that the server shuffled."""

    comparison = models.ForeignKey(Comparison, models.CASCADE, related_name="columns")
    number = models.PositiveSmallIntegerField(
        validators=[MinValueValidator(1), MaxValueValidator(COLUMNS_MAX)]
    )
    session = models.OneToOneField(ChatSession, models.CASCADE, related_name="column")

    class Meta:
        verbose_name = _("column")
        verbose_name_plural = _("columns")
        ordering = ["comparison_id", "number"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["comparison", "number"], name="one_column_of_a_comparison_a_number"
            )
        ]

    def __str__(self) -> str:
        return self.letter

    @property
    def letter(self) -> str:
        return LETTERS[self.number - 1]


class ComparisonTag(models.Model):
    """A word that groups comparisons, such as `code`; the leaderboard can be read by it."""

    comparison = models.ForeignKey(Comparison, models.CASCADE, related_name="tag_rows")
    name = models.CharField(_("tag"), max_length=40, db_index=True)

    class Meta:
        verbose_name = _("tag")
        verbose_name_plural = _("tags")
        ordering = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["comparison", "name"], name="one_tag_a_comparison")
        ]

    def __str__(self) -> str:
        return self.name


class Outcome(models.TextChoices):
    BEST = "best", _("One is best")
    TIE = "tie", _("Tie")
    ALL_BAD = "all_bad", _("All are bad")


class VoteQuerySet(models.QuerySet["Vote"]):
    def for_user(self, user: User) -> Self:
        return self.filter(voter=user)


class Vote(models.Model):
    """What a person thinks of the answers to one question, the `round`th of the conversation.

    `answered`: numbers of the columns that had an answer then; only those won, lost or tied.
    `best` is set where the outcome says so. The answers of a round with a vote never change.
    """

    comparison = models.ForeignKey(Comparison, models.CASCADE, related_name="votes")
    round = models.PositiveSmallIntegerField(_("round"), default=1)
    voter = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="votes")
    outcome = models.CharField(_("outcome"), max_length=8, choices=Outcome.choices)
    best = models.ForeignKey(
        ComparisonColumn, models.CASCADE, null=True, blank=True, related_name="+"
    )
    answered = models.JSONField(default=list)
    note = models.TextField(_("note"), blank=True, max_length=2000)
    # Cast before the names were shown.
    is_blind = models.BooleanField(_("blind"), default=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    objects = VoteQuerySet.as_manager()

    class Meta:
        verbose_name = _("vote")
        verbose_name_plural = _("votes")
        ordering = ["comparison_id", "round"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["comparison", "round"], name="one_vote_a_round")
        ]

    def __str__(self) -> str:
        return str(self.get_outcome_display())
