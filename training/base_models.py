"""Base models: a folder that is here, or one that a hub has; tokens for hubs."""

import re
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
from llmplatform.text import enumerated
from training import dispatch, lifecycle
from training.chat_templates import TEMPLATES
from training.errors import StateConflict
from training.models import BaseModel, Desired, Hub, HubToken, ModelFetch
from training.names import checked_name
from training.refusals import refusal_text
from training.registry import inspect_base_model
from training.runner.model_files import Refused, check_folder

HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")
# Where downloads go, below the first root.
HUB = "hub"
TOKEN = re.compile(r"[\x21-\x7e]{8,400}")


def roots() -> list[Path]:
    return [Path(root).resolve() for root in settings.BASE_MODEL_ROOTS]


def checked_folder(path: str) -> Path:
    """Links resolved. ValidationError keyed by "path" unless it is a model in an allowed place."""
    try:
        resolved = Path(path).expanduser().resolve()
        is_folder = resolved.is_dir()
    except (OSError, RuntimeError, ValueError) as error:
        raise ValidationError({"path": [_("This is no path.")]}) from error
    if not any(resolved.is_relative_to(root) for root in roots()):
        shown = enumerated(str(root) for root in roots())
        text = _("Models are loaded from these folders only: %(roots)s")
        raise ValidationError({"path": [text % {"roots": shown}]})
    if not is_folder:
        raise ValidationError({"path": [_("There is no such folder.")]})
    try:
        check_folder(resolved, roots())
    except Refused as error:
        raise ValidationError({"path": [refusal_text(error.code, error.name)]}) from error
    except OSError as error:
        raise ValidationError({"path": [_("The folder cannot be read.")]}) from error
    return resolved


def _check_hub(hub_id: str, hub: str, revision: str) -> None:
    if hub not in Hub.values:
        raise ValidationError({"hub": [_("There is no such hub.")]})
    if not HUB_ID.fullmatch(hub_id):
        raise ValidationError({"hub_id": [_("A hub id looks like Qwen/Qwen3-8B.")]})
    if revision and (not REVISION.fullmatch(revision) or ".." in revision):
        text = _("A revision is the name of a branch, a tag or a commit.")
        raise ValidationError({"revision": [text]})


def register_base_model(
    *,
    actor: User,
    name: str,
    path: str = "",
    hub_id: str = "",
    hub: str = Hub.HUGGING_FACE,
    revision: str = "",
    template: str = "",
    is_shared: bool = False,
    request: HttpRequest | None = None,
) -> BaseModel:
    """A folder, which is ready at once, or an id of a hub, whose download begins.

    ValidationError keyed by field.
    """
    if bool(path) == bool(hub_id):
        raise ValidationError({"path": [_("Give a path or a hub id.")]})
    if is_shared and not actor.is_admin:
        raise ValidationError({"is_shared": [_("Only administrators can share a model.")]})
    if template and template not in TEMPLATES:
        raise ValidationError({"template": [_("There is no such chat template.")]})
    if hub_id:
        _check_hub(hub_id, hub or Hub.HUGGING_FACE, revision)
    base_model = BaseModel(
        owner=None if is_shared else actor,
        name=checked_name(name),
        hub_id=hub_id,
        hub=hub or Hub.HUGGING_FACE,
        revision=revision if hub_id else "",
        template=template,
        is_ready=bool(path),
    )
    if path:
        base_model.path = str(checked_folder(path))
        _check_it_is_nobodys(Path(base_model.path), actor)
    with transaction.atomic():
        base_model.save()
        audit(actor=actor, action="base_model.create", target=base_model, request=request)
        if path:
            inspect_base_model(base_model)
        else:
            _enqueue_fetch(base_model, actor)
    return base_model


def _check_it_is_nobodys(folder: Path, actor: User) -> None:
    """A download may be of a model that only its owner has been let in to."""
    if actor.is_admin:
        return
    others = BaseModel.objects.exclude(owner=None).exclude(owner=actor)
    if folder.is_relative_to(roots()[0] / HUB) or others.filter(path=str(folder)).exists():
        raise ValidationError({"path": [_("There is no such folder.")]})


def fetched_folder(base_model: BaseModel) -> Path:
    """Where its download goes; each model has its own, since not everybody may see each."""
    slug = re.sub(r"[^A-Za-z0-9._-]+", "--", base_model.hub_id)
    return roots()[0] / HUB / f"{base_model.pk}-{slug}"


def _enqueue_fetch(base_model: BaseModel, actor: User) -> ModelFetch:
    fetch = ModelFetch(
        owner=actor,
        name=base_model.name,
        base_model=base_model,
        desired=Desired.RUN,
        queued_at=timezone.now(),
    )
    fetch.save()
    dispatch.look_at_queue()
    return fetch


def start_fetch(
    *, base_model: BaseModel, actor: User, request: HttpRequest | None = None
) -> ModelFetch:
    """Go on where the last download ended. Raises StateConflict."""
    with transaction.atomic():
        base_model = BaseModel.objects.select_for_update().get(pk=base_model.pk)
        current = base_model.fetch
        if not base_model.hub_id or base_model.is_ready:
            raise StateConflict("download", "ready")
        if current is not None and not current.is_final:
            raise StateConflict("download", current.state)
        fetch = _enqueue_fetch(base_model, actor)
        audit(actor=actor, action="base_model.download", target=base_model, request=request)
    return fetch


def cancel(*, base_model: BaseModel, actor: User, request: HttpRequest | None = None) -> None:
    """Its download, of which what has arrived is kept for another try, or its making. Raises
    StateConflict."""
    current = base_model.fetch or base_model.build
    if current is None:
        raise StateConflict("cancel", "none")
    with transaction.atomic():
        if not (lifecycle.stop_waiting(current) or lifecycle.ask(current, Desired.STOP)):
            current.refresh_from_db()
            raise StateConflict("cancel", current.state)
        audit(actor=actor, action="base_model.cancel", target=base_model, request=request)
        dispatch.reconcile(current)


def change_base_model(
    *,
    base_model: BaseModel,
    actor: User,
    name: str,
    template: str,
    request: HttpRequest | None = None,
) -> None:
    """ValidationError keyed by field."""
    if template and template not in TEMPLATES:
        raise ValidationError({"template": [_("There is no such chat template.")]})
    before = {"name": base_model.name, "template": base_model.template}
    base_model.name, base_model.template = checked_name(name), template
    with transaction.atomic():
        base_model.save(update_fields=["name", "template"])
        audit(
            actor=actor,
            action="base_model.update",
            target=base_model,
            before=before,
            after={"name": base_model.name, "template": template},
            request=request,
        )


def delete_base_model(
    *, base_model: BaseModel, actor: User, request: HttpRequest | None = None
) -> None:
    """Files that a download brought go with it; a folder of yours stays. Raises StateConflict
    while something runs on it, or trainings, sweeps or adapters need it."""
    running = base_model.fetches.unfinished().exists() or base_model.builds.unfinished().exists()
    adapters = base_model.versions.filter(is_adapter=True, archived_at=None)
    named = base_model.jobs.exists() or base_model.sweeps.exists()
    if running or named or adapters.exists():
        raise StateConflict("delete", "in_use")
    folder = fetched_folder(base_model)
    with transaction.atomic():
        audit(actor=actor, action="base_model.delete", target=base_model, request=request)
        is_fetched = bool(base_model.hub_id)
        base_model.delete()
        if is_fetched:
            transaction.on_commit(lambda: _remove(folder))


def _remove(folder: Path) -> None:
    for each in (folder, *folder.parent.glob(f".{folder.name}.*")):
        shutil.rmtree(each, ignore_errors=True)


def set_hub_token(
    *, owner: User, hub: str, token: str, request: HttpRequest | None = None
) -> HubToken:
    """For all downloads of this person from now on. ValidationError keyed by field."""
    if hub not in Hub.values:
        raise ValidationError({"hub": [_("There is no such hub.")]})
    token = token.strip()
    if not TOKEN.fullmatch(token):
        raise ValidationError({"token": [_("A token is one word of at least 8 characters.")]})
    with transaction.atomic():
        row = HubToken.objects.filter(owner=owner, hub=hub).first()
        row = row or HubToken(owner=owner, hub=hub)
        row.set_token(token)
        row.changed_at = timezone.now()
        row.save()
        audit(actor=owner, action="hub_token.set", target=row, request=request)
    return row


def forget_hub_token(*, owner: User, hub: str, request: HttpRequest | None = None) -> bool:
    """Whether there was one."""
    with transaction.atomic():
        row = HubToken.objects.filter(owner=owner, hub=hub).first()
        if row is None:
            return False
        audit(actor=owner, action="hub_token.delete", target=row, request=request)
        row.delete()
    return True


def hub_token(owner: User, hub: str) -> str:
    """The person's own, else the platform's; empty for none."""
    row = HubToken.objects.filter(owner=owner, hub=hub).first()
    if row is not None:
        return row.token
    platform = {Hub.HUGGING_FACE: settings.HF_TOKEN, Hub.MODELSCOPE: settings.MODELSCOPE_API_TOKEN}
    return str(platform[Hub(hub)])
