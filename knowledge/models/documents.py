"""Documents, their chunks, and the numbered changes that bring an index up to date."""

from pathlib import Path
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from knowledge.models.bases import Base


class DocumentStatus(models.TextChoices):
    PENDING = "pending", _("Waiting")
    PROCESSING = "processing", _("In work")
    READY = "ready", _("Ready")
    FAILED = "failed", _("Failed")


OPEN = (DocumentStatus.PENDING, DocumentStatus.PROCESSING)


class Stage(models.TextChoices):
    READING = "reading", _("Reading")
    CHUNKING = "chunking", _("Cutting")
    EMBEDDING = "embedding", _("Embedding")
    INDEXING = "indexing", _("Indexing")


class DocumentQuerySet(models.QuerySet["Document"]):
    def for_user(self, user: User) -> Self:
        """Those of the bases that they may ask."""
        return self.filter(base__in=Base.objects.for_user(user))

    def open(self) -> Self:
        return self.filter(status__in=OPEN)

    def searchable(self) -> Self:
        """Read at least once, also where it is being read again or that failed."""
        return self.filter(edition__gt=0, is_enabled=True)

    def wait_again(self) -> int:
        """They are to be read, as if for the first time; how many."""
        return self.update(
            status=DocumentStatus.PENDING,
            stage="",
            done=0,
            total=0,
            attempt=0,
            waits=0,
            error_code="",
            error_params={},
            not_before=None,
        )


class Document(models.Model):
    """A file of a base. pending -> processing -> ready or failed; failed, and ready where it is
    read again, -> pending. While it is read again its former chunks go on answering.

    Whoever works on it has `fence`, which only ever rises, and says so by `heartbeat_at`; if that
    stops, it is pending again, and failed after several tries (`attempt`, from 1 again when
    somebody asks for it). `not_before`: a provider is busy, and it has waited `waits` times for it.
    `edition`: of its chunks, those that are searched, which is the fence of whoever wrote them; 0:
    none yet.
    `notes`: what a reader should know, [{"code", "params"}], such as pages without text. `path`:
    the file below MEDIA_ROOT, its text beside it. `folder`: where it lay in what was uploaded.
    `metadata`: for filters, {name: text, number, bool or list of texts}.
    """

    base = models.ForeignKey(
        Base, models.CASCADE, related_name="documents", verbose_name=_("knowledge base")
    )
    name = models.CharField(_("name"), max_length=255)
    folder = models.CharField(_("folder"), max_length=500, blank=True, default="")
    media_type = models.CharField(_("type"), max_length=100, blank=True, default="")
    size_bytes = models.PositiveBigIntegerField(_("size"), default=0)
    sha256 = models.CharField(max_length=64, editable=False)
    path = models.CharField(max_length=200, editable=False)
    status = models.CharField(
        _("status"),
        max_length=10,
        choices=DocumentStatus.choices,
        default=DocumentStatus.PENDING,
    )
    stage = models.CharField(
        _("stage"), max_length=10, choices=Stage.choices, blank=True, default=""
    )
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    error_code = models.CharField(max_length=40, blank=True, default="")
    error_params: models.JSONField[Any] = models.JSONField(default=dict)
    notes: models.JSONField[Any] = models.JSONField(default=list)
    title = models.CharField(_("title"), max_length=300, blank=True, default="")
    pages = models.PositiveIntegerField(_("pages"), default=0)
    characters = models.PositiveIntegerField(_("characters"), default=0)
    chunk_count = models.PositiveIntegerField(_("chunks"), default=0)
    metadata: models.JSONField[Any] = models.JSONField(_("metadata"), default=dict, blank=True)
    is_enabled = models.BooleanField(_("enabled"), default=True)
    edition = models.PositiveIntegerField(default=0, editable=False)
    fence = models.PositiveIntegerField(default=0, editable=False)
    attempt = models.PositiveSmallIntegerField(_("attempt"), default=0)
    waits = models.PositiveSmallIntegerField(default=0, editable=False)
    heartbeat_at = models.DateTimeField(_("last sign of life"), null=True)
    not_before = models.DateTimeField(_("not before"), null=True)
    added_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(_("added"), default=timezone.now, editable=False)
    ready_at = models.DateTimeField(_("ready since"), null=True, editable=False)

    objects = DocumentQuerySet.as_manager()

    class Meta:
        verbose_name = _("document")
        verbose_name_plural = _("documents")
        ordering = ["-pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["base", "sha256"], name="one_document_a_content")
        ]
        indexes: ClassVar = [
            models.Index(fields=["base", "status"]),
            models.Index(fields=["status", "not_before"]),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def file(self) -> Path:
        return Path(settings.MEDIA_ROOT) / self.path

    @property
    def text_file(self) -> Path:
        """What was read of it, UTF-8; chunks are ranges of characters of this."""
        return self.file.with_suffix(".text")


class ChunkQuerySet(models.QuerySet["Chunk"]):
    def current(self) -> Self:
        """Of the edition that is searched, not of one in the making."""
        return self.filter(edition=F("document__edition"))

    def touched(self) -> Self:
        """Written otherwise or switched off: what reading the document again undoes."""
        return self.filter(~Q(original="") | Q(is_enabled=False))


class Chunk(models.Model):
    """A passage. `start` and `end`: characters of the document's text; `headings`: those above it,
    from the outermost. `edition`: chunks are written while those of the former one are searched.

    Somebody may have written it otherwise; then `original` is what it was cut as, and `start` and
    `end` are still its place. Reading the document again makes all of them anew."""

    document = models.ForeignKey(Document, models.CASCADE, related_name="chunks")
    edition = models.PositiveIntegerField()
    position = models.PositiveIntegerField()
    text = models.TextField()
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField()
    page = models.PositiveIntegerField(null=True)
    headings: models.JSONField[Any] = models.JSONField(default=list)
    original = models.TextField(blank=True, default="")
    is_enabled = models.BooleanField(_("enabled"), default=True)

    objects = ChunkQuerySet.as_manager()

    class Meta:
        verbose_name = _("chunk")
        verbose_name_plural = _("chunks")
        ordering = ["document_id", "position"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["document", "edition", "position"], name="one_chunk_a_position"
            )
        ]

    def __str__(self) -> str:
        return f"{self.document_id}/{self.position}"

    @property
    def is_edited(self) -> bool:
        return bool(self.original)

    @property
    def with_headings(self) -> str:
        """What is searched of it: the headings above often say what it is about."""
        return "\n".join([" / ".join(self.headings), self.text]) if self.headings else self.text


class Change(models.Model):
    """That what is searched of a document has changed: read again, switched on or off, deleted
    (then there is no such document any more). An index applies those above the last one it knows;
    only the newest of a document is kept."""

    base = models.ForeignKey(Base, models.CASCADE, related_name="changes")
    revision = models.PositiveBigIntegerField()
    document_id = models.BigIntegerField()

    class Meta:
        ordering = ["revision"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["base", "revision"], name="one_change_a_revision"),
            models.UniqueConstraint(fields=["base", "document_id"], name="newest_change_only"),
        ]

    def __str__(self) -> str:
        return f"{self.base_id} {self.revision}"
