"""API: labels of `training/models/{id}`."""

from typing import Any

from django.http import HttpRequest
from ninja import Router

from accounts.access import current_user, owned_or_404
from llmplatform.errors import ApiError
from training import labels
from training.errors import StateConflict
from training.models import LabelWaiver, ModelVersion
from training.registry_schemas import (
    GateOut,
    LabelIn,
    LabelMoveOut,
    RollbackIn,
    WaiverIn,
    WaiverOut,
)
from training.routes import PRODUCTION
from training.schemas import ModelVersionOut

labels_router = Router(tags=["Training"])


def _version(request: HttpRequest, version_id: int) -> ModelVersion:
    return owned_or_404(ModelVersion.objects.for_user(current_user(request)), pk=version_id)


def _conflict(error: StateConflict) -> ApiError:
    return ApiError(409, "conflict", error.message)


@labels_router.get("{version_id}/gate", response=GateOut)
def get_gate(request: HttpRequest, version_id: int, label: str = PRODUCTION) -> Any:
    """Whether it may have the label, and what stands against it."""
    version, label = _version(request, version_id), labels.checked_label(label)
    return {"label": label, "problems": labels.standing_against(version, label)}


@labels_router.post("{version_id}/labels", response=ModelVersionOut)
def move_label(request: HttpRequest, version_id: int, body: LabelIn) -> ModelVersion:
    """Take the label from whichever version has it. 409 with code `label_blocked` and the reasons
    where checks stand against it and no administrator decides otherwise."""
    version = _version(request, version_id)
    try:
        labels.move_label(
            version=version, actor=current_user(request), request=request, **body.model_dump()
        )
    except labels.LabelBlocked as error:
        reasons = [problem.text for problem in error.problems]
        message = labels.blocked_message(error)
        raise ApiError(409, "label_blocked", message, {"label": reasons}) from error
    except StateConflict as error:
        raise _conflict(error) from error
    return _version(request, version_id)


@labels_router.delete("{version_id}/labels", response=ModelVersionOut)
def take_label(request: HttpRequest, version_id: int, label: str = "") -> ModelVersion:
    version = _version(request, version_id)
    try:
        labels.take_label(
            version=version, label=label, actor=current_user(request), request=request
        )
    except StateConflict as error:
        raise _conflict(error) from error
    return _version(request, version_id)


@labels_router.post("{version_id}/rollback", response=ModelVersionOut)
def roll_back(request: HttpRequest, version_id: int, body: RollbackIn) -> ModelVersion:
    """The version that had this label before has it again; answers with that one."""
    version = _version(request, version_id)
    if version.family is None:
        raise _conflict(StateConflict("rollback", "none"))
    try:
        return labels.roll_back(
            family=version.family, label=body.label, actor=current_user(request), request=request
        )
    except StateConflict as error:
        raise _conflict(error) from error


@labels_router.get("{version_id}/label-moves", response=list[LabelMoveOut])
def list_moves(request: HttpRequest, version_id: int) -> Any:
    """How the labels of its model went, newest first; the last hundred."""
    version = _version(request, version_id)
    return labels.moves_of(version)[:100]


@labels_router.post("{version_id}/waivers", response={201: WaiverOut})
def waive(request: HttpRequest, version_id: int, body: WaiverIn) -> tuple[int, LabelWaiver]:
    """An administrator's exception for anybody's version; its owner can then move the label."""
    actor = current_user(request)
    mine = ModelVersion.objects.all() if actor.is_admin else ModelVersion.objects.for_user(actor)
    version = owned_or_404(mine, pk=version_id)
    if not actor.is_admin:
        raise ApiError(403, "forbidden", labels.admins_only_message())
    return 201, labels.waive(version=version, actor=actor, request=request, **body.model_dump())
