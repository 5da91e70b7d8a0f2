"""Knowledge bases: documents that answers are grounded in, and how they are cut and searched."""

from typing import Any, Self

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Count, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from providers.models import Provider, ProviderModel

TOP_K_MAX = 50


class Source(models.TextChoices):
    OWN = "own", _("Documents")
    DIFY = "dify", _("A knowledge base of Dify")


class SearchMode(models.TextChoices):
    HYBRID = "hybrid", _("Meaning and words")
    DENSE = "dense", _("Search by meaning")
    LEXICAL = "lexical", _("Search by words")


class BaseQuerySet(models.QuerySet["Base"]):
    def for_user(self, user: User) -> Self:
        """Their own and what others share."""
        return self.filter(Q(owner=user) | Q(is_shared=True))

    def manageable_by(self, user: User) -> Self:
        """Whose documents and settings they may change."""
        return self.filter(owner=user)

    def matching(self, words: str) -> Self:
        """Every word of `words` in the name or the description."""
        rows = self
        for word in words.split():
            rows = rows.filter(Q(name__icontains=word) | Q(description__icontains=word))
        return rows

    def counted(self) -> Self:
        """Each with how many documents it has, by what has become of them."""
        counts: dict[str, Any] = {
            f"{status}_count": Count("documents", filter=Q(documents__status=status))
            for status in ("pending", "processing", "ready", "failed")
        }
        rows = self.annotate(document_count=Count("documents"), **counts)
        return rows.order_by("name", "pk")


class Base(models.Model):
    """A knowledge base. `live_space` is the index that answers; another one may be in the making
    (see Space). `revision` counts the changes of its documents (see Change); writers take the
    row's lock for it, so that changes are numbered in the order in which they are committed.

    Of Dify: `provider` is the connection, `dataset_id` Dify's own id; there are no documents here.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        related_name="knowledge_bases",
        verbose_name=_("owner"),
    )
    name = models.CharField(_("name"), max_length=100)
    description = models.CharField(_("description"), max_length=300, blank=True, default="")
    is_shared = models.BooleanField(_("shared"), default=False)
    source = models.CharField(
        _("source"), max_length=10, choices=Source.choices, default=Source.OWN
    )
    provider = models.ForeignKey(
        Provider, models.SET_NULL, null=True, blank=True, related_name="knowledge_bases"
    )
    dataset_id = models.CharField(max_length=64, blank=True, default="")
    chunk_chars = models.PositiveIntegerField(
        _("size of a chunk"),
        default=800,
        validators=[MinValueValidator(100), MaxValueValidator(8000)],
        help_text=_("In characters; 100 to 8,000."),
    )
    overlap_chars = models.PositiveIntegerField(
        _("overlap"),
        default=80,
        validators=[MaxValueValidator(2000)],
        help_text=_("What a chunk repeats of the one before it, at most, in whole sentences."),
    )
    mode = models.CharField(
        _("search"), max_length=10, choices=SearchMode.choices, default=SearchMode.HYBRID
    )
    top_k = models.PositiveSmallIntegerField(
        _("passages"),
        default=6,
        validators=[MinValueValidator(1), MaxValueValidator(TOP_K_MAX)],
        help_text=_("How many an answer gets at most; 1 to 50."),
    )
    score_threshold = models.FloatField(
        _("lowest score"),
        default=0.0,
        validators=[MinValueValidator(0.0), MaxValueValidator(1.0)],
        help_text=_("0 to 1; passages below it are left out."),
    )
    rerank_model = models.ForeignKey(
        ProviderModel,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("reranking model"),
    )
    live_space = models.ForeignKey(
        "knowledge.Space", models.SET_NULL, null=True, blank=True, related_name="+", editable=False
    )
    revision = models.PositiveBigIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("updated"), default=timezone.now, editable=False)

    objects = BaseQuerySet.as_manager()

    class Meta:
        verbose_name = _("knowledge base")
        verbose_name_plural = _("knowledge bases")
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name

    def is_readable_by(self, user_id: int | None) -> bool:
        """As `for_user` has it."""
        return self.is_shared or self.owner_id == user_id

    @property
    def is_own(self) -> bool:
        return self.source == Source.OWN
