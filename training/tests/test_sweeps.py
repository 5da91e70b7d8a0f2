import html
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from accounts.models import AuditEvent, User
from training import base_models, services, sweeps
from training.checks import Chosen
from training.models import Node, Status, Sweep, TrainingJob
from training.tests.rows import make_base_model, make_dataset, make_node

ClientFor = Callable[[User], Client]
Api = Callable[..., Any]
GRID = {"learning_rate": ["1e-5", "1e-4"], "lora_rank": [8, 16, 32]}


@pytest.fixture
def chosen(alice: User) -> Chosen:
    dataset = make_dataset(alice)
    return {"stage": "sft", "method": "lora", "base_model": make_base_model(), "dataset": dataset}


def make(owner: User, chosen: Chosen, grid: Any = GRID, **more: Any) -> Sweep:
    known = {"name": "ranks", "parameters": {"num_train_epochs": 1}}
    return sweeps.create_sweep(owner=owner, grid=grid, **known | more, **chosen)


def refused(owner: User, chosen: Chosen, grid: Any, **more: Any) -> dict[str, list[str]]:
    with pytest.raises(ValidationError) as caught:
        make(owner, chosen, grid, **more)
    assert not TrainingJob.objects.exists()
    assert not Sweep.objects.exists()
    return caught.value.message_dict


def test_every_combination_becomes_a_training(alice: User, chosen: Chosen) -> None:
    sweep = make(alice, chosen)
    jobs = list(sweep.jobs.order_by("name"))
    tried = [(job.parameters["learning_rate"], job.parameters["lora_rank"]) for job in jobs]
    assert tried == [(rate, rank) for rate in (1e-5, 1e-4) for rank in (8, 16, 32)]
    assert {job.name for job in jobs} == {f"ranks-{n}" for n in range(1, 7)}
    assert all(job.is_queued and job.parameters["num_train_epochs"] == 1.0 for job in jobs)
    assert sweep.grid == {"learning_rate": [1e-5, 1e-4], "lora_rank": [8, 16, 32]}
    assert AuditEvent.objects.filter(action="sweep.create", actor=alice).count() == 1
    assert AuditEvent.objects.filter(action="job.create").count() == 6


def test_a_wrong_value_starts_nothing_and_is_named(alice: User, chosen: Chosen) -> None:
    said = refused(alice, chosen, {"learning_rate": ["1e-4", "fast"]})
    assert "fast" in said["grid"][0]
    said = refused(alice, chosen, {"bf16": ["true", "false"]}, parameters={"fp16": True})
    assert set(said) == {"fp16"}
    assert set(refused(alice, chosen, {"output_dir": ["/a", "/b"]})) == {"grid"}
    assert set(refused(alice, chosen, GRID, name="a/b")) == {"name"}
    assert set(refused(alice, chosen, GRID, name="x" * 91)) == {"name"}


@pytest.mark.parametrize(
    "grid",
    [
        {},
        {"lora_rank": []},
        {"lora_rank": [None, 8]},
        {"lora_rank": ["", 8]},
        {"lora_rank": list(range(1, 40))},
        {"lora_rank": [8, "8"]},
        {"lr_scheduler_kwargs": [{}]},
        {name: [1] for name in ("lora_rank", "seed", "max_steps", "save_steps", "cutoff_len")},
    ],
)
def test_grids_that_make_no_sense(alice: User, chosen: Chosen, grid: Any) -> None:
    assert set(refused(alice, chosen, grid)) == {"grid"}


def test_the_plan_adds_everything_up(alice: User, chosen: Chosen) -> None:
    node = make_node("card", is_gpu=True, gib=80)
    Node.objects.filter(pk=node.pk).update(hour_price_usd=Decimal(36))
    grid = {"num_train_epochs": [30, 60, 90]}
    found = sweeps.plan(parameters={}, grid=grid, **chosen)
    alone = [
        sweeps.plan(parameters={}, grid={"num_train_epochs": [epochs]}, **chosen)
        for epochs in (30, 60, 90)
    ]
    assert found.count == 3
    assert found.seconds == sum(each.seconds or 0 for each in alone)
    assert found.cost_usd == sum((each.cost_usd or Decimal(0) for each in alone), Decimal(0))
    lengths = sweeps.plan(parameters={}, grid={"cutoff_len": [4096, 128, 512]}, **chosen)
    longest = sweeps.plan(parameters={}, grid={"cutoff_len": [4096]}, **chosen)
    assert lengths.worst.memory == longest.worst.memory


def test_one_that_does_not_fit_stops_all_of_them(alice: User, chosen: Chosen) -> None:
    make_node(gib=6)
    grid = {"cutoff_len": [128, 16_000]}
    assert set(refused(alice, chosen, grid)) == {"allow_too_large"}
    assert make(alice, chosen, grid, allow_too_large=True).jobs.count() == 2


def finish(job: TrainingJob, **summary: float) -> None:
    rows = TrainingJob.objects.filter(pk=job.pk)
    rows.update(status=Status.SUCCESS, desired="stop", summary=summary)


def test_the_best_has_the_lowest_evaluation_loss(alice: User, chosen: Chosen) -> None:
    sweep = make(alice, chosen, {"lora_rank": [8, 16, 32]})
    assert sweeps.results(sweep).measure == ""
    first, second, third = sweep.jobs.order_by("name")
    finish(first, eval_loss=0.5, train_loss=0.1)
    assert not any(row.is_best for row in sweeps.results(sweep).rows)
    finish(second, eval_loss=0.4, train_loss=0.9)
    found = sweeps.results(sweep)
    assert (found.measure, found.ended, found.is_live) == ("eval_loss", 2, True)
    assert [row.job.pk for row in found.rows if row.is_best] == [second.pk]
    finish(third, train_loss=0.01)
    found = sweeps.results(sweep)
    assert [row.measure for row in found.rows] == [0.5, 0.4, None]
    assert not found.is_live


def test_its_runs_are_compared_the_best_first(
    alice: User, client_for: ClientFor, chosen: Chosen
) -> None:
    sweep = make(alice, chosen, {"lora_rank": [4, 8, 16, 32]})
    first, second, third, waiting = sweep.jobs.order_by("name")
    finish(first, train_loss=0.5)
    finish(second, train_loss=0.4)
    TrainingJob.objects.filter(pk=third.pk).update(status=Status.RUNNING)
    assert (
        "Compare runs"
        not in client_for(alice).get(f"/training/sweeps/{sweep.pk}/").content.decode()
    )
    TrainingJob.objects.exclude(pk=waiting.pk).update(attempt=1)
    assert sweeps.results(sweep).comparable == [second, first, third]
    page = client_for(alice).get(f"/training/sweeps/{sweep.pk}/").content.decode()
    link = re.search(r'href="(/training/compare/[^"]*)"', page)
    assert link is not None
    compared = client_for(alice).get(html.unescape(link[1])).context["compared"]
    assert compared.jobs == [second, first, third]


def test_stopping_ends_what_has_not_ended(alice: User, chosen: Chosen) -> None:
    sweep = make(alice, chosen, {"lora_rank": [8, 16, 32]})
    first, second, _third = sweep.jobs.order_by("name")
    finish(first, eval_loss=0.5)
    TrainingJob.objects.filter(pk=second.pk).update(status=Status.RUNNING)
    assert sweeps.stop_sweep(sweep=sweep, actor=alice) == 2
    states = {job.name: job.state for job in sweep.jobs.all()}
    assert states == {"ranks-1": "success", "ranks-2": "stopping", "ranks-3": "stopped"}
    sweeps.stop_sweep(sweep=sweep, actor=alice)
    assert AuditEvent.objects.filter(action="sweep.stop").count() == 1


def test_a_sweep_goes_with_its_last_training(alice: User, chosen: Chosen) -> None:
    sweep = make(alice, chosen, start=False)
    for job in sweep.jobs.all():
        assert Sweep.objects.filter(pk=sweep.pk).exists()
        services.delete_job(job=job, actor=alice)
    assert not Sweep.objects.filter(pk=sweep.pk).exists()
    base_models.delete_base_model(base_model=chosen["base_model"], actor=alice)


def fields(chosen: Chosen) -> dict[str, Any]:
    return {
        "name": "ranks",
        "base_model": chosen["base_model"].pk,
        "dataset": chosen["dataset"].pk,
        "stage": "sft",
        "method": "lora",
        "swept_1": "learning_rate",
        "swept_1_values": "1e-5, 1e-4",
        "swept_2": "lora_rank",
        "swept_2_values": "8，16",
    }


def test_the_form_makes_a_sweep(alice: User, client_for: ClientFor, chosen: Chosen) -> None:
    client = client_for(alice)
    page = client.post("/training/preview/", fields(chosen)).content.decode()
    assert "4 trainings" in page
    answer = client.post("/training/new/", fields(chosen))
    sweep = Sweep.objects.get()
    assert answer.headers["Location"] == f"/training/sweeps/{sweep.pk}/"
    page = client.get(f"/training/sweeps/{sweep.pk}/").content.decode()
    assert "ranks-4" in page
    assert "1e-05" in page
    assert "Stop all" in page
    part = client.get(f"/training/sweeps/{sweep.pk}/", headers={"HX-Request": "true"})
    assert "<html" not in part.content.decode()
    assert client.post(f"/training/sweeps/{sweep.pk}/stop/").status_code == 302
    assert set(sweep.jobs.values_list("status", flat=True)) == {"stopped"}
    assert "Stop all" not in client.get(f"/training/sweeps/{sweep.pk}/").content.decode()
    assert "4 / 4" in client.get("/training/sweeps/").content.decode()


def test_the_form_says_what_is_wrong_at_the_values(
    alice: User, client_for: ClientFor, chosen: Chosen
) -> None:
    client = client_for(alice)
    sent = fields(chosen) | {"swept_2_values": "8, many"}
    answer = client.post("/training/new/", sent)
    assert answer.status_code == 422
    assert "many" in answer.context["form"].errors["swept_1_values"][0]
    page = client.post("/training/preview/", sent).content.decode()
    assert 'data-field="swept_1_values"' in page


def test_the_api(alice: User, bob: User, api: Api, chosen: Chosen) -> None:
    body = {
        "base_model": chosen["base_model"].pk,
        "dataset": chosen["dataset"].pk,
        "grid": {"lora_rank": [8, 16]},
    }
    estimate = api(alice).post("training/sweeps/estimate", **body)
    assert estimate.json()["count"] == 2
    made = api(alice).post("training/sweeps", name="ranks", **body)
    assert made.status_code == 201
    found = made.json()
    assert [job["values"] for job in found["jobs"]] == [{"lora_rank": 8}, {"lora_rank": 16}]
    assert api(bob).get(f"training/sweeps/{found['id']}").status_code == 404
    assert api(bob).post("training/sweeps", name="x", **body).status_code == 422
    stopped = api(alice).post(f"training/sweeps/{found['id']}/stop")
    assert stopped.status_code == 202
    assert {job["status"] for job in stopped.json()["jobs"]} == {"stopped"}
    assert api(alice).get("training/sweeps").json()["count"] == 1
    assert api(bob).get("training/sweeps").json()["count"] == 0
