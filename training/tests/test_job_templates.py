from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from accounts.models import AuditEvent, User
from training import job_templates
from training.models import JobTemplate
from training.tests.rows import make_base_model, make_dataset

ClientFor = Callable[[User], Client]
Api = Callable[..., Any]


def keep(owner: User, **more: Any) -> JobTemplate:
    known = {"name": "careful", "stage": "sft", "method": "lora"}
    known |= {"parameters": {"learning_rate": "1e-5"}}
    return job_templates.create_template(owner=owner, **known | more)


def refused(owner: User, **more: Any) -> set[str]:
    with pytest.raises(ValidationError) as caught:
        keep(owner, **more)
    return set(caught.value.message_dict)


def test_a_template_keeps_typed_parameters(alice: User) -> None:
    template = keep(alice)
    assert template.parameters == {"learning_rate": 0.00001}
    assert AuditEvent.objects.filter(action="job_template.create", actor=alice).exists()


def test_what_cannot_be_kept(alice: User) -> None:
    keep(alice)
    assert refused(alice) == {"template_name"}
    assert refused(alice, name=" ") == {"template_name"}
    assert refused(alice, name="a\u202eb") == {"template_name"}
    assert refused(alice, name="b", parameters={"output_dir": "/x"}) == {"output_dir"}
    assert refused(alice, name="b", stage="ppo") == {"stage"}
    assert refused(alice, name="b", method="magic") == {"method"}


def test_names_are_ones_own(alice: User, bob: User) -> None:
    keep(alice)
    assert keep(bob).name == "careful"


def test_the_form_is_kept_and_filled_again(alice: User, client_for: ClientFor) -> None:
    client, model = client_for(alice), make_base_model()
    make_dataset(alice)
    sent = {"stage": "sft", "method": "qlora", "base_model": model.pk, "lora_rank": "32"}
    answer = client.post("/training/templates/save/", sent | {"template_name": "small"})
    assert answer.status_code == 302
    template = JobTemplate.objects.get()
    assert template.base_model == model
    page = client.get(f"/training/new/?template={template.pk}")
    form = page.context["form"]
    assert form["method"].value() == "qlora"
    assert form["lora_rank"].value() == 32
    assert form["base_model"].value() == model.pk
    assert "small" in client.get("/training/templates/").content.decode()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"template_name": ""}, "Give it a name"),
        ({"template_name": "x", "learning_rate": "0"}, "greater than 0"),
    ],
)
def test_a_wrong_form_is_not_kept(
    alice: User, client_for: ClientFor, changes: dict[str, str], said: str
) -> None:
    make_base_model()
    make_dataset(alice)
    sent = {"stage": "sft", "method": "lora", "lora_alpha": "77"} | changes
    answer = client_for(alice).post("/training/templates/save/", sent)
    assert answer.status_code == 422
    page = answer.content.decode()
    assert said in page
    assert 'value="77"' in page
    assert not JobTemplate.objects.exists()


def test_shared_ones_are_there_to_be_used_only(
    alice: User, bob: User, client_for: ClientFor
) -> None:
    template = keep(alice)
    make_base_model()
    make_dataset(bob)
    client = client_for(bob)
    assert client.get(f"/training/new/?template={template.pk}").status_code == 404
    client_for(alice).post(f"/training/templates/{template.pk}/", {"shared": "yes"})
    page = client.get(f"/training/new/?template={template.pk}")
    assert page.context["form"]["learning_rate"].value() == "1e-05"
    assert client.post(f"/training/templates/{template.pk}/", {"shared": "no"}).status_code == 404
    assert client.post(f"/training/templates/{template.pk}/delete/").status_code == 404
    client_for(alice).post(f"/training/templates/{template.pk}/", {"shared": "no"})
    assert client.get(f"/training/new/?template={template.pk}").status_code == 404


def test_a_private_base_model_is_not_told(alice: User, bob: User, client_for: ClientFor) -> None:
    model = make_base_model(alice, name="hidden-from-bob")
    template = keep(alice, base_model=model, is_shared=True)
    make_base_model()
    make_base_model(name="other")
    make_dataset(bob)
    page = client_for(bob).get(f"/training/new/?template={template.pk}")
    assert page.context["form"]["base_model"].value() is None
    assert "hidden-from-bob" not in page.content.decode()


def test_delete(alice: User, client_for: ClientFor) -> None:
    template = keep(alice)
    client_for(alice).post(f"/training/templates/{template.pk}/delete/")
    assert not JobTemplate.objects.exists()
    assert AuditEvent.objects.filter(action="job_template.delete").exists()


def test_the_api(alice: User, bob: User, api: Api) -> None:
    made = api(alice).post("training/templates", name="careful", parameters={"lora_rank": 4})
    assert made.status_code == 201
    found = made.json()
    assert found["parameters"] == {"lora_rank": 4}
    path = f"training/templates/{found['id']}"
    assert api(bob).get(path).status_code == 404
    changed = api(alice).patch(path, is_shared=True, name="careful 2")
    assert (changed.json()["name"], changed.json()["is_shared"]) == ("careful 2", True)
    assert api(bob).get(path).status_code == 200
    assert api(bob).patch(path, is_shared=False).status_code == 404
    assert api(bob).delete(path).status_code == 404
    assert api(alice).delete(path).status_code == 204
    wrong = api(alice).post("training/templates", name="x", parameters={"hub_token": "t"})
    assert wrong.status_code == 422
    assert "hub_token" in wrong.json()["error"]["fields"]


def test_arguments_by_the_api(alice: User, api: Api) -> None:
    everything = api(alice).get("training/arguments?limit=1000").json()
    assert everything["count"] == len(everything["items"]) > 330
    found = api(alice).get("training/arguments?q=dropout").json()["items"]
    by_name = {row["name"]: row for row in found}
    assert by_name["lora_dropout"]["maximum"] == 0.9
    assert by_name["lora_dropout"]["blocked"] is None
    assert "not offered" in by_name["module_dropout"]["blocked"]


def test_yaml_by_the_api(alice: User, api: Api) -> None:
    text = "stage: sft\nlora_rank: 4\noutput_dir: /x"
    found = api(alice).post("training/import", yaml=text).json()
    assert found["parameters"] == {"lora_rank": 4}
    assert [each["name"] for each in found["refused"]] == ["output_dir"]
    assert api(alice).post("training/import", yaml="a: [").status_code == 422
