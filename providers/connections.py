"""Connections to providers: made, changed and deleted by people."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest as PageRequest
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from llmplatform.text import validate_name
from providers.adapters.dify import KNOWLEDGE, KNOWLEDGE_KEY
from providers.adapters.echo import EchoAdapter
from providers.checks import all_of, check_url, checked_key, checked_oauth
from providers.differences import check_drop_params, check_extra_body, check_profile
from providers.model_list import carry_out, plan_refresh
from providers.models import Kind, Provider
from providers.presets import BY_SLUG
from providers.registry import ADAPTERS

DIFFERENCES: dict[str, Callable[[Any], None]] = {
    "profile": check_profile,
    "extra_body": check_extra_body,
    "drop_params": check_drop_params,
}
PATIENCE = ("connect_timeout_s", "read_timeout_s", "answer_timeout_s", "retries")
SETTINGS = (*DIFFERENCES, *PATIENCE, "oauth")
AUDITED = ("name", "kind", "base_url", "is_enabled", *SETTINGS)


def _snapshot(provider: Provider) -> dict[str, Any]:
    return {name: getattr(provider, name) for name in AUDITED}


def unsaved_provider(
    *,
    actor: User,
    preset: str = "",
    kind: str = "",
    name: str = "",
    base_url: str = "",
    api_key: str = "",
    is_shared: bool = False,
    **given: Any,
) -> Provider:
    """A provider from a preset or a kind. ValidationError keyed by field, with all that is wrong.

    `given`: SETTINGS of this connection. With `oauth` the key is the client secret.

    `is_shared` makes it the company's, which only administrators may do.
    """
    chosen = BY_SLUG.get(preset)
    if preset and chosen is None:
        raise ValidationError({"preset": [_("There is no such preset.")]})
    kind = kind or (chosen.kind if chosen else "openai")
    if kind not in ADAPTERS:
        raise ValidationError({"kind": [_("There is no such kind.")]})
    if is_shared and not actor.is_admin:
        raise ValidationError({"is_shared": [_("Only administrators can share a provider.")]})
    base_url = (base_url or (chosen.base_urls[0] if chosen and chosen.base_urls else "")).strip()
    name = name.strip() or (chosen.suggested_name or str(chosen.name) if chosen else "")
    provider = Provider(
        owner=None if is_shared else actor, name=name, kind=kind, preset=preset, base_url=base_url
    )
    all_of(
        lambda: _check_name(name),
        lambda: _check_url_of(provider),
        lambda: _set_settings(provider, given),
        lambda: _set_key(provider, api_key),
        lambda: _check_secret(provider),
    )
    return provider


def create_provider(*, actor: User, request: PageRequest | None = None, **given: Any) -> Provider:
    """What `unsaved_provider` makes, saved."""
    provider = unsaved_provider(actor=actor, **given)
    kind = provider.kind
    with transaction.atomic():
        provider.save()
        after = _snapshot(provider)
        audit(actor=actor, action="provider.create", target=provider, after=after, request=request)
        if not ADAPTERS[kind].needs_network:
            carry_out(provider, plan_refresh(provider, EchoAdapter().read_models()))
    return provider


def change_provider(
    *,
    provider: Provider,
    actor: User,
    request: PageRequest | None = None,
    api_key: str | None = None,
    **changes: Any,
) -> Provider:
    """Change fields. ValidationError keyed by field, with all that is wrong.

    A new host, also one to sign in at, needs the key again, or it would be sent to somebody else.
    """
    before = _snapshot(provider)
    change_unsaved(provider, api_key, **changes)
    with transaction.atomic():
        provider.save()
        after = _snapshot(provider) | ({"api_key": "changed"} if api_key else {})
        audit(
            actor=actor,
            action="provider.update",
            target=provider,
            before=before,
            after=after,
            request=request,
        )
    return provider


def change_unsaved(provider: Provider, api_key: str | None = None, **changes: Any) -> None:
    """Of `change_provider` all but the saving."""
    old_hosts, old_way = _hosts(provider), _way(provider)
    for name in changes.keys() & {"name", "base_url", "is_enabled"}:
        setattr(provider, name, changes[name])
    all_of(
        lambda: _check_name(provider.name),
        lambda: _check_url_of(provider),
        lambda: _set_settings(provider, changes),
        lambda: _set_key(provider, api_key) if api_key else None,
        lambda: _check_secret(provider),
    )
    if _hosts(provider) != old_hosts and provider.credential and not api_key:
        raise ValidationError({"api_key": [_("Enter the key again when the host changes.")]})
    if _way(provider) != old_way:
        provider.forget_test()


def _hosts(provider: Provider) -> list[tuple[str, str]]:
    """Where the stored secret may go."""
    urls = (provider.base_url, provider.oauth.get("token_url", ""))
    return [(parts.scheme, parts.netloc) for parts in map(urlsplit, urls)]


def _way(provider: Provider) -> list[Any]:
    """All that a test of the connection is about."""
    return [getattr(provider, name) for name in ("base_url", "credential", *SETTINGS)]


def _check_secret(provider: Provider) -> None:
    if provider.oauth and not provider.credential:
        raise ValidationError({"api_key": [_("Enter the client secret.")]})


def _set_key(provider: Provider, api_key: str) -> None:
    key = checked_key(api_key)
    provider.set_key(key)
    if provider.kind == Kind.DIFY and key.startswith(KNOWLEDGE_KEY):
        provider.app_mode = KNOWLEDGE
    elif provider.app_mode == KNOWLEDGE:
        provider.app_mode = ""


def _check_name(name: str) -> None:
    try:
        validate_name(name)
    except ValidationError as error:
        raise ValidationError({"name": error.messages}) from error


def _check_url_of(provider: Provider) -> None:
    if ADAPTERS[provider.kind].needs_network:
        check_url(provider.base_url)


def _set_settings(provider: Provider, given: Mapping[str, Any]) -> None:
    """All of SETTINGS that are given; ValidationError with all that is wrong."""

    def set_one(name: str) -> None:
        setattr(provider, name, checked_setting(name, given[name]))

    all_of(*(partial(set_one, name) for name in SETTINGS if name in given))


def checked_setting(name: str, value: Any) -> Any:
    """One of SETTINGS as it is kept. ValidationError keyed by field."""
    if name == "oauth":
        return checked_oauth(value)
    if name in DIFFERENCES:
        DIFFERENCES[name](value)
        return value
    try:
        return Provider._meta.get_field(name).clean(value, None)  # type: ignore[union-attr]
    except ValidationError as error:
        raise ValidationError({name: error.messages}) from error


def delete_provider(*, provider: Provider, actor: User, request: PageRequest | None = None) -> None:
    with transaction.atomic():
        audit(actor=actor, action="provider.delete", target=provider, request=request)
        provider.delete()
