"""Taking the last refresh of a model list back.

`Provider.undo` holds what it did: {"at": ISO time, "added": [pk], "missing": [pk],
"changed": [{"pk", "before": {field: value}, "is_back"}]}.
"""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest as PageRequest
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from providers.changes import announce_models
from providers.models import AliasMember, CallRecord, Provider, ProviderModel


def undo_refresh(*, provider: Provider, actor: User, request: PageRequest | None = None) -> int:
    """How many models are as they were before. What a person edited since, stays; a new model that
    somebody uses already is only taken off the list. ValidationError where there is nothing."""
    with transaction.atomic():
        # Once, however many ask for it.
        done = Provider.objects.select_for_update().get(pk=provider.pk).undo
        if not done:
            raise ValidationError(_("There is no refresh to undo."))
        Provider.objects.filter(pk=provider.pk).update(undo={})
        count = _take_back(provider, done)
        audit(
            actor=actor,
            action="provider.undo_refresh",
            target=provider,
            after={"models": count},
            request=request,
        )
    announce_models()
    provider.undo = {}
    return count


def undoable_at(provider: Provider) -> Any:
    """When the refresh that can be undone was; None where there is none."""
    return parse_datetime(provider.undo["at"]) if provider.undo else None


def _take_back(provider: Provider, done: dict[str, Any]) -> int:
    models = {model.pk: model for model in provider.models.all()}
    for change in done["changed"]:
        model = models.get(change["pk"])
        if model is not None:
            _restore(model, change["before"], is_back=change["is_back"])
    ProviderModel.objects.filter(pk__in=done["missing"], provider=provider).update(
        missing_since=None
    )
    _remove([models[pk] for pk in done["added"] if pk in models])
    return sum(len(done[name]) for name in ("added", "changed", "missing"))


def _restore(model: ProviderModel, before: dict[str, Any], *, is_back: bool) -> None:
    values = {name: value for name, value in before.items() if name not in model.edited}
    if "types" in model.edited:
        values = {n: v for n, v in values.items() if n not in ("main_type", "type_evidence")}
    if is_back:
        values["missing_since"] = timezone.now()
    if values:
        ProviderModel.objects.filter(pk=model.pk).update(**values)


def _remove(added: list[ProviderModel]) -> None:
    pks = [model.pk for model in added]
    used: set[Any] = set(AliasMember.objects.filter(model__in=pks).values_list("model", flat=True))
    used |= set(CallRecord.objects.filter(model__in=pks).values_list("model", flat=True))
    used |= {model.pk for model in added if model.edited or model.own_prices.exists()}
    ProviderModel.objects.filter(pk__in=used).update(missing_since=timezone.now())
    ProviderModel.objects.filter(pk__in=set(pks) - used).delete()
