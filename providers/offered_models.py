"""What a provider offers: its list now, brought up to date, and what people add to it or change."""

import time
from typing import Any

from asgiref.sync import async_to_sync
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest as PageRequest
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from llmplatform.text import enumerated
from providers.adapters.dify import DifyAdapter
from providers.asking import fetched
from providers.checks import checked_model_id
from providers.detection import KNOWN_TYPES, detect_types
from providers.dify.around import seen
from providers.errors import NoSuchModel, NothingThere, ProviderError
from providers.model_list import RefreshPlan, carry_out, found_in, looked_up, plan_refresh
from providers.models import Provider, ProviderModel
from providers.presets import BY_SLUG
from providers.registry import ADAPTERS
from providers.types import ListedModel, Target


def _by_name(model_id: str, context_tokens: int | None = None) -> ListedModel:
    """A row for a model that no list names."""
    types, evidence = detect_types(model_id)
    return ListedModel(model_id, types, context_tokens, evidence)


def add_model(
    *, provider: Provider, model_id: str, actor: User, request: PageRequest | None = None
) -> ProviderModel:
    """A model that the provider's list lacks, such as a deployment on Azure; no refresh takes it
    away. ValidationError keyed by `model_id`."""
    model_id = checked_model_id(model_id)
    if provider.models.filter(model_id=model_id, missing_since=None).exists():
        raise ValidationError({"model_id": [_("This model is on the list already.")]})
    [row] = looked_up(provider, [_by_name(model_id)])
    with transaction.atomic():
        model, _created = ProviderModel.objects.update_or_create(
            provider=provider,
            model_id=model_id,
            defaults={
                **found_in(row),
                "name": model_id,
                "is_manual": True,
                "missing_since": None,
            },
        )
        after = {"model_id": model_id}
        audit(actor=actor, action="model.create", target=model, after=after, request=request)
    return model


def change_model(
    *, model: ProviderModel, actor: User, request: PageRequest | None = None, **changes: Any
) -> ProviderModel:
    """A person's edits; they are remembered and survive every refresh."""
    before = {name: getattr(model, name) for name in changes}
    for name, value in changes.items():
        setattr(model, name, value)
    if "types" in changes:
        unknown = [each for each in changes["types"] if each not in KNOWN_TYPES]
        if unknown:
            text = _("There is no type “%(name)s”. Known are: %(known)s.")
            shown = {"name": unknown[0], "known": enumerated(KNOWN_TYPES)}
            raise ValidationError({"types": [text % shown]})
        model.main_type = changes["types"][0] if changes["types"] else "chat"
    model.edited = sorted({*model.edited, *changes})
    model.full_clean()
    with transaction.atomic():
        model.save()
        shown = {name: str(value) for name, value in changes.items()}
        audit(
            actor=actor,
            action="model.update",
            target=model,
            before={name: str(value) for name, value in before.items()},
            after=shown,
            request=request,
        )
    return model


async def listed_now(target: Target) -> tuple[list[ListedModel], str]:
    """The list, and what kind of application a Dify connection is; empty where nobody says."""
    adapter = ADAPTERS[target.kind]
    if not adapter.needs_network:
        return adapter.read_models(b""), ""
    try:
        body = await fetched(target, adapter.models)
    except NoSuchModel as error:
        raise NothingThere(error.detail) from error
    listed = adapter.read_models(body)
    if isinstance(adapter, DifyAdapter):
        return await seen(target, listed), adapter.read_app_mode(body)
    return listed, ""


def known_models(provider: Provider) -> list[ListedModel]:
    """The whole list of a provider that has none to ask for; else empty."""
    preset = BY_SLUG.get(provider.preset)
    known = preset.known_models_at(provider.base_url) if preset else ()
    return [_by_name(model.model_id, model.context_tokens) for model in known]


def list_models(provider: Provider) -> list[ListedModel]:
    """What the provider offers now. Raises ProviderError. Asking is a test of the connection, and
    what came of it is kept."""
    known = known_models(provider)
    if known:
        return known
    started, error_code = time.monotonic(), ""
    try:
        listed, mode = async_to_sync(listed_now)(provider.target())
    except ProviderError as error:
        error_code = error.code
        raise
    finally:
        provider.note_test(round((time.monotonic() - started) * 1000), error_code)
    _remember_mode(provider, mode)
    return listed


def _remember_mode(provider: Provider, mode: str) -> None:
    """An application that says nothing stays what it was."""
    if mode and mode != provider.app_mode:
        provider.app_mode = mode
        Provider.objects.filter(pk=provider.pk).update(app_mode=mode)


def apply_models(
    *,
    provider: Provider,
    listed: list[ListedModel],
    actor: User,
    request: PageRequest | None = None,
) -> RefreshPlan:
    """Make the model list what was `listed`; a person's edits stay."""
    with transaction.atomic():
        plan = plan_refresh(provider, listed)
        carry_out(provider, plan)
        parts = ("added", "changed", "renamed", "missing")
        counts = {name: len(getattr(plan, name)) for name in parts}
        audit(
            actor=actor, action="provider.refresh", target=provider, after=counts, request=request
        )
    return plan


def refresh_models(
    *, provider: Provider, actor: User, request: PageRequest | None = None
) -> RefreshPlan:
    """Bring the model list up to date. Raises ProviderError, and then nothing has changed."""
    listed = list_models(provider)
    return apply_models(provider=provider, listed=listed, actor=actor, request=request)
