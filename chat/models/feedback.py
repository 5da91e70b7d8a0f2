"""What people think of answers, and what becomes of it: examples for training."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from chat.models.comparisons import Vote
from chat.models.sessions import Message
from training.models import Dataset

# A background collection that is silent for longer has died with its process.
DEAD_AFTER = timedelta(minutes=5)


class TrainingConsent(models.Model):
    """Whether others may train on what a person rates and corrects. No row: not asked yet."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        related_name="training_consent",
        verbose_name=_("person"),
    )
    is_given = models.BooleanField(_("agreed"))
    decided_at = models.DateTimeField(_("decided"), default=timezone.now)
    # Datasets are to get versions without what was taken back.
    is_leaving = models.BooleanField(default=False, editable=False)

    class Meta:
        verbose_name = _("consent to training")
        verbose_name_plural = _("consents to training")

    def __str__(self) -> str:
        return str(self.user_id)


class Reviewer(models.Model):
    """Somebody whom an administrator has asked to review; administrators may anyway."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        related_name="reviewer",
        verbose_name=_("person"),
    )
    named_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(_("named"), default=timezone.now)

    class Meta:
        verbose_name = _("reviewer")
        verbose_name_plural = _("reviewers")
        ordering = ["user__email"]

    def __str__(self) -> str:
        return str(self.user)


class FeedbackKind(models.TextChoices):
    UP = "up", _("Good answer")
    DOWN = "down", _("Bad answer")
    CORRECTION = "correction", _("Corrected answer")
    VOTE = "vote", _("Best of a comparison")


class FeedbackReason(models.TextChoices):
    WRONG = "wrong", _("Wrong or made up")
    INCOMPLETE = "incomplete", _("Incomplete")
    OFF_TOPIC = "off_topic", _("Misses the question")
    STYLE = "style", _("Tone or form")
    LANGUAGE = "language", _("Wrong language")
    UNSAFE = "unsafe", _("Harmful or unsuitable")
    HELPFUL = "helpful", _("Helpful and correct")
    OTHER = "other", _("Something else")


class ReviewState(models.TextChoices):
    PENDING = "pending", _("To review")
    ACCEPTED = "accepted", _("Accepted")
    REJECTED = "rejected", _("Rejected")


class FeedbackQuerySet(models.QuerySet["Feedback"]):
    def for_user(self, user: User) -> Self:
        return self.kept().filter(user=user)

    def kept(self) -> Self:
        """Of chats that nobody has deleted."""
        return self.filter(message__session__deleted_at=None)

    def consented(self) -> Self:
        """Of people who let others train on it."""
        return self.kept().filter(user__training_consent__is_given=True)

    def accepted(self) -> Self:
        return self.filter(state=ReviewState.ACCEPTED)

    def tagged(self, name: str) -> Self:
        tags = FeedbackTag.objects.filter(feedback=OuterRef("pk"), name=name)
        return self.filter(Exists(tags))


class Feedback(models.Model):
    """A person's verdict on an answer of theirs, and what a reviewer made of it.

    pending -> accepted | rejected, and pending again when the person changes it. `example` is what
    was accepted: {"messages": [{"role", "content"}], "chosen": text, "rejected": text}, the last
    two "" where there is none, which `has_chosen` and `has_rejected` tell databases.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        related_name="feedback",
        verbose_name=_("person"),
    )
    message = models.OneToOneField(
        Message, models.CASCADE, null=True, related_name="feedback", verbose_name=_("answer")
    )
    # In a comparison; `message` is then the answer that won.
    vote = models.OneToOneField(
        Vote, models.CASCADE, null=True, blank=True, related_name="feedback", verbose_name=_("vote")
    )
    kind = models.CharField(_("kind"), max_length=12, choices=FeedbackKind.choices)
    verdict = models.CharField(
        _("verdict"), max_length=4, choices=FeedbackKind.choices[:2], blank=True
    )
    reason = models.CharField(
        _("reason"), max_length=12, choices=FeedbackReason.choices, blank=True
    )
    note = models.TextField(_("note"), blank=True)
    correction = models.TextField(_("better answer"), blank=True)
    # Of the answer, for filters over many.
    model_label = models.CharField(_("model"), max_length=200, blank=True, db_index=True)
    state = models.CharField(
        _("state"), max_length=10, choices=ReviewState.choices, default=ReviewState.PENDING
    )
    example: models.JSONField[Any] = models.JSONField(default=dict, blank=True)
    has_chosen = models.BooleanField(default=False)
    has_rejected = models.BooleanField(default=False)
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("reviewed by"),
    )
    reviewed_at = models.DateTimeField(_("reviewed"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    updated_at = models.DateTimeField(_("updated"), default=timezone.now)

    objects = FeedbackQuerySet.as_manager()

    class Meta:
        verbose_name = _("feedback")
        verbose_name_plural = _("feedback")
        ordering = ["-pk"]
        indexes: ClassVar = [
            models.Index(fields=["state", "id"], name="feedback_by_state"),
            models.Index(fields=["user", "id"], name="feedback_by_user"),
        ]

    def __str__(self) -> str:
        return f"{self.pk}"

    @property
    def tags(self) -> list[str]:
        return sorted(tag.name for tag in self.tag_rows.all())

    def set_tags(self, names: Iterable[str]) -> None:
        wanted = set(names)
        self.tag_rows.exclude(name__in=wanted).delete()
        kept = set(self.tag_rows.values_list("name", flat=True))
        FeedbackTag.objects.bulk_create(
            FeedbackTag(feedback=self, name=name) for name in sorted(wanted - kept)
        )

    def reopen(self) -> None:
        """What was reviewed is another thing now. Not saved yet."""
        self.state, self.example = ReviewState.PENDING, {}
        self.has_chosen = self.has_rejected = False
        self.reviewed_by, self.reviewed_at = None, None


class FeedbackTag(models.Model):
    feedback = models.ForeignKey(Feedback, models.CASCADE, related_name="tag_rows")
    name = models.CharField(max_length=50, db_index=True)

    class Meta:
        verbose_name = _("tag")
        verbose_name_plural = _("tags")
        ordering = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["feedback", "name"], name="feedback_tag")
        ]

    def __str__(self) -> str:
        return self.name


class Purpose(models.TextChoices):
    SFT = "sft", _("Supervised fine-tuning: good answers")
    DPO = "dpo", _("DPO: a better and a worse answer to the same question")
    KTO = "kto", _("KTO: answers, each good or bad")


class CollectionStatus(models.TextChoices):
    WAITING = "waiting", _("Waiting")
    RUNNING = "running", _("Collecting")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")


class CollectionQuerySet(models.QuerySet["Collection"]):
    def for_user(self, user: User) -> Self:
        return self.filter(owner=user)

    def free(self) -> Self:
        """Nobody is collecting them, or a process that has died."""
        return self.filter(~Q(status=CollectionStatus.RUNNING) | _has_died())

    def waiting(self) -> Self:
        """For the worker: asked for, or left by a process that has died."""
        return self.filter(Q(status=CollectionStatus.WAITING) | _has_died())


def _has_died() -> Q:
    return Q(status=CollectionStatus.RUNNING, started_at__lt=timezone.now() - DEAD_AFTER)


class Collection(models.Model):
    """Which examples go into a dataset of `owner`, and how. Each time it is collected the dataset
    gets its next version.

    `is_own`: the owner's own feedback, reviewed or not, instead of what reviewers have accepted.
    `filters`: as in feedback_filters.py; `anonymising`: as in anonymising.py.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        related_name="collections",
        verbose_name=_("owner"),
    )
    name = models.CharField(_("name"), max_length=100)
    purpose = models.CharField(_("purpose"), max_length=4, choices=Purpose.choices)
    is_own = models.BooleanField(_("own feedback only"), default=False)
    filters: models.JSONField[Any] = models.JSONField(default=dict, blank=True)
    anonymising: models.JSONField[Any] = models.JSONField(default=dict, blank=True)
    is_pseudonymous = models.BooleanField(_("people by pseudonyms"), default=False)
    family = models.UUIDField(null=True, editable=False)
    # The version that was collected last.
    dataset = models.ForeignKey(
        Dataset, models.SET_NULL, null=True, editable=False, related_name="+"
    )
    status = models.CharField(
        _("state"),
        max_length=10,
        choices=CollectionStatus.choices,
        default=CollectionStatus.WAITING,
    )
    error = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    started_at = models.DateTimeField(null=True)
    collected_at = models.DateTimeField(_("collected"), null=True)

    objects = CollectionQuerySet.as_manager()

    class Meta:
        verbose_name = _("collection")
        verbose_name_plural = _("collections")
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.name


class CollectedRowQuerySet(models.QuerySet["CollectedRow"]):
    def of_user(self, user: User) -> Self:
        return self.filter(user=user)

    def held(self) -> Self:
        return self.filter(withdrawn_at=None)


class CollectedRow(models.Model):
    """Where a record of a dataset comes from. The record is known by its number (`line_hash`) in
    every version that has it. What it came from may be gone; that it did is kept.

    `person`: an e-mail address or a pseudonym; `message_id` has no constraint on purpose.
    """

    collection = models.ForeignKey(Collection, models.CASCADE, related_name="rows")
    line_hash = models.BigIntegerField(db_index=True)
    feedback = models.ForeignKey(Feedback, models.SET_NULL, null=True, related_name="collected")
    source = models.PositiveBigIntegerField()
    message_id = models.UUIDField(null=True, db_index=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    person = models.CharField(max_length=254)
    kind = models.CharField(max_length=12, choices=FeedbackKind.choices)
    model_label = models.CharField(max_length=200, blank=True)
    consented_at = models.DateTimeField(null=True)
    first_version = models.PositiveIntegerField()
    collected_at = models.DateTimeField(default=timezone.now)
    withdrawn_at = models.DateTimeField(null=True)

    objects = CollectedRowQuerySet.as_manager()

    class Meta:
        verbose_name = _("collected record")
        verbose_name_plural = _("collected records")
        ordering = ["pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["collection", "line_hash", "source"], name="collected_once"
            )
        ]
        indexes: ClassVar = [models.Index(fields=["user", "collection"], name="collected_of_user")]

    def __str__(self) -> str:
        return f"{self.collection_id}: {self.line_hash}"
