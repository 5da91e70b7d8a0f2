"""Exports: a version as a whole model, as files for other programs or to train on from."""

import shutil
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from training import dispatch, lifecycle
from training.errors import StateConflict
from training.models import BaseModel, Desired, ExportFormat, ModelExport, ModelVersion
from training.names import checked_name
from training.registry import inspect_base_model


def available_formats() -> list[tuple[str, str]]:
    """GGUF only where the operator has named a converter."""
    return [
        (value, str(label))
        for value, label in ExportFormat.choices
        if value != ExportFormat.GGUF or settings.GGUF_CONVERTER
    ]


def start_export(
    *, version: ModelVersion, format: str, actor: User, request: HttpRequest | None = None
) -> ModelExport:
    """Raises StateConflict while one of this format is being made; ValidationError by field."""
    if format not in ExportFormat.values:
        raise ValidationError({"format": [_("There is no such format.")]})
    if format not in dict(available_formats()):
        text = _(
            "GGUF needs the converter of llama.cpp, which this installation has not been given "
            "(GGUF_CONVERTER)."
        )
        raise ValidationError({"format": [text]})
    export = ModelExport(
        owner=version.owner,
        name=version.title[:100],
        version=version,
        format=format,
        node=version.node,
        desired=Desired.RUN,
        queued_at=timezone.now(),
    )
    with transaction.atomic():
        ModelVersion.objects.select_for_update().get(pk=version.pk)
        if version.exports.filter(format=format).unfinished().exists():
            raise StateConflict("export", "running")
        export.save()
        after = {"format": format}
        audit(actor=actor, action="model.export", target=version, after=after, request=request)
        dispatch.look_at_queue()
    return export


def stop_export(*, export: ModelExport, actor: User, request: HttpRequest | None = None) -> None:
    """Raises StateConflict when it has ended."""
    with transaction.atomic():
        if not (lifecycle.stop_waiting(export) or lifecycle.ask(export, Desired.STOP)):
            raise StateConflict("stop", export.state)
        audit(actor=actor, action="export.stop", target=export, request=request)
        dispatch.reconcile(export)


def delete_export(*, export: ModelExport, actor: User, request: HttpRequest | None = None) -> None:
    """With its files. Raises StateConflict while it runs, or a base model lives on them."""
    is_used = bool(export.path) and BaseModel.objects.filter(path=export.path).exists()
    if not export.is_final or is_used:
        raise StateConflict("delete", export.state)
    folder = export.folder
    with transaction.atomic():
        audit(actor=actor, action="export.delete", target=export, request=request)
        export.delete()
        transaction.on_commit(lambda: shutil.rmtree(folder, ignore_errors=True))


def register_as_base(
    *, export: ModelExport, name: str, actor: User, request: HttpRequest | None = None
) -> BaseModel:
    """A base model of its owner's, so that a training can start from it. Raises StateConflict
    unless it is a merged model whose files are here."""
    if export.format != ExportFormat.MERGED or not export.is_here:
        raise StateConflict("register", export.state)
    version = export.version
    base_model = BaseModel(
        owner=version.owner,
        name=checked_name(name or version.title),
        path=str(Path(export.path)),
        template=version.template,
        source_version=version,
    )
    with transaction.atomic():
        base_model.save()
        inspect_base_model(base_model)
        audit(actor=actor, action="base_model.create", target=base_model, request=request)
    return base_model
