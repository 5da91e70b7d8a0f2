"""Verbs about providers: create, change, test, refresh; and streaming a chat from a model."""

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from asgiref.sync import async_to_sync
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest as PageRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import ApiKey, User
from accounts.services import audit
from llmplatform.text import validate_name
from providers.adapters.dify import DifyAdapter
from providers.adapters.echo import EchoAdapter
from providers.asking import asked, fetched
from providers.charging import Charge as Charge
from providers.charging import current_tariff, ledger_fields
from providers.checks import all_of, check_url, checked_key, checked_model_id, checked_oauth
from providers.detection import KNOWN_TYPES, detect_types
from providers.differences import check_drop_params, check_extra_body, check_profile
from providers.errors import LimitReached, NoSuchModel, NothingThere, ProviderError, TimedOut
from providers.measuring import Measurement as Measurement
from providers.model_list import RefreshPlan, carry_out, found_in, looked_up, plan_refresh
from providers.model_routes import name_route as name_route
from providers.model_routes import point_route as point_route
from providers.model_routes import rest_route as rest_route
from providers.models import CallRecord, Provider, ProviderModel
from providers.presets import BY_SLUG
from providers.registry import ADAPTERS
from providers.reserving import check_limits as check_limits
from providers.reserving import close_limiter
from providers.reserving import reserved as reserved
from providers.types import ChatMessage, ChatRequest, Event, ListedModel, Target

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
    name = name.strip() or (str(chosen.name) if chosen else "")
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
    provider.set_key(checked_key(api_key))


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


def _by_name(model_id: str, context_tokens: int | None = None) -> ListedModel:
    """A row for a model that no list names."""
    types, evidence = detect_types(model_id)
    return ListedModel(model_id, types, context_tokens, evidence)


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
            shown = {"name": unknown[0], "known": ", ".join(KNOWN_TYPES)}
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


@dataclass(frozen=True)
class TestResult:
    """Nothing of the upstream's answer: an internal address looks like a closed port."""

    ok: bool
    latency_ms: int
    error: ProviderError | None = None


async def _list_models(target: Target) -> tuple[list[ListedModel], str]:
    """The list, and what kind of application a Dify connection is; empty where nobody says."""
    adapter = ADAPTERS[target.kind]
    if not adapter.needs_network:
        return adapter.read_models(b""), ""
    try:
        body = await fetched(target, adapter.models)
    except NoSuchModel as error:
        raise NothingThere(error.detail) from error
    mode = adapter.read_app_mode(body) if isinstance(adapter, DifyAdapter) else ""
    return adapter.read_models(body), mode


HELLO, SHORT = ChatMessage("user", "hi"), {"max_tokens": 16}


async def _ask(target: Target, measured: Measurement | None = None) -> None:
    """The cheapest call of a provider that has no list to ask for."""
    request = ChatRequest(target.model_id, [HELLO], SHORT, is_stream=False)
    # A person waits for it: no longer than for the first word of a stream.
    patience = replace(target.patience, answer_s=target.patience.read_s)
    async for event in stream_chat(replace(target, patience=patience), request):
        if measured is not None:
            measured.note(event)


def _known_models(provider: Provider) -> list[ListedModel]:
    """The whole list of a provider that has none to ask for; else empty."""
    preset = BY_SLUG.get(provider.preset)
    known = preset.known_models_at(provider.base_url) if preset else ()
    return [_by_name(model.model_id, model.context_tokens) for model in known]


def list_models(provider: Provider) -> list[ListedModel]:
    """What the provider offers now. Raises ProviderError."""
    known = _known_models(provider)
    if known:
        return known
    listed, mode = async_to_sync(_list_models)(provider.target())
    _remember_mode(provider, mode)
    return listed


def _remember_mode(provider: Provider, mode: str) -> None:
    """An application that says nothing stays what it was."""
    if mode and mode != provider.app_mode:
        provider.app_mode = mode
        Provider.objects.filter(pk=provider.pk).update(app_mode=mode)


def check_connection(provider: Provider) -> TestResult:
    """Asks the provider, and keeps what came of it with the connection."""
    known = _known_models(provider)
    if known:
        ms, error = _timed(partial(async_to_sync(_ask), provider.target(known[0].model_id)))
    else:
        ms, error = _timed(partial(list_models, provider))
    provider.note_test(ms, error.code if error else "")
    return TestResult(error is None, ms, error)


@dataclass(frozen=True)
class Rehearsal:
    """What a connection would be like; `models` are what it would have."""

    result: TestResult
    models: Sequence[ListedModel] = ()


def rehearse_connection(provider: Provider) -> Rehearsal:
    """Asks as `provider` says, saved or not, and keeps nothing of it."""
    listed: list[ListedModel] = []

    def ask() -> None:
        known = _known_models(provider)
        if known:
            async_to_sync(_ask)(provider.target(known[0].model_id))
        rows = known or async_to_sync(_list_models)(provider.target())[0]
        listed.extend(looked_up(provider, rows))

    ms, error = _timed(ask)
    return Rehearsal(TestResult(error is None, ms, error), listed)


def _timed(work: Callable[[], object]) -> tuple[int, ProviderError | None]:
    """Milliseconds, and what went wrong."""
    started, error = time.monotonic(), None
    try:
        work()
    except ProviderError as found:
        error = found
    return round((time.monotonic() - started) * 1000), error


@dataclass(frozen=True)
class Trial:
    """One short question to one model."""

    model: ProviderModel
    latency_ms: int
    error: ProviderError | None = None


def try_model(model: ProviderModel, *, actor: User) -> Trial:
    """A call like any other: it counts for the limits of `actor`, is recorded, and costs what it
    costs."""
    target, measured = target_of(model), Measurement.of([HELLO])

    async def ask() -> None:
        request = ChatRequest(target.model_id, [HELLO], SHORT)
        try:
            async with reserved(user=actor, target=target, request=request, measured=measured):
                await _ask(target, measured)
        finally:
            await close_limiter()

    latency_ms, error = _timed(async_to_sync(ask))
    record_call(
        target=target,
        user=actor,
        source="trial",
        status=_status_after(error),
        error_code=error.code if error else "",
        measured=measured,
    )
    return Trial(model, latency_ms, error)


def _status_after(error: ProviderError | None) -> str:
    if error is None:
        return "done"
    return "refused" if isinstance(error, LimitReached) else "failed"


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


def publish_model(
    *,
    name: str,
    base_url: str,
    api_key: str,
    model_id: str,
    owner: User,
    model_type: str = "chat",
) -> ProviderModel:
    """A deployment of our own as a provider model of its owner; here alone loopback is allowed."""
    with transaction.atomic():
        provider = Provider(
            owner=owner, name=name[:100], kind="openai", base_url=base_url, is_managed=True
        )
        provider.set_key(api_key)
        provider.save()
        return ProviderModel.objects.create(
            provider=provider,
            model_id=model_id,
            name=name[:200],
            types=[model_type],
            main_type=model_type,
        )


def move_model(model: ProviderModel, base_url: str) -> None:
    """A deployment of our own answers elsewhere from now on."""
    provider = Provider.objects.get(pk=model.provider_id, is_managed=True)
    if provider.base_url != base_url:
        provider.base_url = base_url
        provider.save(update_fields=["base_url"])


def withdraw_model(model: ProviderModel) -> None:
    Provider.objects.filter(pk=model.provider_id, is_managed=True).delete()


def resolve_chat_target(*, user: User, model_pk: int) -> Target:
    """The target of a model the user may use now. Raises NoSuchModel."""
    rows = ProviderModel.objects.for_user(user).usable().select_related("provider")
    model = rows.filter(pk=model_pk).first()
    if model is None:
        raise NoSuchModel
    return target_of(model)


def target_of(model: ProviderModel) -> Target:
    base = model.provider.target(model.model_id)
    return replace(base, model_pk=model.pk, defaults=model.defaults)


async def stream_chat(target: Target, request: ChatRequest) -> AsyncGenerator[Event, None]:
    """Events of one answer. Raises ProviderError; closing it closes the upstream request."""
    adapter = ADAPTERS[target.kind]
    if isinstance(adapter, EchoAdapter):
        for event in adapter.answer(request):
            await asyncio.sleep(0.01)
            yield event
        return
    reader = adapter.reader(is_stream=request.is_stream, target=target)
    patience = target.patience
    until = time.monotonic() + patience.answer_s
    async with asked(
        target,
        lambda signed_in: adapter.chat(signed_in, request),
        read_s=patience.read_s if request.is_stream else patience.answer_s,
    ) as response:
        async for data in response.aiter_bytes():
            if time.monotonic() > until:
                raise TimedOut
            for event in reader.feed(data):
                yield event
        for event in reader.finish():
            yield event


def charge_of(*, target: Target, measured: Measurement, at: datetime) -> Charge:
    """What the call that ended at `at` costs."""
    usage, _is_estimated = measured.final_usage()
    return current_tariff().charge(usage, model_pk=target.model_pk, at=at)


def record_call(
    *,
    target: Target,
    user: User | None,
    source: str,
    status: str,
    measured: Measurement,
    error_code: str = "",
    api_key: ApiKey | None = None,
    duration_ms: int | None = None,
    call_id: uuid.UUID | None = None,
    at: datetime | None = None,
    charge: Charge | None = None,
) -> CallRecord:
    """A row of the ledger. `duration_ms`: where it is written later than the call ended.

    `call_id`: a second row with the same one is not written, the first is returned. `charge`: where
    it is known already.
    """
    usage, is_estimated = measured.final_usage()
    at = at or timezone.now()
    charge = charge or charge_of(target=target, measured=measured, at=at)
    row, _is_new = CallRecord.objects.get_or_create(
        call_id=call_id or uuid.uuid4(),
        defaults={
            "at": at,
            "user": user,
            "api_key": api_key,
            "model_id": target.model_pk,
            "provider_label": target.provider_name[:100],
            "model_label": target.model_id[:200],
            "source": source,
            "status": status,
            "error_code": error_code,
            "is_estimated": is_estimated,
            "ttft_ms": measured.ttft_ms,
            "duration_ms": measured.duration_ms if duration_ms is None else duration_ms,
            **ledger_fields(usage, charge),
        },
    )
    return row
