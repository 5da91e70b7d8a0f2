"""Model versions: registered by a training's success, served by a deployment."""

import json
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from training import dispatch, lifecycle, llamafactory, parity, routes, serving, vision
from training.errors import StateConflict
from training.models import (
    BaseModel,
    Deployment,
    Desired,
    Engine,
    Method,
    ModelVersion,
    Stage,
    Status,
    TrainingJob,
    Workload,
)
from training.weights import context_tokens_of, count_parameters, licence_of, size_of

SHOWN_METRICS = ("train_loss", "loss", "eval_loss", "train_runtime_s")


def register_version(job: TrainingJob) -> ModelVersion:
    """The result of `job`, with everything that it came from."""
    path = Path(job.output_path)
    version, _created = ModelVersion.objects.get_or_create(
        job=job,
        defaults={
            "owner": job.owner,
            "base_model": job.base_model,
            "parent": job.start_version,
            "node": job.node,
            "name": job.name,
            "path": str(path),
            "is_adapter": job.method in (Method.LORA, Method.QLORA),
            "template": llamafactory.template_of(job.base_model, job.parameters) or "",
            "size_bytes": size_of(path),
            "metrics": {n: job.summary[n] for n in SHOWN_METRICS if job.summary.get(n) is not None},
            "lineage": _lineage(job),
        },
    )
    audit(actor=job.owner, action="model.register", target=version)
    return version


def _lineage(job: TrainingJob) -> dict[str, Any]:
    return {
        "base_model": job.base_model.name,
        "base_location": job.base_model.location,
        "dataset": str(job.dataset),
        "dataset_id": job.dataset_id,
        "dataset_sha256": job.dataset.sha256,
        "dataset_records": job.dataset.records,
        **({"eval_dataset": str(job.eval_dataset)} if job.eval_dataset else {}),
        **({"kept_step": job.summary["kept_step"]} if "kept_step" in job.summary else {}),
        "stage": job.stage,
        "method": job.method,
        "parameters": job.parameters,
        "versions": job.facts.get("versions", {}),
    }


def inspect_base_model(base_model: BaseModel) -> None:
    """Read what the files tell: architecture, size, parameters, context, licence."""
    folder = Path(base_model.path)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    names = config.get("architectures") or [""]
    base_model.architecture = str(names[0])[:100]
    base_model.context_tokens = context_tokens_of(config)
    base_model.parameters = count_parameters(folder)
    base_model.size_bytes = size_of(folder)
    base_model.licence = licence_of(folder)
    base_model.is_ready = True
    base_model.save()


def deploy(
    *,
    version: ModelVersion,
    actor: User,
    name: str = "",
    engine: str = Engine.HUGGINGFACE,
    concurrency: int = 1,
    sleep_minutes: int = 0,
    replicas: int = 1,
    request: HttpRequest | None = None,
) -> Deployment:
    """Serve `version`; it becomes a provider model of its owner once it answers. Several
    `replicas`, each on another node where there is one, all answer under its name.

    `sleep_minutes` without a request put it to sleep; 0: never. Raises StateConflict while another
    deployment of it is there, ValidationError keyed by field.
    """
    serving.check_options(
        engine=engine, concurrency=concurrency, sleep_minutes=sleep_minutes, replicas=replicas
    )
    if version.lineage.get("stage") == Stage.RM:
        why = _("A reward model scores answers; it cannot be served to give them.")
        raise StateConflict("deploy", "reward model", why)
    made = [
        Deployment(
            version=version,
            owner=version.owner,
            name=(name.strip() or version.name)[:100],
            node=version.node,
            engine=engine,
            concurrency=concurrency,
            sleep_minutes=sleep_minutes,
        )
    ]
    made += [_replica(made[0]) for _number in range(replicas - 1)]
    with transaction.atomic():
        current = ModelVersion.objects.select_for_update().get(pk=version.pk).deployment
        if current is not None and not current.is_final:
            raise StateConflict("deploy", current.serving_state)
        _queue(made)
        after = {"replicas": replicas} if replicas > 1 else {}
        audit(actor=actor, action="model.deploy", target=version, after=after, request=request)
    return made[0]


def _replica(first: Deployment) -> Deployment:
    """One more like it."""
    alike = ("version", "owner", "name", "engine", "concurrency", "sleep_minutes")
    same = {name: getattr(first, name) for name in alike}
    return Deployment(replica_of=first, node=first.version.node, **same)


def _queue(rows: Iterable[Deployment]) -> None:
    for row in rows:
        row.desired, row.queued_at = Desired.RUN, timezone.now()
        row.set_key(secrets.token_urlsafe(32))
        row.save()
    dispatch.look_at_queue()


def scale(
    *, version: ModelVersion, replicas: int, actor: User, request: HttpRequest | None = None
) -> Deployment:
    """As many replicas as that answer its name from now on: new ones start, the last ones stop; one
    that failed for good is replaced. Raises StateConflict where it is not deployed,
    ValidationError keyed by field."""
    serving.check_replicas(replicas)
    with transaction.atomic():
        current = ModelVersion.objects.select_for_update().get(pk=version.pk).deployment
        if current is None or current.is_final:
            raise StateConflict("scale", "none")
        rows = [row for row in current.group().unfinished() if row.desired == Desired.RUN]
        if not rows:
            raise StateConflict("scale", current.serving_state)
        _end(rows[replicas:])
        first = current.replica_of or current
        _queue([_replica(first) for _number in range(replicas - len(rows))])
        before, after = {"replicas": len(rows)}, {"replicas": replicas}
        audit(
            actor=actor,
            action="model.scale",
            target=version,
            before=before,
            after=after,
            request=request,
        )
    return current


def undeploy(*, version: ModelVersion, actor: User, request: HttpRequest | None = None) -> None:
    """Raises StateConflict when it is not deployed."""
    current = version.deployment
    if current is None or current.is_final:
        raise StateConflict("undeploy", "none")
    with transaction.atomic():
        _end(list(current.group().unfinished()))
        audit(actor=actor, action="model.undeploy", target=version, request=request)


def _end(rows: Sequence[Deployment]) -> None:
    """Gone from every list at once; the processes follow. The first goes last, or what calls it
    would see one replica after another take its place."""
    for row in reversed(rows):
        withdraw(row)
        lifecycle.stop_waiting(row) or lifecycle.ask(row, Desired.STOP)


def publish(deployment: Deployment) -> None:
    """Its model appears among its owner's, once; after a restart it may have moved."""
    rows = Deployment.objects.select_related(
        *("version__job__dataset", "version__base_model", "version__family"),
        *("provider_model", "node"),
    )
    row = rows.get(pk=deployment.pk)
    if row.status not in (Status.PREPARING, Status.RUNNING) or row.desired == Desired.STOP:
        return
    from providers.services import move_model, publish_model  # only deployments need it

    url = f"{row.endpoint}/v1"
    if row.provider_model is not None:
        move_model(row.provider_model, url)
    else:
        model = publish_model(
            name=row.name,
            base_url=url,
            api_key=row.key,
            model_id=row.name,
            owner=row.owner,
            model_type="embedding" if row.engine == Engine.EMBEDDING else "chat",
            sees=row.engine != Engine.EMBEDDING and vision.is_seeing(row.version),
        )
        Deployment.objects.filter(pk=row.pk).update(provider_model=model)
        if row.replica_of_id is None and parity.is_possible(row.version):
            parity.begin(deployment=row)
    _stand_together(row)
    if row.version.family is not None:
        routes.follow(row.version.family)


def withdraw(deployment: Workload) -> None:
    from providers.services import withdraw_model

    row = Deployment.objects.select_related("provider_model").get(pk=deployment.pk)
    if row.provider_model is not None:
        withdraw_model(row.provider_model)
        _stand_together(row)
    if row.version.family is not None:
        routes.follow(row.version.family)


def _stand_together(row: Deployment) -> None:
    """Those of its group that answer, first of all the one whose name they have."""
    from providers.services import stand_together

    rows = row.group().active().exclude(provider_model=None).select_related("provider_model")
    stand_together([each.provider_model for each in rows if each.provider_model is not None])
