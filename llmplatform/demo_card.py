"""The demo on the home page: from nothing to a chat with a fine-tuned model, one button a step."""

from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest

from accounts.access import current_user
from accounts.models import User
from llmplatform import demo
from providers.models import ProviderModel
from training.models import Status, TrainingJob

# What the card shows, in the order in which a person gets there.
OFFERED, BUILDING, TRAIN, TRAINING, DEPLOY, DEPLOYING, CHAT = (
    "offered",
    "building",
    "train",
    "training",
    "deploy",
    "deploying",
    "chat",
)
FAILED, JOB_FAILED, SERVING_FAILED = "failed", "job_failed", "serving_failed"
# How many of the four steps (model, training, serving, chat) are done at each.
DONE_STEPS = {
    TRAIN: 1,
    TRAINING: 1,
    JOB_FAILED: 1,
    DEPLOY: 2,
    DEPLOYING: 2,
    SERVING_FAILED: 2,
    CHAT: 3,
}
MOVING = {BUILDING, TRAINING, DEPLOYING}


@dataclass(frozen=True)
class DemoCard:
    stage: str
    state: dict[str, Any]
    job: TrainingJob | None = None
    echo: ProviderModel | None = None
    is_possible: bool = True
    done: int = field(default=0)

    @property
    def is_moving(self) -> bool:
        """It changes by itself: the card asks again."""
        return self.stage in MOVING

    @property
    def current(self) -> int:
        """The step, from 1, that is next or under way."""
        return self.done + 1


def _stage(state: dict[str, Any], job: TrainingJob | None) -> str:
    if state["state"] != "ready":
        return {"none": OFFERED, "building": BUILDING, "failed": FAILED}[state["state"]]
    if state["version_id"] is not None:
        return _serving_stage(state)
    if job is None or job.status == Status.STOPPED:
        return TRAIN
    return JOB_FAILED if job.status == Status.FAILED else TRAINING


def _serving_stage(state: dict[str, Any]) -> str:
    stages = {"none": DEPLOY, "failed": SERVING_FAILED, "running": CHAT}
    stage = stages.get(state["deployment_state"], DEPLOYING)
    # It answers, but nobody can choose it yet.
    return DEPLOYING if stage == CHAT and state["provider_model_id"] is None else stage


def card_of(user: User) -> DemoCard:
    state = demo.demo_state(user)
    rows = TrainingJob.objects.for_user(user).filter(pk=state["job_id"])
    job: TrainingJob | None = rows.first() if state["job_id"] else None
    stage = _stage(state, job)
    echo = ProviderModel.objects.for_user(user).usable().filter(provider__kind="echo").first()
    possible = demo.is_possible()
    return DemoCard(stage, state, job, echo, possible, DONE_STEPS.get(stage, 0))


def content(request: HttpRequest) -> dict[str, Any] | None:
    """For the home page; nothing where no training environment could ever run it."""
    user = current_user(request)
    card = card_of(user)
    if card.stage == OFFERED and not card.is_possible and not user.is_admin:
        return None
    return {"demo": card}
