"""Ways of training that people keep: made from the form, private or shared with everyone."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from llmplatform.text import validate_name
from training import arguments
from training.models import BaseModel, JobTemplate, Method, Stage


def create_template(
    *,
    owner: User,
    name: str,
    stage: str,
    method: str,
    parameters: Mapping[str, Any],
    base_model: BaseModel | None = None,
    is_shared: bool = False,
    request: HttpRequest | None = None,
) -> JobTemplate:
    """ValidationError keyed by field; of the name as `template_name`."""
    name = _free_name(owner, name)
    if stage not in Stage.values:
        raise ValidationError({"stage": [_("There is no such stage.")]})
    if method not in Method.values:
        raise ValidationError({"method": [_("There is no such method.")]})
    template = JobTemplate(
        owner=owner,
        name=name,
        stage=stage,
        method=method,
        parameters=arguments.clean(parameters, stage=stage, method=method),
        base_model=base_model,
        is_shared=is_shared,
    )
    with transaction.atomic():
        template.save()
        after = {"name": name, "is_shared": is_shared}
        audit(
            actor=owner, action="job_template.create", target=template, after=after, request=request
        )
    return template


def _free_name(owner: User, name: str, own: JobTemplate | None = None) -> str:
    name = name.strip()
    if not name:
        raise ValidationError({"template_name": [_("Give it a name.")]})
    try:
        validate_name(name)
    except ValidationError as error:
        raise ValidationError({"template_name": error.messages}) from error
    if len(name) > 100:
        text = _("The name is longer than 100 characters.")
        raise ValidationError({"template_name": [text]})
    others = JobTemplate.objects.of_user(owner).filter(name=name)
    if own is not None:
        others = others.exclude(pk=own.pk)
    if others.exists():
        text = _("You already have a template of this name.")
        raise ValidationError({"template_name": [text]})
    return name


def change_template(
    *,
    template: JobTemplate,
    actor: User,
    name: str | None = None,
    is_shared: bool | None = None,
    request: HttpRequest | None = None,
) -> JobTemplate:
    """None leaves it as it is. ValidationError keyed by field."""
    before = {"name": template.name, "is_shared": template.is_shared}
    if name is not None:
        template.name = _free_name(template.owner, name, template)
    if is_shared is not None:
        template.is_shared = is_shared
    after = {"name": template.name, "is_shared": template.is_shared}
    with transaction.atomic():
        template.save(update_fields=["name", "is_shared"])
        audit(
            actor=actor,
            action="job_template.update",
            target=template,
            before=before,
            after=after,
            request=request,
        )
    return template


def delete_template(
    *, template: JobTemplate, actor: User, request: HttpRequest | None = None
) -> None:
    """Trainings made from it keep what they took."""
    with transaction.atomic():
        audit(actor=actor, action="job_template.delete", target=template, request=request)
        template.delete()


def initial_of(template: JobTemplate, user: User) -> dict[str, Any]:
    """For the form; the base model only if this person may use it."""
    found = {"stage": template.stage, "method": template.method, **template.parameters}
    models = BaseModel.objects.for_user(user).ready().filter(pk=template.base_model_id)
    return found | ({"base_model": template.base_model_id} if models.exists() else {})
