"""The start page: the way through an empty platform, and the demo's card in each of its states."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from chat.models import ChatSession
from llmplatform import demo, home
from llmplatform.demo_card import card_of
from llmplatform.tests.console_cast import make_dataset, make_job, make_model
from prompts.models import Prompt
from training.errors import StateConflict
from training.models import (
    BaseModel,
    Dataset,
    Deployment,
    Desired,
    ModelBuild,
    ModelVersion,
    Status,
    TrainingJob,
)


@pytest.fixture
def page(alice: User, client_for: Callable[[User], Client]) -> Client:
    return client_for(alice)


@pytest.fixture(autouse=True)
def _with_training(settings: Any, tmp_path: Any) -> None:
    settings.TRAINING_PYTHON = tmp_path / "python"
    settings.TRAINING_PYTHON.touch()
    settings.BASE_MODEL_ROOTS = [tmp_path]


def _path(user: User, rf: Any) -> list[tuple[bool, bool]]:
    request = rf.get("/")
    request.user = user
    content = home.path_to_first_model(request)
    return [(step.is_done, step.is_next) for step in content["steps"]] if content else []


def test_the_path_follows_what_is_there(alice: User, bob: User, rf: Any) -> None:
    make_model(bob)
    make_dataset(bob)
    assert _path(alice, rf) == [(False, True), (False, False), (False, False), (False, False)]
    make_model(alice)
    assert _path(alice, rf)[:2] == [(True, False), (False, True)]
    make_job(alice, status=Status.SUCCESS)
    assert _path(alice, rf) == [(True, False)] * 3 + [(False, True)]
    ChatSession.objects.create(owner=alice)
    assert _path(alice, rf) == []


def test_the_page_opens_at_every_stage(page: Client, alice: User) -> None:
    text = page.get("/").text
    assert "First steps" in text and "Try the demo" in text
    make_model(alice)
    make_job(alice, status=Status.SUCCESS)
    ChatSession.objects.create(owner=alice)
    assert "First steps" not in page.get("/").text


def _ready(user: User) -> BaseModel:
    return BaseModel.objects.create(name=demo.BASE_NAME, path="/models/demo", template="qwen")


def _trained(user: User, status: str) -> TrainingJob:
    dataset = Dataset.objects.filter(owner=user).first() or make_dataset(user, demo.DATASET_NAME)
    return TrainingJob.objects.create(
        owner=user,
        name=demo.JOB_NAME,
        base_model=BaseModel.objects.filter(name=demo.BASE_NAME).first() or _ready(user),
        dataset=dataset,
        status=status,
        step=5,
        max_steps=10,
    )


def _deployed(job: TrainingJob, status: str) -> Deployment:
    version = ModelVersion.objects.create(owner=job.owner, job=job, name="maple", path="/none")
    model = make_model(job.owner, "maple") if status == Status.RUNNING else None
    return Deployment.objects.create(
        owner=job.owner,
        name="maple",
        version=version,
        status=status,
        desired=Desired.RUN,
        provider_model=model,
    )


def _build(user: User, status: str, **fields: Any) -> ModelBuild:
    base = BaseModel.objects.create(name=demo.BASE_NAME, path="/models/demo", is_ready=False)
    return ModelBuild.objects.create(
        owner=user, name="demo-base", base_model=base, status=status, **fields
    )


def test_offered(page: Client, alice: User) -> None:
    assert card_of(alice).stage == "offered"
    text = page.get("/demo/", headers={"HX-Request": "true"}).text
    assert "Build the base model" in text and "every 2s" not in text


def test_where_nothing_can_be_built_users_are_not_offered_it(
    page: Client, admin_user: User, client_for: Callable[[User], Client], settings: Any
) -> None:
    settings.TRAINING_PYTHON.unlink()
    assert "Try the demo" not in page.get("/").text
    assert "The training environment is missing" in client_for(admin_user).get("/").text


def test_building_asks_again_by_itself(page: Client, alice: User) -> None:
    _build(alice, Status.RUNNING, step=62, max_steps=100, step_s=0.5)
    text = page.get("/demo/", headers={"HX-Request": "true"}).text
    assert "every 2s" in text and 'value="62"' in text and "19 s" in text


def test_a_failed_build_can_be_tried_again(page: Client, alice: User) -> None:
    _build(alice, Status.FAILED, detail="No space <left>")
    text = page.get("/").text
    assert "No space &lt;left&gt;" in text and "Try again" in text
    page.post("/demo/")
    assert card_of(alice).stage == "building"


def test_starting_builds_a_model_and_brings_the_data(page: Client, alice: User) -> None:
    answer = page.post("/demo/", headers={"HX-Request": "true"})
    assert answer.status_code == 200 and 'id="demo"' in answer.text
    assert ModelBuild.objects.count() == 1
    assert Dataset.objects.get().name == demo.DATASET_NAME
    prompts = Prompt.objects.count()
    assert prompts == Prompt.objects.filter(owner=alice).count() > 0
    assert page.post("/demo/").headers["Location"] == "/"
    assert ModelBuild.objects.count() == 1 and Prompt.objects.count() == prompts


def test_a_ready_model_is_trained_with_one_click(page: Client, alice: User) -> None:
    demo.start_demo(alice)
    BaseModel.objects.update(is_ready=True, path="")
    BaseModel.objects.update(hub_id="local/demo")
    text = page.get("/").text
    base, dataset = BaseModel.objects.get(), Dataset.objects.get()
    form = reverse("training:create") + f"?base_model={base.pk}&amp;dataset={dataset.pk}"
    assert form in text and "Chat with the echo" in text
    answer = page.post("/demo/train/", headers={"HX-Request": "true"})
    assert answer.status_code == 200
    job = TrainingJob.objects.get()
    assert job.is_queued and str(job.pk) in answer.text and "every 2s" in answer.text


@pytest.mark.parametrize(
    ("status", "stage", "text"),
    [
        (Status.RUNNING, "training", "Watch the training"),
        (Status.FAILED, "job_failed", "Train again"),
        (Status.STOPPED, "train", "Start the demo training"),
    ],
)
def test_the_training_is_followed(
    page: Client, alice: User, status: str, stage: str, text: str
) -> None:
    _trained(alice, status)
    assert card_of(alice).stage == stage
    assert text in page.get("/").text


@pytest.mark.parametrize(
    ("status", "stage", "text"),
    [
        (None, "deploy", "Read the report"),
        (Status.PREPARING, "deploying", "loading the model"),
        (Status.FAILED, "serving_failed", "Deploy again"),
        (Status.STOPPED, "deploy", "Deploy"),
        (Status.RUNNING, "chat", "Chat with Maple"),
    ],
)
def test_serving_is_followed(
    page: Client, alice: User, status: str | None, stage: str, text: str
) -> None:
    job = _trained(alice, Status.SUCCESS)
    if status is None:
        ModelVersion.objects.create(owner=alice, job=job, name="maple", path="/none")
    else:
        _deployed(job, status)
    card = card_of(alice)
    assert card.stage == stage
    shown = page.get("/").text
    assert text in shown
    if stage == "chat":
        assert f"/chat/?model={card.state['provider_model_id']}" in shown


def test_it_is_deployed_with_one_click(page: Client, alice: User) -> None:
    job = _trained(alice, Status.SUCCESS)
    ModelVersion.objects.create(owner=alice, job=job, name="maple", path="/none")
    assert page.post("/demo/deploy/").headers["Location"] == "/"
    assert card_of(alice).stage == "deploying"
    again = page.post("/demo/deploy/", headers={"HX-Request": "true"})
    assert again.status_code == 204 and again.headers["HX-Refresh"] == "true"
    assert "deployed already" in page.get("/").text


def test_what_cannot_be_trained_is_said(page: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(user: User, request: HttpRequest) -> None:
        raise ValidationError({"base_model": ["The folder is missing."]})

    def conflict(user: User, request: HttpRequest) -> None:
        raise StateConflict("deploy", "running")

    monkeypatch.setattr(demo, "start_training", refuse)
    monkeypatch.setattr(demo, "deploy", conflict)
    assert "The folder is missing." in page.post("/demo/train/", follow=True).text
    assert page.post("/demo/deploy/").status_code == 302


def test_without_a_script_every_button_still_works(page: Client) -> None:
    assert page.get("/demo/").headers["Location"] == "/"
    assert page.get("/demo/train/").status_code == 405
    assert page.post("/demo/").headers["Location"] == "/"
