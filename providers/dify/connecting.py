"""Connecting applications and knowledge bases of Dify: the key says which of them it opens."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest as PageRequest
from django.utils.translation import gettext as _

from accounts.models import User
from providers.adapters.dify import KNOWLEDGE
from providers.connections import change_provider, create_provider, unsaved_provider
from providers.dify.client import app_info
from providers.errors import ProviderError
from providers.models import Provider
from providers.offered_models import refresh_models

CLOUD = "https://api.dify.ai/v1"


def connect_dify(
    *,
    actor: User,
    base_url: str,
    api_key: str,
    name: str = "",
    is_shared: bool = False,
    request: PageRequest | None = None,
) -> Provider:
    """Without a `name` the application says its own. It is asked first: what does not answer is not
    saved. ValidationError keyed by field; ProviderError where Dify refuses."""
    if not api_key.strip():
        raise ValidationError({"api_key": [_("Enter the key.")]})
    given: dict[str, Any] = {"base_url": base_url.strip().rstrip("/") or CLOUD}
    given |= {"api_key": api_key, "is_shared": is_shared, "preset": "dify"}
    usual = _("Knowledge of Dify")
    draft = unsaved_provider(actor=actor, name=name or usual, **given)
    info = app_info(draft)
    said = "" if draft.app_mode == KNOWLEDGE else info.name
    provider = create_provider(actor=actor, request=request, name=name or said or usual, **given)
    refresh_models(provider=provider, actor=actor, request=request)
    return provider


def usual_inputs(provider: Provider) -> dict[str, Any]:
    """What runs, chats and comparisons fill in where nothing else is given."""
    inputs = provider.extra_body.get("inputs")
    return dict(inputs) if isinstance(inputs, Mapping) else {}


def keep_inputs(
    *,
    provider: Provider,
    actor: User,
    inputs: Mapping[str, Any],
    request: PageRequest | None = None,
) -> None:
    """As the usual ones; they are what the connection adds to every request."""
    others = {name: value for name, value in provider.extra_body.items() if name != "inputs"}
    extra_body = {**others, **({"inputs": dict(inputs)} if inputs else {})}
    change_provider(provider=provider, actor=actor, request=request, extra_body=extra_body)


def field_of(error: ProviderError) -> str | None:
    """The field of the form that a refusal is about; None: none of them."""
    return {"authentication": "api_key", "unavailable": "base_url"}.get(error.code)
