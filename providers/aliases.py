"""Verbs about aliases: names of the gateway behind which several models stand."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from llmplatform.text import validate_name
from providers.gateway.route import NO_CHAT
from providers.models import Alias, AliasMember, ProviderModel, Strategy
from providers.type_names import type_name

USES = frozenset(("chat", "embedding", "rerank"))
FIELDS = ("name", "strategy", "retries", "is_enabled")
MEMBERS_MAX = 20


def _snapshot(alias: Alias) -> dict[str, Any]:
    members = [str(member.model) for member in alias.members.select_related("model__provider")]
    return {name: getattr(alias, name) for name in FIELDS} | {"models": members}


def _check(alias: Alias) -> None:
    try:
        validate_name(alias.name)
    except ValidationError as error:
        raise ValidationError({"name": error.messages}) from error
    if alias.strategy not in Strategy.values:
        raise ValidationError({"strategy": [_("There is no such strategy.")]})
    twins = Alias.objects.filter(owner=alias.owner, name=alias.name).exclude(pk=alias.pk)
    if twins.exists():
        raise ValidationError({"name": [_("There is an alias of this name already.")]})
    alias.clean_fields()


def create_alias(
    *,
    actor: User,
    name: str,
    strategy: str = Strategy.ORDER,
    retries: int = 1,
    models: Sequence[int] = (),
    is_shared: bool = False,
    request: HttpRequest | None = None,
) -> Alias:
    """`models`: primary keys in the order in which they are tried. ValidationError by field."""
    if is_shared and not actor.is_admin:
        raise ValidationError({"is_shared": [_("Only administrators can share an alias.")]})
    owner = None if is_shared else actor
    alias = Alias(owner=owner, name=name.strip(), strategy=strategy, retries=retries)
    _check(alias)
    with transaction.atomic():
        alias.save()
        _set_models(alias, models)
        after = _snapshot(alias)
        audit(actor=actor, action="alias.create", target=alias, after=after, request=request)
    return alias


def change_alias(
    *,
    alias: Alias,
    actor: User,
    models: Sequence[int] | None = None,
    weights: dict[int, int] | None = None,
    request: HttpRequest | None = None,
    **changes: Any,
) -> Alias:
    """`models` replaces the whole list; `weights` by primary key of the model."""
    before = _snapshot(alias)
    for name in changes.keys() & set(FIELDS):
        setattr(alias, name, changes[name])
    alias.name = alias.name.strip()
    _check(alias)
    with transaction.atomic():
        alias.save()
        if models is not None:
            _set_models(alias, models)
        for model_pk, weight in (weights or {}).items():
            if not 1 <= weight <= 1000:
                raise ValidationError({"weights": [_("A weight is between 1 and 1000.")]})
            if not alias.members.filter(model_id=model_pk).update(weight=weight):
                raise ValidationError({"weights": [_("This model is not behind the alias.")]})
        audit(
            actor=actor,
            action="alias.update",
            target=alias,
            before=before,
            after=_snapshot(alias),
            request=request,
        )
    return alias


def delete_alias(*, alias: Alias, actor: User, request: HttpRequest | None = None) -> None:
    with transaction.atomic():
        audit(actor=actor, action="alias.delete", target=alias, request=request)
        alias.delete()


def usable_models(alias_owner: User | None) -> "Any":
    """Models that may stand behind an alias: everybody who uses it must be allowed to."""
    rows = ProviderModel.objects.usable().select_related("provider")
    if alias_owner is None:
        return rows.filter(provider__owner=None)
    return rows.for_user(alias_owner)


def uses_of(model: ProviderModel) -> frozenset[str]:
    """What the gateway can ask it for: chat, embedding, rerank; or the type that it has."""
    types = {model.main_type, *map(str, model.types or ())}
    found = types & (USES - {"chat"})
    if model.main_type not in NO_CHAT:
        found.add("chat")
    return frozenset(found or {model.main_type})


def common_uses(models: Sequence[ProviderModel]) -> frozenset[str]:
    """What all of them can be asked for; of no models, everything."""
    first, *rest = [uses_of(model) for model in models] or [USES]
    return first.intersection(*rest)


def _check_uses(models: Sequence[ProviderModel]) -> None:
    if common_uses(models):
        return
    pairs = ((a, b) for a, b in combinations(models, 2) if not uses_of(a) & uses_of(b))
    first, other = next(pairs, (models[0], models[-1]))
    text = _(
        "Behind one alias all models do the same: “%(first)s” is of the type %(first_type)s, "
        "“%(other)s” of the type %(other_type)s."
    )
    shown = {"first": first, "first_type": type_name(first.main_type)}
    shown |= {"other": other, "other_type": type_name(other.main_type)}
    raise ValidationError({"models": [text % shown]})


def shadowed_by(name: str, owner: User | None, viewer: User) -> list[str]:
    """What else has this name and is behind an alias of `owner` from then on, as `viewer` may
    know it: a sentence each."""
    found = []
    if owner is not None and Alias.objects.filter(owner=None, name=name).exists():
        found.append(
            _("There is an alias of this name for everyone; your programs get yours instead.")
        )
    rows = ProviderModel.objects.for_user(viewer).usable().filter(model_id=name)
    if owner is None:
        rows = rows.filter(provider__owner=None)
    for model in rows.select_related("provider")[:3]:
        text = _("A model has this id, too; programs reach it as “%(name)s” then.")
        found.append(text % {"name": model})
    return found


def _set_models(alias: Alias, models: Sequence[int]) -> None:
    wanted = list(dict.fromkeys(models))
    if len(wanted) > MEMBERS_MAX:
        text = _("An alias has at most %(count)d models.") % {"count": MEMBERS_MAX}
        raise ValidationError({"models": [text]})
    known = {model.pk: model for model in usable_models(alias.owner).filter(pk__in=wanted)}
    kept = {member.model_id: member for member in alias.members.select_related("model__provider")}
    if set(wanted) - known.keys() - kept.keys():
        raise ValidationError({"models": [_("There is no such model for everyone who uses it.")]})
    if set(wanted) - kept.keys():
        _check_uses([known.get(pk) or kept[pk].model for pk in wanted])
    alias.members.exclude(model_id__in=wanted).delete()
    for position, model_pk in enumerate(wanted):
        weight = kept[model_pk].weight if model_pk in kept else 1
        AliasMember.objects.update_or_create(
            alias=alias, model_id=model_pk, defaults={"position": position, "weight": weight}
        )
