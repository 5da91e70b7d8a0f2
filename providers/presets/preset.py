"""What is known about a provider before anybody has a key."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import models
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise


class Section(models.TextChoices):
    """Where the page lists it."""

    OTHER = "other", _("Anything else")
    CHINA = "china", _("China")
    GLOBAL = "global", _("International")
    AGGREGATOR = "aggregator", _("Many vendors behind one key")
    LOCAL = "local", _("On your own servers")
    APPLICATION = "application", _("Applications")


@dataclass(frozen=True)
class KnownModel:
    """A model of a provider that has no list to ask for."""

    model_id: str
    context_tokens: int | None = None


@dataclass(frozen=True)
class Address:
    """One place of a provider; `profile` and `known_models` hold what differs only there."""

    url: str
    label: Text = ""
    profile: Mapping[str, Any] = field(default_factory=dict)
    known_models: tuple[KnownModel, ...] = ()


@dataclass(frozen=True)
class Preset:
    """`addresses`: the first is the default; what is in braces is for a person to fill in.

    `profile` has the fields of the adapters' profile (paths, max_tokens_field, include_usage, …);
    `extra_body` and `drop_params` are where a new connection starts. `known_models`: its whole
    list, where the provider has none to ask for. `first_name`: what a new connection is called
    before somebody calls it otherwise, where that is not `name`; the same in every language.
    """

    slug: str
    kind: str
    name: Text
    section: str
    addresses: tuple[Address, ...] = ()
    key_note: Text = ""
    needs_key: bool = True
    profile: Mapping[str, Any] = field(default_factory=dict)
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    drop_params: tuple[str, ...] = ()
    known_models: tuple[KnownModel, ...] = ()
    first_name: str | None = None

    @property
    def suggested_name(self) -> str:
        """Empty where only a person can tell."""
        return str(self.name) if self.first_name is None else self.first_name

    @property
    def base_urls(self) -> tuple[str, ...]:
        return tuple(address.url for address in self.addresses)

    @property
    def is_local(self) -> bool:
        return self.section == Section.LOCAL

    def profile_at(self, base_url: str) -> dict[str, Any]:
        """The profile for a connection to `base_url`."""
        address = self._address(base_url)
        return {**self.profile, **(address.profile if address else {})}

    def known_models_at(self, base_url: str) -> tuple[KnownModel, ...]:
        """The whole list, where there is none to ask for; else empty."""
        address = self._address(base_url)
        return (address.known_models if address else ()) or self.known_models

    def _address(self, base_url: str) -> Address | None:
        wanted = base_url.rstrip("/")
        return next((address for address in self.addresses if address.url == wanted), None)
