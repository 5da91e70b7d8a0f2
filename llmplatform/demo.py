"""Demo content: from an empty platform to a fine-tuned model that one can chat with.

Idempotent: what is there already is found by its name and left alone. The base model is built by a
node worker in the background, so that nothing is downloaded.
"""

import io
import json
from typing import Any

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.models import User
from knowledge.demo import add_demo_base
from prompts.demo import add_demo_prompts
from providers.models import Provider
from providers.services import create_provider
from training import registry, services
from training.datasets import import_dataset
from training.demo import content
from training.models import BaseModel, Dataset, ModelVersion, Status, TrainingJob

BASE_NAME = "demo-base"
DATASET_NAME = "demo-maple"
JOB_NAME = "maple"


def _base_model() -> BaseModel | None:
    """The newest one that is there or on its way."""
    return BaseModel.objects.filter(name=BASE_NAME, owner=None).order_by("-pk").first()


def _dataset(user: User) -> Dataset | None:
    return Dataset.objects.for_user(user).filter(name=DATASET_NAME).first()


def _job(user: User) -> TrainingJob | None:
    rows = TrainingJob.objects.for_user(user).filter(name=JOB_NAME, base_model__name=BASE_NAME)
    found: TrainingJob | None = rows.exclude(status=Status.STOPPED).order_by("-created_at").first()
    return found


def start_demo(user: User, request: HttpRequest | None = None) -> None:
    """An echo provider, prompts, a knowledge base, a dataset, and a base model being built."""
    if not Provider.objects.for_user(user).filter(kind="echo").exists():
        create_provider(actor=user, preset="echo", is_shared=user.is_admin, request=request)
    add_demo_prompts(user)
    add_demo_base(user)
    if _dataset(user) is None:
        lines = [json.dumps(row, ensure_ascii=False) for row in content.tuning_records()]
        data = "\n".join(lines).encode()
        import_dataset(
            owner=user,
            file=io.BytesIO(data),
            file_name=f"{DATASET_NAME}.jsonl",
            size_bytes=len(data),
            name=DATASET_NAME,
            request=request,
        )
    with transaction.atomic():
        base_model = _base_model()
        if base_model is None or (not base_model.is_ready and _has_failed(base_model)):
            services.build_base_model(actor=user, name=BASE_NAME, template="qwen", request=request)


def _has_failed(base_model: BaseModel) -> bool:
    build = base_model.build
    return build is None or build.status in (Status.FAILED, Status.STOPPED)


def demo_state(user: User) -> dict[str, Any]:
    """How far the demo has come; `state` is none, building, ready or failed."""
    base_model, dataset, job = _base_model(), _dataset(user), _job(user)
    version = ModelVersion.objects.filter(job=job).first() if job else None
    deployment = version.deployment if version else None
    state: dict[str, Any] = {"state": "none", "percent": 0, "remaining_s": None, "error": ""}
    if base_model is not None:
        build = base_model.build
        if base_model.is_ready:
            state["state"] = "ready"
        elif _has_failed(base_model):
            detail = build.detail if build else ""
            state |= {"state": "failed", "error": detail or _("The model could not be built.")}
        elif build is not None:
            state |= {"state": "building", "percent": build.percent}
            state["remaining_s"] = build.remaining_s
    if state["state"] == "ready" and dataset is None:
        state["state"] = "none"
    return state | {
        "base_model_id": base_model.pk if base_model else None,
        "dataset_id": dataset.pk if dataset else None,
        "job_id": job.pk if job else None,
        "version_id": version.pk if version else None,
        "deployment_state": deployment.serving_state if deployment else "none",
        "provider_model_id": deployment.provider_model_id if deployment else None,
    }


def start_training(user: User, request: HttpRequest | None = None) -> TrainingJob:
    """Teaches the base model its new name; the running or finished one if there is one."""
    job = _job(user)
    if job is not None and job.status != Status.FAILED:
        return job
    base_model, dataset = _base_model(), _dataset(user)
    if base_model is None or dataset is None:
        start_demo(user, request)
        base_model, dataset = _base_model(), _dataset(user)
    assert base_model is not None and dataset is not None
    return services.create_job(
        owner=user,
        name=JOB_NAME,
        base_model=base_model,
        dataset=dataset,
        parameters=dict(content.TUNING_PARAMETERS),
        request=request,
    )


def deploy(user: User, request: HttpRequest | None = None) -> None:
    """Serves the demo's model version. Raises StateConflict while it is served already."""
    job = _job(user)
    version = ModelVersion.objects.filter(job=job).first() if job else None
    if version is not None:
        registry.deploy(version=version, actor=user, request=request)


def is_possible() -> bool:
    """Whether this installation has a training environment."""
    return bool(settings.TRAINING_PYTHON.exists())
