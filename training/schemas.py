"""What the training API reads and writes."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.urls import reverse
from pydantic import Field

from llmplatform.schemas import Amount, Answer, Name, Schema, Str
from training.boards import has_board
from training.models import (
    BaseModel,
    Forecast,
    Method,
    ModelFetch,
    ModelVersion,
    Stage,
    Strategy,
    TrainingJob,
    Workload,
)
from training.refusals import explained
from training.scheduling import Place, queue


class BaseModelIn(Schema):
    name: Name
    path: Str = Field("", max_length=500)
    hub_id: Str = Field("", max_length=200, description="Its download begins at once.")
    hub: Str = Field("huggingface", max_length=20, description="huggingface or modelscope.")
    revision: Str = Field("", max_length=100, description="A branch, a tag or a commit.")
    template: Str = Field("", max_length=60)
    is_shared: bool = False


class BaseModelChange(Schema):
    name: Name | None = None
    template: Str | None = Field(None, max_length=60)


class HubTokenIn(Schema):
    token: Str = Field(max_length=400, description="Never shown again.")


class HubTokenOut(Answer):
    hub: str
    hint: str = Field(description="The last four characters.")
    changed_at: datetime


class JobError(Answer):
    code: str
    message: str
    detail: str


def workload_error(work: Workload) -> dict[str, str] | None:
    """With the code of the runner's own refusal where there is one."""
    if not work.reason:
        return None
    said = explained(work.detail)
    code = work.detail.partition(":")[0] if said else work.reason
    return {"code": code, "message": said or work.get_reason_display(), "detail": work.detail}


class DownloadOut(Answer):
    id: UUID
    status: str
    received_bytes: int
    total_bytes: int
    remaining_s: int | None
    node: str | None
    error: JobError | None

    @staticmethod
    def resolve_status(fetch: ModelFetch) -> str:
        return str(fetch.state)

    @staticmethod
    def resolve_node(fetch: ModelFetch) -> str | None:
        return fetch.node.name if fetch.node else None

    @staticmethod
    def resolve_error(fetch: ModelFetch) -> dict[str, str] | None:
        return workload_error(fetch)


class BaseModelOut(Answer):
    id: int
    name: str
    path: str
    hub_id: str
    template: str
    architecture: str
    parameters: int | None
    size_bytes: int | None
    context_tokens: int | None
    licence: str
    hub: str
    revision: str
    commit: str
    is_ready: bool
    is_shared: bool
    created_at: datetime
    download: DownloadOut | None = Field(description="The newest one, of a hub's model.")

    @staticmethod
    def resolve_is_shared(base_model: BaseModel) -> bool:
        return base_model.owner_id is None

    @staticmethod
    def resolve_hub(base_model: BaseModel) -> str:
        return base_model.hub if base_model.hub_id else ""

    @staticmethod
    def resolve_download(base_model: BaseModel) -> ModelFetch | None:
        return base_model.fetch if base_model.hub_id else None


class EstimateIn(Schema):
    """The body of a job will do."""

    name: Str = ""
    start: bool = Field(True, description="Into the queue at once.")
    base_model: int
    dataset: int
    eval_dataset: int | None = Field(
        None, description="What it is evaluated on, instead of a share of `dataset` (val_size)."
    )
    stage: Str = Stage.SFT.value
    method: Str = Method.LORA.value
    parameters: dict[str, Any] = Field(
        default_factory=dict, description="LLaMA-Factory's own names."
    )
    processes: int = Field(1, description="GPUs, or processes, on each machine.")
    nodes: int = Field(1, description="Machines that train it together.")
    strategy: Str = Field(Strategy.DDP.value, description="ddp, zero2, zero3 or fsdp.")
    priority: int = Field(0, description="-5 (yields) to 5 (administrators only).")
    max_hours: float | None = Field(
        None, description="null: as the settings say; 0 (administrators only): no limit."
    )
    idle_minutes: int | None = Field(None, description="Of an idle GPU; as max_hours.")


class JobIn(EstimateIn):
    name: Name
    sample_prompts: list[Str] = Field(
        default_factory=list, max_length=50, description="Answered at each evaluation."
    )
    allow_too_large: bool = Field(
        False, description="Although the estimate says that it fits nowhere; this is audited."
    )
    start_version: int | None = Field(
        None, description="A model version of yours that the training takes further."
    )


class PlaceOut(Answer):
    """One kind of slot of a machine that is there now."""

    node: str
    name: str
    is_gpu: bool
    count: int
    available_bytes: int
    needed_bytes: int | None
    verdict: str
    time_s: int | None
    cost_usd: Amount | None
    has_disk: bool


class RemedyOut(Answer):
    label: str
    values: dict[str, Any]
    total_bytes: int


class NoteOut(Answer):
    parameter: str
    text: str


class EstimateOut(Answer):
    memory: dict[str, int] | None = Field(description="On one device, by part.")
    trainable_parameters: int | None
    verdict: str = Field(description="fits, tight, too_large, unknown or no_node.")
    place: PlaceOut | None
    places: list[PlaceOut]
    steps: int | None
    tokens_counted: bool = Field(
        description="By the dataset's statistics; else told from the size of its file."
    )
    time_s: int | None
    time_basis: str | None = Field(
        description="same (runs of this model, stage and method), similar or nominal."
    )
    cost_usd: Amount | None
    disk_bytes: int | None
    runs_known: int
    memory_runs_known: int
    remedies: list[RemedyOut] = Field(description="What would make it smaller.")
    notes: list[NoteOut] = Field(description="What is allowed and rarely meant.")
    yaml: str
    command: str


class QueueOut(Answer):
    position: int
    reason: str = Field(
        description="next, busy, kept, quota, no_node, node_away, draining, too_few, memory, "
        "storage or movers."
    )
    message: str
    expected_at: datetime | None


class ForecastOut(Answer):
    """What the person was told before the start, and what the training took."""

    verdict: str
    is_overridden: bool = Field(description="Started although it was not to fit.")
    memory_bytes: int | None = Field(description="Of one device.")
    time_s: int | None
    cost_usd: Amount | None
    disk_bytes: int | None
    peak_bytes: int | None = Field(description="Memory measured; null before it has succeeded.")
    took_s: float | None = Field(description="Time measured, without queue and pauses.")
    spent_usd: Amount | None = Field(description="Cost measured.")
    memory_off_by: float | None = Field(description="0.1: a tenth more than predicted.")
    time_off_by: float | None
    cost_off_by: float | None


def _place_of(job: TrainingJob, context: dict[str, Any]) -> Place | None:
    """None when it is not waiting. The queue is planned once for all jobs of an answer."""
    if not job.is_queued:
        return None
    if "queue" not in context:
        context["queue"] = queue()
    place: Place | None = context["queue"].get(job.pk)
    return place


class JobOut(Answer):
    id: UUID
    name: str
    status: str
    progress: float
    step: int
    max_steps: int
    epoch: float | None
    remaining_s: int | None
    attempt: int
    node: str | None
    swanlab: dict[str, Any] = Field(
        description="The run's mirror: `mode`, `run_id`, `step` it is at, `error`; `url` on a "
        "server, `board` (a page of ours) where it is local."
    )
    error: JobError | None
    base_model: int
    dataset: int
    eval_dataset: int | None
    stage: str
    method: str
    parameters: dict[str, Any]
    summary: dict[str, Any]
    sample_prompts: list[str]
    facts: dict[str, Any]
    queue_position: int | None
    queue: QueueOut | None = Field(description="While it waits for a place: why, until when.")
    parallel: dict[str, Any]
    forecast: ForecastOut | None = Field(description="Null for jobs from before there was one.")
    continuity: list[dict[str, Any]] = Field(description="Each resume, and how it went on.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    model_version: int | None

    @staticmethod
    def resolve_swanlab(job: TrainingJob) -> dict[str, Any]:
        board = {"board": reverse("training:board", args=[job.pk])} if has_board(job) else {}
        return {**job.swanlab, **board}

    @staticmethod
    def resolve_status(job: TrainingJob) -> str:
        return str(job.state)

    @staticmethod
    def resolve_queue_position(job: TrainingJob, context: dict[str, Any]) -> int | None:
        place = _place_of(job, context)
        return place.position if place else None

    @staticmethod
    def resolve_queue(job: TrainingJob, context: dict[str, Any]) -> dict[str, Any] | None:
        place = _place_of(job, context)
        return place.as_json() if place else None

    @staticmethod
    def resolve_parallel(job: TrainingJob) -> dict[str, Any]:
        return {
            "processes": job.processes,
            "nodes": job.node_count,
            "strategy": job.strategy,
            "priority": job.priority,
            "max_hours": job.max_hours,
            "idle_minutes": job.idle_minutes,
        }

    @staticmethod
    def resolve_forecast(job: TrainingJob) -> Forecast | None:
        return getattr(job, "forecast", None)

    @staticmethod
    def resolve_node(job: TrainingJob) -> str | None:
        return job.node.name if job.node else None

    @staticmethod
    def resolve_base_model(job: TrainingJob) -> int:
        return job.base_model_id

    @staticmethod
    def resolve_dataset(job: TrainingJob) -> int:
        return job.dataset_id

    @staticmethod
    def resolve_eval_dataset(job: TrainingJob) -> int | None:
        return job.eval_dataset_id

    @staticmethod
    def resolve_model_version(job: TrainingJob) -> int | None:
        version: ModelVersion | None = getattr(job, "version", None)
        return version.pk if version is not None else None

    @staticmethod
    def resolve_error(job: TrainingJob) -> dict[str, str] | None:
        if not job.reason:
            return None
        return {"code": job.reason, "message": job.get_reason_display(), "detail": job.detail}


class LogOut(Answer):
    lines: list[str]
    next: int
    count: int


class LogMatch(Answer):
    line: int = Field(description="Its number, counted from 0.")
    text: str
    level: str = Field(description="error, warning, info, or nothing.")


class LogMatchesOut(Answer):
    items: list[LogMatch]
    next: int | None


class CurvesOut(Answer):
    series: dict[str, list[tuple[int, float, float]]] = Field(description="[step, at, value] each.")
    hardware: list[dict[str, Any]]
    next: dict[str, int]
    attempt: int = Field(
        description="The last attempt that had begun by then. The next one takes back what was "
        "told after the checkpoint it resumes from."
    )


class DoctorNoteOut(Answer):
    id: int
    kind: str = Field(description="nan, jump, flat, rising, gpu_idle or stalled.")
    step: int
    at: float
    title: str
    text: str
    advice: str
    actions: list[str]


class NotesOut(Answer):
    items: list[DoctorNoteOut]
    next: int


class ComparedJob(Answer):
    id: UUID
    name: str
    status: str
    parameters: dict[str, Any]
    summary: dict[str, Any]
    series: dict[str, list[tuple[int, float, float]]]


class ComparisonOut(Answer):
    jobs: list[ComparedJob]
    different: list[str] = Field(description="Names of the settings in which they differ.")


class PointsOut(Answer):
    items: list[dict[str, Any]]
    next: int


class DeployIn(Schema):
    name: Str = Field("", max_length=100, description="Of the provider model; the job's if empty.")
    engine: Str = Field("huggingface", description="huggingface, or vllm where it is installed.")
    concurrency: int = Field(1, description="Requests answered at the same time.")
    sleep_minutes: int = Field(
        0, description="So long without a request, and it sleeps until the next one; 0: never."
    )
    replicas: int = Field(1, description="On different nodes where there are several; 8 at most.")


class ScaleIn(Schema):
    replicas: int = Field(description="On different nodes where there are several; 8 at most.")


class ReplicaOut(Answer):
    id: UUID
    status: str = Field(description="starting, running, failed or stopping.")
    node: str | None


class DeploymentOut(Answer):
    id: UUID | None = None
    status: str = Field(description="none, starting, running, failed or stopping.")
    model_id: int | None = Field(None, description="Id of the provider model, for chats.")
    model: str | None = Field(None, description="Name of the model, for the gateway.")
    health: dict[str, Any] = Field(
        default_factory=dict,
        description="state (ready, asleep, waking, restarting, loading), active, waiting, served, "
        "crashes, last_request_at.",
    )
    replicas: list[ReplicaOut] = Field(
        default_factory=list, description="All that answer under its name, itself included."
    )
    error: JobError | None = None


class ModelVersionOut(Answer):
    id: int
    name: str
    model: str = Field(description="The model that it is a version of.")
    number: int = Field(description="Its number among the versions of that model.")
    job: UUID | None
    base_model: int | None
    parent: int | None = Field(description="The version it was trained on from.")
    labels: list[str]
    notes: str
    archived_at: datetime | None
    is_adapter: bool
    size_bytes: int
    metrics: dict[str, Any]
    lineage: dict[str, Any]
    created_at: datetime
    deployment: DeploymentOut

    @staticmethod
    def resolve_model(version: ModelVersion) -> str:
        return version.family.name if version.family else version.name

    @staticmethod
    def resolve_parent(version: ModelVersion) -> int | None:
        return version.parent_id

    @staticmethod
    def resolve_job(version: ModelVersion) -> UUID | None:
        return version.job_id

    @staticmethod
    def resolve_base_model(version: ModelVersion) -> int | None:
        return version.base_model_id

    @staticmethod
    def resolve_deployment(version: ModelVersion) -> dict[str, Any]:
        deployment = version.deployment
        if deployment is None:
            return {"status": "none"}
        status = deployment.serving_state
        error = None
        if status == "failed":
            label = deployment.get_reason_display()
            error = {"code": deployment.reason, "message": label, "detail": deployment.detail}
        model = deployment.provider_model if status == "running" else None
        return {
            "id": deployment.pk,
            "health": deployment.health,
            "replicas": [
                {
                    "id": row.pk,
                    "status": row.serving_state,
                    "node": row.node.name if row.node else None,
                }
                for row in deployment.group().select_related("node")
            ],
            "status": status,
            "model_id": model.pk if model else None,
            "model": model.model_id if model else None,
            "error": error,
        }
