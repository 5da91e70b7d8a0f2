"""Connections to providers, and their models."""

from typing import Any, ClassVar, Self

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from llmplatform.encryption import decrypt, encrypt
from providers.presets import BY_SLUG
from providers.types import USUAL_PATIENCE, ClientCredentials, Patience, Profile, Target


class Kind(models.TextChoices):
    OPENAI = "openai", _("OpenAI-compatible")
    AZURE = "azure", "Azure OpenAI"
    RESPONSES = "responses", _("OpenAI Responses")
    ANTHROPIC = "anthropic", "Anthropic"
    GEMINI = "gemini", "Google Gemini"
    OLLAMA = "ollama", "Ollama"
    COHERE = "cohere", "Cohere"
    DIFY = "dify", _("Dify application")
    ECHO = "echo", _("Echo")


def visible_to(user: User) -> Q:
    """Their own and the company's, which has no owner."""
    return Q(owner=user) | Q(owner=None)


def changeable_by(user: User) -> Q:
    """Their own and, for administrators, the company's."""
    return visible_to(user) if user.is_admin else Q(owner=user)


class ProviderQuerySet(models.QuerySet["Provider"]):
    def for_user(self, user: User) -> Self:
        return self.filter(visible_to(user))

    def editable_by(self, user: User) -> Self:
        return self.filter(changeable_by(user), is_managed=False)

    def apps(self) -> Self:
        """Applications of Dify."""
        return self.filter(kind=Kind.DIFY).exclude(app_mode="knowledge")

    def outside_knowledge(self) -> Self:
        """Connections to Dify's knowledge bases."""
        return self.filter(kind=Kind.DIFY, app_mode="knowledge")


def _between(least: int, most: int) -> list[Any]:
    return [MinValueValidator(least), MaxValueValidator(most)]


class Provider(models.Model):
    """Where models live. Without an owner it belongs to the company.

    `credential` is the encrypted key or, where `oauth` has a token URL, the client secret. `oauth`
    holds token_url, client_id, scope and style (see providers.types.ClientCredentials).
    """

    encrypted: ClassVar = ("credential",)

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="providers",
        verbose_name=_("owner"),
    )
    name = models.CharField(_("name"), max_length=100)
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices, default=Kind.OPENAI)
    preset = models.CharField(_("preset"), max_length=40, blank=True)
    base_url = models.CharField(_("base URL"), max_length=500, blank=True)
    credential = models.TextField(_("credential"), blank=True, editable=False)
    profile = models.JSONField(
        _("differences"),
        default=dict,
        blank=True,
        help_text=_("What differs from the preset, such as max_tokens_field or api_version."),
    )
    extra_body = models.JSONField(
        _("added to every request"),
        default=dict,
        blank=True,
        help_text=_("An object that is merged into the body of every chat."),
    )
    drop_params = models.JSONField(
        _("left out of every request"),
        default=list,
        blank=True,
        help_text=_("Parameters that the provider refuses, such as seed or logprobs."),
    )
    oauth = models.JSONField(_("OAuth2 client"), default=dict, blank=True)
    connect_timeout_s = models.PositiveSmallIntegerField(
        _("seconds to connect"),
        default=USUAL_PATIENCE.connect_s,
        validators=_between(1, 60),
        help_text=_("Until the connection stands."),
    )
    read_timeout_s = models.PositiveSmallIntegerField(
        _("seconds of silence"),
        default=USUAL_PATIENCE.read_s,
        validators=_between(1, 1800),
        help_text=_("How long a stream may be silent before its first piece and between two."),
    )
    answer_timeout_s = models.PositiveSmallIntegerField(
        _("seconds for a whole answer"),
        default=USUAL_PATIENCE.answer_s,
        validators=_between(1, 7200),
        help_text=_("From the request to the end of the answer, with or without a stream."),
    )
    retries = models.PositiveSmallIntegerField(
        _("retries"),
        default=USUAL_PATIENCE.retries,
        validators=_between(0, 5),
        help_text=_(
            "How often a call is sent again that failed before its answer began. Behind an alias "
            "its further rounds count instead."
        ),
    )
    app_mode = models.CharField(
        _("kind of application"),
        max_length=20,
        blank=True,
        editable=False,
        help_text=_("What a Dify application says that it is."),
    )
    is_enabled = models.BooleanField(_("enabled"), default=True)
    is_managed = models.BooleanField(
        _("managed"),
        default=False,
        editable=False,
        help_text=_("Made by the platform for a deployment; it comes and goes with it."),
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    refreshed_at = models.DateTimeField(_("models refreshed"), null=True, editable=False)
    tested_at = models.DateTimeField(_("tested"), null=True, editable=False)
    test_latency_ms = models.PositiveIntegerField(
        _("latency of the test (ms)"), null=True, editable=False
    )
    test_error = models.CharField(
        _("error of the test"),
        max_length=40,
        blank=True,
        editable=False,
        help_text=_("Empty where the provider answered."),
    )

    # What takes the last refresh back, see providers.undoing; empty where nothing does.
    undo = models.JSONField(default=dict, editable=False)

    objects = ProviderQuerySet.as_manager()

    class Meta:
        verbose_name = _("provider")
        verbose_name_plural = _("providers")
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name

    def set_key(self, key: str) -> None:
        self.credential = encrypt(key)

    @property
    def key_hint(self) -> str:
        """The last four characters of the key, for recognition only."""
        key = decrypt(self.credential)
        return f"…{key[-4:]}" if len(key) >= 12 else ("…" if key else "")

    @property
    def is_test_passed(self) -> bool | None:
        """None: nobody has tested it as it is now."""
        return None if self.tested_at is None else not self.test_error

    def note_test(self, latency_ms: int, error_code: str) -> None:
        """What came of asking it just now. Not `save`: what somebody changed meanwhile stays, and
        then it was another connection that was asked."""
        self.tested_at, self.test_latency_ms = timezone.now(), latency_ms
        self.test_error = error_code
        Provider.objects.filter(
            pk=self.pk, base_url=self.base_url, credential=self.credential
        ).update(tested_at=self.tested_at, test_latency_ms=latency_ms, test_error=self.test_error)

    def forget_test(self) -> None:
        """It was another connection that was tested."""
        self.tested_at, self.test_latency_ms, self.test_error = None, None, ""

    def target(self, model_id: str = "") -> Target:
        preset = BY_SLUG.get(self.preset)
        known = preset.profile_at(self.base_url) if preset else {}
        secret = decrypt(self.credential)
        oauth = ClientCredentials(client_secret=secret, **self.oauth) if self.oauth else None
        if oauth is not None:
            known["auth"] = "bearer"
        if self.app_mode:
            known["app_mode"] = self.app_mode
        return Target(
            kind=self.kind,
            base_url=self.base_url,
            api_key="" if oauth else secret,
            model_id=model_id,
            is_managed=self.is_managed,
            provider_id=self.pk,
            provider_name=self.name,
            profile=Profile(**{**known, **self.profile}),
            extra_body={**(preset.extra_body if preset else {}), **self.extra_body},
            drop_params=(*(preset.drop_params if preset else ()), *self.drop_params),
            oauth=oauth,
            patience=Patience(
                self.connect_timeout_s, self.read_timeout_s, self.answer_timeout_s, self.retries
            ),
        )


class ProviderModelQuerySet(models.QuerySet["ProviderModel"]):
    def for_user(self, user: User) -> Self:
        return self.filter(Q(provider__owner=user) | Q(provider__owner=None))

    def answering(self) -> Self:
        return self.filter(is_enabled=True, missing_since=None, provider__is_enabled=True)

    def usable(self) -> Self:
        """What people choose from. A replica answers behind the model that it is one of."""
        return self.answering().filter(replica_of=None)

    def chat(self) -> Self:
        """Rows whose main type is chat, or that nobody has typed."""
        return self.filter(main_type="chat")

    def embedding(self) -> Self:
        return self.filter(main_type="embedding")

    def rerank(self) -> Self:
        return self.filter(main_type="rerank")


class ProviderModel(models.Model):
    """One model of a provider. Fields named in `edited` are a person's and survive a refresh."""

    provider = models.ForeignKey(Provider, models.CASCADE, related_name="models")
    model_id = models.CharField(_("model id"), max_length=200)
    name = models.CharField(_("name"), max_length=200)
    main_type = models.CharField(_("type"), max_length=20, default="chat", db_index=True)
    types = models.JSONField(_("types"), default=list)
    type_evidence = models.CharField(_("evidence"), max_length=20, default="name")
    context_tokens = models.PositiveIntegerField(_("context window"), null=True, blank=True)
    system_prompt = models.TextField(_("system prompt"), blank=True)
    temperature = models.FloatField(_("temperature"), null=True, blank=True)
    top_p = models.FloatField("top_p", null=True, blank=True)
    max_tokens = models.PositiveIntegerField(_("longest answer"), null=True, blank=True)
    edited = models.JSONField(default=list, editable=False)
    is_manual = models.BooleanField(
        _("added by hand"),
        default=False,
        editable=False,
        help_text=_("No refresh takes it off the list."),
    )
    is_enabled = models.BooleanField(_("enabled"), default=True)
    missing_since = models.DateTimeField(_("missing since"), null=True, editable=False)
    replica_of = models.ForeignKey(
        "self", models.SET_NULL, null=True, editable=False, related_name="replicas"
    )
    # A route: the model that answers in its place, with all of that one's replicas.
    answers_as = models.ForeignKey(
        "self", models.SET_NULL, null=True, editable=False, related_name="+"
    )

    objects = ProviderModelQuerySet.as_manager()

    class Meta:
        verbose_name = _("model")
        verbose_name_plural = _("models")
        ordering = ["provider__name", "model_id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["provider", "model_id"], name="one_row_per_model")
        ]

    def __str__(self) -> str:
        return f"{self.provider.name}/{self.model_id}"

    def is_usable_by(self, user: User) -> bool:
        """Whether `for_user(user).usable()` finds it, for a row that was read just now."""
        return (
            self.provider.owner_id in (None, user.pk)
            and self.is_enabled
            and self.missing_since is None
            and self.provider.is_enabled
            and self.replica_of_id is None
        )

    def stands_beside(self) -> QuerySet["ProviderModel"]:
        """The replicas that answer in its place, wherever one of them is better placed."""
        first = self.answers_as_id or self.pk
        return ProviderModel.objects.answering().filter(replica_of=first)

    @property
    def defaults(self) -> dict[str, float | int]:
        """Parameters a person has set for this model."""
        values = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
        }
        return {name: value for name, value in values.items() if value is not None}
