import html
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.http import QueryDict
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent, User
from providers import services as providers
from training import lifecycle
from training.dataset_forms import TokensForm
from training.models import BaseModel, Dataset, Deployment, Desired, ModelBuild, Status, TrainingJob
from training.tests.rows import (
    add_log,
    add_metrics,
    make_base_model,
    make_dataset,
    make_job,
    make_node,
    make_version,
)

ClientFor = Callable[[User], Client]


@pytest.fixture
def client(alice: User, client_for: ClientFor) -> Client:
    return client_for(alice)


def filled(owner: User, **changes: Any) -> dict[str, Any]:
    """A form that can be sent."""
    known = {
        "name": "identity",
        "base_model": make_base_model().pk,
        "dataset": make_dataset(owner).pk,
        "stage": "sft",
        "method": "lora",
        "learning_rate": "1e-4",
        "lora_rank": "16",
        "enable_thinking": "",
    }
    return known | changes


def test_the_empty_list_teaches_the_next_step(client: Client) -> None:
    page = client.get("/training/").content.decode()
    assert "No training yet" in page
    assert reverse("training:create") in page


def test_what_a_training_takes_is_said_before_the_button_that_starts_it(
    alice: User, client: Client
) -> None:
    make_base_model()
    make_dataset(alice)
    page = client.get(reverse("training:create")).content.decode()
    assert page.index('id="preview"') < page.index("Start training")


def test_what_runs_comes_first_then_the_queue(alice: User, client: Client) -> None:
    names = ("done", "held", "queued", "running")
    make_job(alice, Status.RUNNING, name="running")
    make_job(alice, name="queued", queued_at=timezone.now())
    make_job(alice, name="held", desired=Desired.PAUSE)
    make_job(alice, Status.SUCCESS, name="done")
    page = client.get("/training/").content.decode()
    places = [page.index(f">{name}</a>") for name in reversed(names)]
    assert places == sorted(places)
    assert "No. 1 in the queue" in page
    assert "On hold" in page


def test_the_queue_is_listed_in_its_order(alice: User, client: Client) -> None:
    now = timezone.now()
    for minutes, name in enumerate(("third", "second")):
        make_job(alice, name=name, queued_at=now - timedelta(minutes=minutes))
    make_job(alice, name="first", queued_at=now, priority=1)
    page = client.get("/training/").content.decode()
    told = re.findall(r">(first|second|third)</a>|No\. (\d) in the queue", page)
    assert ["".join(each) for each in told] == ["first", "1", "second", "2", "third", "3"]


def test_many_that_wait_take_few_queries(
    alice: User, client: Client, django_assert_max_num_queries: Any
) -> None:
    make_node("gpu-1")
    model, dataset = make_base_model(), make_dataset(alice)
    for i in range(30):
        name, at = f"job-{i}", timezone.now()
        make_job(alice, name=name, queued_at=at, base_model=model, dataset=dataset)
    with django_assert_max_num_queries(20):
        assert "No. 30 in the queue" in client.get("/training/").content.decode()


def test_the_table_alone_is_refreshed_while_something_goes_on(alice: User, client: Client) -> None:
    job = make_job(alice, Status.RUNNING)
    add_metrics(job, 24)
    part = client.get("/training/", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert 'hx-trigger="every 3s"' in part
    assert '<path d="M' in part
    assert "54 s left" in part
    TrainingJob.objects.update(status=Status.SUCCESS)
    assert (
        "hx-trigger"
        not in client.get("/training/", headers={"HX-Request": "true"}).content.decode()
    )


def test_fifty_jobs_take_pages_and_few_queries(
    alice: User, client: Client, django_assert_max_num_queries: Any
) -> None:
    model, dataset = make_base_model(), make_dataset(alice)
    for i in range(50):
        job = make_job(alice, Status.SUCCESS, name=f"job-{i}", base_model=model, dataset=dataset)
        add_metrics(job)
    with django_assert_max_num_queries(12):
        page = client.get("/training/").content.decode()
    assert page.count("<tr>") == 31
    assert "1–30 of 50" in page
    assert client.get("/training/?page=2").content.decode().count("<tr>") == 21


def test_new_says_what_is_missing(alice: User, client: Client) -> None:
    assert "No base model yet" in client.get("/training/new/").content.decode()
    make_base_model()
    assert "No dataset yet" in client.get("/training/new/").content.decode()


def test_new_is_filled_from_the_address(alice: User, client: Client) -> None:
    make_base_model()
    chosen = make_base_model(name="other")
    dataset = make_dataset(alice, name="pairs", format="preference")
    url = f"/training/new/?dataset={dataset.pk}&base_model={chosen.pk}&preset=quality"
    form = client.get(url).context["form"]
    assert form["dataset"].value() == dataset.pk
    assert form["base_model"].value() == chosen.pk
    assert form["stage"].value() == "dpo"
    assert form["name"].value() == "pairs"
    assert form["lora_rank"].value() == 64
    assert form["learning_rate"].value() == "5e-06"


def test_the_only_base_model_is_chosen(alice: User, client: Client) -> None:
    only = make_base_model()
    make_dataset(alice)
    assert client.get("/training/new/?dataset=x").context["form"]["base_model"].value() == only.pk


def test_a_clone_has_everything_but_the_name(alice: User, client: Client) -> None:
    job = make_job(alice, Status.FAILED, method="qlora", parameters={"lora_rank": 32})
    form = client.get(f"/training/new/?clone={job.pk}").context["form"]
    assert form["name"].value() == "identity-2"
    assert form["method"].value() == "qlora"
    assert form["lora_rank"].value() == 32
    make_job(alice, name="identity-2")
    form = client.get(f"/training/new/?clone={job.pk}").context["form"]
    assert form["name"].value() == "identity-3"


def test_nobody_clones_what_is_not_theirs(bob: User, client: Client) -> None:
    job = make_job(bob)
    assert client.get(f"/training/new/?clone={job.pk}").status_code == 404
    assert client.get("/training/new/?clone=nonsense").status_code == 404


def test_create_queues_the_job(alice: User, client: Client) -> None:
    response = client.post("/training/new/", filled(alice, use_dora="true"))
    job = TrainingJob.objects.get()
    assert response.headers["Location"] == f"/training/{job.pk}/"
    assert job.is_queued
    assert job.parameters == {"learning_rate": 0.0001, "lora_rank": 16, "use_dora": True}
    assert AuditEvent.objects.filter(action="job.create", actor=alice).exists()


def test_what_does_not_apply_is_left_out(alice: User, client: Client) -> None:
    client.post("/training/new/", filled(alice, method="full", pref_beta="0.3"))
    assert TrainingJob.objects.get().parameters == {"learning_rate": 0.0001}


def test_a_default_that_is_switched_off_is_kept(alice: User, client: Client) -> None:
    client.post("/training/new/", filled(alice, enable_thinking="false"))
    assert TrainingJob.objects.get().parameters["enable_thinking"] is False


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "../x"}, "cannot contain slashes"),
        ({"name": ""}, "required"),
        ({"per_device_train_batch_size": "0"}, "at least 1"),
        ({"learning_rate": "fast"}, "Enter a number"),
        ({"template": "nosuch"}, "nosuch is not one of the available choices"),
        ({"stage": "dpo"}, "needs another kind of dataset"),
        ({"base_model": "999999"}, "valid choice"),
    ],
)
def test_create_refuses_and_keeps_what_was_typed(
    alice: User, client: Client, changes: dict[str, str], said: str
) -> None:
    response = client.post("/training/new/", filled(alice, lora_alpha="77", **changes))
    assert response.status_code == 422
    page = response.content.decode()
    assert said in page
    assert 'value="77"' in page
    assert not TrainingJob.objects.exists()


def test_a_missing_folder_is_named_before_anything_starts(alice: User, client: Client) -> None:
    gone = make_base_model(path="/data/models/gone", hub_id="")
    page = client.post("/training/new/", filled(alice, base_model=gone.pk))
    assert page.status_code == 422
    assert "/data/models/gone" in page.content.decode()


def test_errors_are_in_the_language_of_the_person(alice: User, client: Client) -> None:
    alice.language = "zh-hans"
    alice.save()
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "zh-hans"
    page = client.post("/training/new/", filled(alice, per_device_train_batch_size="0"))
    assert "不能小于 1" in page.content.decode()


def test_the_preview_tells_what_it_takes(alice: User, client: Client) -> None:
    make_node(gib=64)
    page = client.post("/training/preview/", filled(alice, name="")).content.decode()
    assert "Fits" in page
    assert "finetuning_type: lora" in page
    assert "llamafactory-cli train" in page
    assert "very roughly, until a first run has ended" in page
    assert 'role="img" aria-label="Weights ' in page


def test_the_preview_leads_to_a_record_as_this_training_reads_it(
    alice: User, client: Client
) -> None:
    make_node(gib=64)
    sent = filled(alice, cutoff_len="77", mask_history="true")
    page = client.post("/training/preview/", sent).content.decode()
    url = reverse("datasets:tokens", args=[sent["dataset"]])
    found = re.search(rf'href="{url}\?([^"]*)"', page)
    assert found
    dataset = Dataset.objects.get(pk=sent["dataset"])
    form = TokensForm(QueryDict(html.unescape(found[1])), user=alice, dataset=dataset)
    assert form.is_valid(), form.errors
    chosen = form.cleaned_data
    assert (chosen["base_model"].pk, chosen["stage"]) == (sent["base_model"], "sft")
    assert (chosen["cutoff_len"], chosen["mask_history"]) == (77, True)


def test_the_preview_tells_what_stands_against_it(alice: User, client: Client) -> None:
    sent = filled(alice, stage="kto", per_device_train_batch_size="0")
    page = client.post("/training/preview/", sent).content.decode()
    assert "This cannot start yet" in page
    assert "needs another kind of dataset" in page
    sent |= {"stage": "sft"}
    page = client.post("/training/preview/", sent).content.decode()
    said = '<span data-field="per_device_train_batch_size">Must be at least 1.</span>'
    assert said in page


@pytest.mark.parametrize(
    ("sent", "field", "told"),
    [
        # Asked for by another parameter, and empty itself.
        ({"lr_scheduler_type": "cosine_with_min_lr"}, "lr_scheduler_kwargs", "min_lr_rate"),
        ({"swept_1": "lora_rank", "swept_1_values": "0, 8"}, "swept_1_values", "at least 1"),
        ({"swept_1_values": "4, 8"}, "swept_1_values", "Choose the parameter"),
        (
            {
                **{"swept_1": "lora_rank", "swept_1_values": "4"},
                **{"swept_2": "lora_rank", "swept_2_values": "8"},
            },
            "swept_2_values",
            "already tried",
        ),
        ({"sample_prompts": "\n".join("abcdefghi")}, "sample_prompts", "At most 8 prompts"),
        ({"max_samples": "1", "val_size": "0.1"}, "val_size", "nothing would be left"),
        ({"cutoff_len": "2000000"}, "cutoff_len", "at most 1,000,000."),
    ],
)
def test_the_preview_tells_it_at_the_field(
    alice: User, client: Client, sent: dict[str, str], field: str, told: str
) -> None:
    known = {"base_model": make_base_model().pk, "dataset": make_dataset(alice).pk}
    known |= {"stage": "sft", "method": "lora"}
    page = client.post("/training/preview/", known | sent).content.decode()
    found = re.search(rf'data-field="{field}">([^<]*)<', page)
    assert found is not None
    assert told in found[1]


def test_a_parameter_without_values_is_refused_at_the_start_only(
    alice: User, client: Client
) -> None:
    sent = {"name": "a", "base_model": make_base_model().pk, "dataset": make_dataset(alice).pk}
    sent |= {"stage": "sft", "method": "lora", "swept_1": "lora_rank"}
    page = client.post("/training/preview/", sent).content.decode()
    assert "cannot start yet" not in page
    refused = client.post("/training/new/", sent)
    assert refused.status_code == 422
    assert "Give each parameter at least one value." in refused.content.decode()


def test_the_preview_notes_what_is_rarely_meant(alice: User, client: Client) -> None:
    sent = filled(alice, learning_rate="0.5")
    page = client.post("/training/preview/", sent).content.decode()
    assert 'data-field="learning_rate" data-kind="note">High for this method' in page


def test_what_does_not_fit_starts_only_in_spite_of_it(alice: User, client: Client) -> None:
    make_node(gib=2)
    sent = filled(alice)
    page = client.post("/training/preview/", sent).content.decode()
    assert "Does not fit" in page
    assert 'name="allow_too_large"' in page
    assert "data-fill=" in page
    refused = client.post("/training/new/", sent)
    assert refused.status_code == 422
    assert "has 2.0" in refused.content.decode()
    assert not TrainingJob.objects.exists()
    client.post("/training/new/", sent | {"allow_too_large": "on"})
    job = TrainingJob.objects.get()
    assert job.forecast.is_overridden
    event = AuditEvent.objects.get(action="job.create")
    assert event.after is not None
    assert event.after["started_in_spite_of"] == "does not fit"


def test_where_and_how_long_it_runs(alice: User, client: Client) -> None:
    sent = filled(alice, processes="2", nodes="2", strategy="zero3", max_hours="5", priority="-5")
    page = client.post("/training/preview/", sent).content.decode()
    assert "NPROC_PER_NODE=2 NNODES=2" in page
    assert "zero_optimization" in page
    client.post("/training/new/", sent)
    job = TrainingJob.objects.get()
    assert (job.processes, job.node_count, job.strategy) == (2, 2, "zero3")
    assert (job.max_hours, job.priority) == (5, -5)
    form = client.get(f"/training/new/?clone={job.pk}").context["form"]
    assert (form["processes"].value(), form["nodes"].value()) == (2, 2)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"processes": "0"}, "processes"),
        ({"nodes": "many"}, "nodes"),
        ({"strategy": "fsdp"}, "strategy"),
        ({"max_hours": "-1"}, "max_hours"),
        ({"priority": "5"}, "priority"),
    ],
)
def test_wrong_places_are_refused_at_their_fields(
    alice: User, client: Client, changes: dict[str, str], field: str
) -> None:
    answer = client.post("/training/new/", filled(alice, **changes))
    assert answer.status_code == 422
    assert answer.context["form"].errors[field]
    assert not TrainingJob.objects.exists()


def test_every_parameter_can_be_found(alice: User, client: Client) -> None:
    make_base_model()
    make_dataset(alice)
    page = client.get("/training/new/").content.decode()
    for name in ("neftune_noise_alpha", "use_dora", "lr_scheduler_kwargs", "badam_mode"):
        assert name in page
    assert 'id="id_use_dora"' in page
    assert 'id="id_badam_mode"' not in page
    assert "would run code that a model brings" in page
    assert "trl up to 0.9.6" in page


def test_the_chat_template_of_the_model_is_chosen(alice: User, client: Client) -> None:
    model = make_base_model(name="Meta-Llama-3.1-8B", hub_id="meta/Meta-Llama-3.1-8B", template="")
    make_dataset(alice)
    response = client.get("/training/new/")
    assert response.context["model_templates"] == {str(model.pk): "llama3"}
    assert response.context["form"]["template"].value() == "llama3"


def test_the_preview_waits_for_model_and_dataset(client: Client) -> None:
    page = client.post("/training/preview/", {"stage": "sft", "method": "lora"}).content.decode()
    assert "Choose a base model and a dataset" in page


def test_the_job_page_shows_what_can_be_done(alice: User, client: Client) -> None:
    job = make_job(alice, Status.RUNNING)
    page = client.get(f"/training/{job.pk}/").content.decode()
    assert re.search(r'data-verb="pause"\s*>', page)
    assert 'data-verb="resume" hidden' in page
    assert "step 24 of 60" in page


def test_a_failure_is_a_cause_a_proof_and_advice(alice: User, client: Client) -> None:
    job = make_job(alice, Status.FAILED)
    add_log(job, ["fine", "Traceback (most recent call last):", "RuntimeError: <b>out</b>", "bye"])
    page = client.get(f"/training/{job.pk}/").content.decode()
    assert "Out of memory" in page
    assert "Use a smaller batch" in page
    assert "RuntimeError: &lt;b&gt;out&lt;/b&gt;" in page
    assert "bye</pre>" not in page
    assert f"?clone={job.pk}" in page


def test_a_failure_without_a_sign_shows_the_last_lines(alice: User, client: Client) -> None:
    job = make_job(alice, Status.FAILED, reason="unknown", detail="")
    add_log(job, [f"line {i}" for i in range(100)])
    page = client.get(f"/training/{job.pk}/").content.decode()
    assert "line 99" in page
    assert "line 50" in page and "line 49" not in page


def test_pause_and_stop(alice: User, client: Client) -> None:
    job = make_job(alice, Status.RUNNING)
    response = client.post(f"/training/{job.pk}/pause/", headers={"HX-Request": "true"})
    assert response.status_code == 204
    job.refresh_from_db()
    assert job.state == "pausing"
    assert client.post(f"/training/{job.pk}/stop/").status_code == 302
    job.refresh_from_db()
    assert job.state == "stopping"


def test_what_the_state_does_not_allow_is_said(alice: User, client: Client) -> None:
    job = make_job(alice, Status.SUCCESS)
    response = client.post(f"/training/{job.pk}/resume/", headers={"HX-Request": "true"})
    assert "present state" in response.headers["HX-Trigger"]
    page = client.post(f"/training/{job.pk}/resume/", follow=True).content.decode()
    assert "present state" in page


def test_delete(alice: User, client: Client) -> None:
    running, done = make_job(alice, Status.RUNNING), make_job(alice, Status.SUCCESS)
    assert (
        client.post(f"/training/{running.pk}/delete/")
        .headers["Location"]
        .endswith(f"{running.pk}/")
    )
    assert client.post(f"/training/{done.pk}/delete/").headers["Location"] == "/training/"
    assert list(TrainingJob.objects.all()) == [running]


def test_models_are_empty_at_first(client: Client) -> None:
    page = client.get("/models/").content.decode()
    assert "No model version yet" in page
    assert "No base model yet" in page


def test_models_lists_versions_and_base_models(alice: User, client: Client) -> None:
    job = make_job(alice, Status.SUCCESS, name="tuned")
    version = make_version(job)
    page = client.get("/models/").content.decode()
    assert f"/models/{version.pk}/" in page
    assert "0.52" in page
    assert "596 M" in page


def test_a_base_model_whose_making_was_stopped_is_not_in_the_making(
    alice: User, client: Client
) -> None:
    base = BaseModel.objects.create(owner=alice, name="half", path="/models/half", is_ready=False)
    build = ModelBuild.objects.create(owner=alice, name="half", base_model=base)
    assert "In the making" in client.get("/models/").text
    assert f"/models/base/{base.pk}/cancel/" in client.get(f"/models/base/{base.pk}/").text
    lifecycle.enqueue(build)
    client.post(f"/models/base/{base.pk}/cancel/")
    build.refresh_from_db()
    assert build.status == Status.STOPPED
    page = client.get("/models/").text
    assert "In the making" not in page and "Failed" in page
    page = client.get(f"/models/base/{base.pk}/", headers={"HX-Request": "true"}).text
    assert "It cannot be used." in page and "/cancel/" not in page


def test_a_base_model_is_registered(alice: User, client: Client) -> None:
    assert "Share with everyone" not in client.get("/models/base/new/").content.decode()
    sent = {"name": "Qwen3", "hub_id": "Qwen/Qwen3-8B", "template": "qwen3"}
    answer = client.post("/models/base/new/", sent)
    model = BaseModel.objects.get()
    assert answer.headers["Location"] == f"/models/base/{model.pk}/"
    assert not model.is_ready
    assert "Waits for a node" in client.get(f"/models/base/{model.pk}/").content.decode()
    assert (model.owner, model.hub_id, model.template) == (alice, "Qwen/Qwen3-8B", "qwen3")


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"name": "x"}, "path or a hub id"),
        ({"name": "x", "path": "/etc"}, "these folders only"),
        ({"name": "x", "hub_id": "../../etc"}, "A hub id looks like"),
        ({"name": "../x", "hub_id": "a/b"}, "cannot contain slashes"),
        ({"name": "x", "hub_id": "a/b", "template": "nosuch"}, "valid choice"),
    ],
)
def test_a_bad_base_model_is_refused(client: Client, sent: dict[str, str], said: str) -> None:
    response = client.post("/models/base/new/", sent)
    assert response.status_code == 422
    assert said in response.content.decode()


def test_only_admins_share(admin_user: User, client_for: ClientFor) -> None:
    sent = {"name": "Qwen3", "hub_id": "Qwen/Qwen3-8B", "is_shared": "on"}
    client_for(admin_user).post("/models/base/new/", sent)
    assert BaseModel.objects.get().owner is None


def test_deploy_and_undeploy(alice: User, client: Client) -> None:
    version = make_version(make_job(alice, Status.SUCCESS))
    url = f"/models/{version.pk}/"
    assert "Not deployed" in client.get(url).content.decode()
    client.post(f"{url}deploy/", {"name": "my-tuned"})
    assert Deployment.objects.get().name == "my-tuned"
    part = client.get(url, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert 'hx-trigger="every 2s"' in part
    assert "Waits for a place" in part
    again = client.post(f"{url}deploy/", headers={"HX-Request": "true"})
    assert again.headers["HX-Redirect"] == url
    assert Deployment.objects.count() == 1
    client.post(f"{url}undeploy/")
    assert "Not deployed" in client.get(url).content.decode()
    assert "present state" in client.post(f"{url}undeploy/", follow=True).content.decode()


def test_a_running_deployment_leads_to_the_chat(alice: User, client: Client) -> None:
    version = make_version(make_job(alice, Status.SUCCESS))
    model = providers.create_provider(actor=alice, preset="echo", name="tuned").models.all()[0]
    Deployment.objects.create(
        owner=alice,
        version=version,
        name="tuned",
        status="running",
        desired="run",
        provider_model=model,
    )
    for url in ("/models/", f"/models/{version.pk}/", f"/training/{version.job_id}/"):
        assert f"/chat/?model={model.pk}" in client.get(url).content.decode()


def test_a_failed_deployment_says_why(alice: User, client: Client) -> None:
    version = make_version(make_job(alice, Status.SUCCESS))
    Deployment.objects.create(
        owner=alice,
        version=version,
        name="x",
        status="failed",
        desired="stop",
        reason="out_of_memory",
        detail="CUDA out of memory",
    )
    page = client.get(f"/models/{version.pk}/").content.decode()
    assert "CUDA out of memory" in page
    assert f"/models/{version.pk}/deploy/" in page


def test_a_version_outlives_its_job(alice: User, client: Client) -> None:
    job = make_job(alice, Status.SUCCESS)
    version = make_version(job)
    job.delete()
    assert "The training was deleted" in client.get(f"/models/{version.pk}/").content.decode()


def test_download_without_files_says_so(alice: User, client: Client) -> None:
    version = make_version(make_job(alice, Status.SUCCESS), path="/etc")
    page = client.get(f"/models/{version.pk}/download/", follow=True).content.decode()
    assert "not on this machine any more" in page


def test_report_page_and_files(alice: User, client: Client) -> None:
    job = make_job(alice, Status.SUCCESS)
    add_metrics(job)
    assert "none missing" in client.get(f"/training/{job.pk}/report/").content.decode()
    answer = client.get(f"/training/{job.pk}/report/?format=pdf")
    assert answer.headers["Content-Type"] == "application/pdf"
    assert "identity-report.pdf" in answer.headers["Content-Disposition"]
    [event] = AuditEvent.objects.filter(action="job.report")
    assert event.after == {"format": "pdf"} and event.actor == alice
