"""Serving a base model as it is: to chat with it, or for the vectors of an embedding model."""

import json
from pathlib import Path

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.models import User
from training import registry
from training.models import BaseModel, Deployment, Engine, ModelVersion

# Files that sentence-transformers leaves in the folder of an embedding model.
EMBEDDING_FILES = ("modules.json", "1_Pooling/config.json")
GENERATES = ("CausalLM", "ConditionalGeneration")


def is_embedding(base_model: BaseModel) -> bool:
    folder = Path(base_model.path)
    if any((folder / name).is_file() for name in EMBEDDING_FILES):
        return True
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    names = [str(name) for name in config.get("architectures") or []]
    return bool(names) and not any(word in name for name in names for word in GENERATES)


def as_version(base_model: BaseModel, owner: User) -> ModelVersion:
    """The base model among the versions of `owner`, once. ValidationError unless it is ready."""
    if not base_model.is_ready or not base_model.path or not Path(base_model.path).is_dir():
        raise ValidationError({"base_model": [_("This model is not ready yet.")]})
    rows = ModelVersion.objects.filter(owner=owner, job=None, base_model=base_model)
    found = rows.filter(path=base_model.path).first()
    if found is not None:
        return found
    return ModelVersion.objects.create(
        owner=owner,
        base_model=base_model,
        name=base_model.name,
        path=base_model.path,
        is_adapter=False,
        template=base_model.template,
        size_bytes=base_model.size_bytes or 0,
        lineage={"base_model": base_model.name, "base_location": base_model.location},
    )


def deploy(
    *,
    base_model: BaseModel,
    actor: User,
    name: str = "",
    concurrency: int = 1,
    sleep_minutes: int = 0,
    replicas: int = 1,
    request: HttpRequest | None = None,
) -> Deployment:
    """Raises StateConflict while it is served, ValidationError keyed by field."""
    return registry.deploy(
        version=as_version(base_model, actor),
        actor=actor,
        name=name,
        engine=Engine.EMBEDDING if is_embedding(base_model) else Engine.HUGGINGFACE,
        concurrency=concurrency,
        sleep_minutes=sleep_minutes,
        replicas=replicas,
        request=request,
    )
