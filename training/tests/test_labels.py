"""Labels of versions, what can stand against them, the way back, and the route that follows."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, User
from providers.errors import NoSuchModel
from providers.gateway.authentication import Caller
from providers.gateway.routing import load_directory
from providers.models import Alias, ProviderModel
from providers.services import publish_model, resolve_chat_target, withdraw_model
from training import gates, labels, registry, routes, versions
from training.errors import StateConflict
from training.gates import Gate
from training.models import (
    Deployment,
    Desired,
    Label,
    LabelMove,
    LabelWaiver,
    ModelFamily,
    ModelVersion,
    Status,
)
from training.tests.rows import make_job, make_version

Api = Callable[[User], Any]
ClientFor = Callable[[User], Client]
MakeVersion = Callable[..., ModelVersion]


@pytest.fixture
def make(alice: User, tmp_path: Any) -> MakeVersion:
    """Versions whose files are here; `name` says of which model."""

    def make_one(name: str = "identity", owner: User = alice) -> ModelVersion:
        folder = tmp_path / f"version-{ModelVersion.objects.count()}"
        folder.mkdir()
        return make_version(make_job(owner, Status.SUCCESS, name=name), str(folder))

    return make_one


def serve(version: ModelVersion, port: int) -> Deployment:
    """As the shim leaves it once the model answers."""
    deployment = version.deployment
    if deployment is None or deployment.is_final:
        deployment = registry.deploy(version=version, actor=version.owner)
    rows = Deployment.objects.filter(pk=deployment.pk)
    rows.update(status=Status.RUNNING, desired=Desired.RUN, port=port)
    deployment.refresh_from_db()
    registry.publish(deployment)
    deployment.refresh_from_db()
    return deployment


def family_of(version: ModelVersion) -> ModelFamily:
    return ModelFamily.objects.get(versions=version)


def answering(user: User, version: ModelVersion) -> str:
    """The address that a chat with the route would call now."""
    route = family_of(version).route
    assert route is not None
    return resolve_chat_target(user=user, model_pk=route.pk).base_url


def bad(version: ModelVersion) -> list[str]:
    return ["It is worse than before."]


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> None:
    """One check that nothing passes."""
    monkeypatch.setattr(gates, "GATES", (Gate("quality", "Quality", bad),))


def test_versions_of_a_name_are_counted(alice: User, bob: User, make: MakeVersion) -> None:
    first, second, copy = make(), make(), make("identity-2")
    other, foreign = make("llama-3"), make(owner=bob)
    assert [v.title for v in (first, second, copy)] == [
        *("identity v1", "identity v2", "identity v3"),
    ]
    assert other.title == "llama-3 v1"
    assert foreign.title == "identity v1"


def test_a_label_is_moved_from_one_version_to_the_other(
    alice: User, make: MakeVersion, api: Api
) -> None:
    first, second = make(), make()
    for version in (first, second):
        answer = api(alice).post(f"training/models/{version.pk}/labels", label="Candidate")
        assert answer.json()["labels"] == ["candidate"]
    assert Label.objects.get().version == second
    moves = api(alice).get(f"training/models/{first.pk}/label-moves").json()
    assert [(m["from_version"], m["to_version"]) for m in moves] == [
        *((first.pk, second.pk), (None, first.pk)),
    ]
    api(alice).post(f"training/models/{second.pk}/labels", label="candidate")
    assert LabelMove.objects.count() == 2
    gone = api(alice).delete(f"training/models/{second.pk}/labels?label=candidate")
    assert gone.json()["labels"] == []
    assert (
        api(alice).delete(f"training/models/{second.pk}/labels?label=candidate").status_code == 409
    )
    told = AuditEvent.objects.filter(action__startswith="label.").values_list("action", flat=True)
    assert sorted(told) == ["label.move"] * 3 + ["label.remove"]


@pytest.mark.parametrize("label", ["", "two words", "-x", "a/b", "x" * 41, "<b>"])
def test_a_label_is_a_word(alice: User, make: MakeVersion, api: Api, label: str) -> None:
    refused = api(alice).post(f"training/models/{make().pk}/labels", label=label)
    assert refused.status_code == 422
    assert "label" in refused.json()["error"]["fields"]


def test_labels_of_two_models_do_not_meet(alice: User, make: MakeVersion) -> None:
    first, other = make("a"), make("b")
    for version in (first, other):
        labels.move_label(version=version, label="生产", actor=alice)
    assert first.labels == other.labels == ["生产"]


def test_a_check_keeps_a_version_from_production_alone(
    alice: User, make: MakeVersion, api: Api, gate: None, client_for: ClientFor
) -> None:
    version = make()
    refused = api(alice).post(f"training/models/{version.pk}/labels", label="production")
    assert refused.status_code == 409
    error = refused.json()["error"]
    assert error["code"] == "label_blocked"
    assert error["fields"] == {"label": ["It is worse than before."]}
    # A reason is an administrator's alone.
    again = api(alice).post(
        f"training/models/{version.pk}/labels", label="production", reason="I want it"
    )
    assert again.status_code == 409
    assert not Label.objects.exists()
    asked = api(alice).get(f"training/models/{version.pk}/gate").json()
    assert asked["problems"][0]["gate"] == "quality"
    page = client_for(alice).get(f"/models/{version.pk}/").content.decode()
    assert "It is worse than before." in page
    assert "Reason for the exception" not in page
    assert (
        api(alice).post(f"training/models/{version.pk}/labels", label="candidate").status_code
        == 200
    )


def test_an_administrator_decides_with_a_reason(
    admin_user: User, make: MakeVersion, api: Api, gate: None
) -> None:
    version = make(owner=admin_user)
    path = f"training/models/{version.pk}/labels"
    assert api(admin_user).post(path, label="production").status_code == 409
    short = api(admin_user).post(path, label="production", reason="x")
    assert list(short.json()["error"]["fields"]) == ["reason"]
    done = api(admin_user).post(path, label="production", reason="The customer has agreed.")
    assert done.json()["labels"] == ["production"]
    event = AuditEvent.objects.get(action="label.override")
    assert event.after == {
        **{"label": "production", "version": "identity v1"},
        **{"reason": "The customer has agreed.", "against": "It is worse than before."},
    }
    assert LabelMove.objects.get().overridden == ["It is worse than before."]


def test_an_exception_for_somebody_elses_version(
    alice: User, bob: User, admin_user: User, make: MakeVersion, api: Api, gate: None
) -> None:
    version = make()
    path = f"training/models/{version.pk}/waivers"
    assert api(alice).post(path, reason="Please let me").status_code == 403
    assert api(bob).post(path, reason="Please let me").status_code == 404
    assert api(admin_user).post(path, reason=" ").status_code == 422
    assert api(admin_user).post(path, reason="Only for the demo").status_code == 201
    assert AuditEvent.objects.filter(action="label.waive", actor=admin_user).exists()
    moved = api(alice).post(f"training/models/{version.pk}/labels", label="production")
    assert moved.json()["labels"] == ["production"]
    assert LabelWaiver.objects.get().actor == admin_user
    with pytest.raises(ValidationError):
        labels.waive(version=version, label="production", reason="so there", actor=alice)


def test_the_console_makes_an_exception(
    admin_user: User, make: MakeVersion, client_for: ClientFor, gate: None
) -> None:
    version, client = make(), client_for(admin_user)
    url = reverse("admin:training_labelwaiver_add")
    sent = {"version": version.pk, "label": "production", "reason": ""}
    assert "reason" in client.post(url, sent).context["adminform"].form.errors
    assert client.post(url, sent | {"reason": "Agreed with the customer"}).status_code == 302
    assert labels.standing_against(version, "production") == []
    assert AuditEvent.objects.filter(action="label.waive").count() == 1
    row = LabelWaiver.objects.get()
    shown = client.get(reverse("admin:training_labelwaiver_change", args=[row.pk]))
    assert "Agreed with the customer" in shown.content.decode()
    delete = reverse("admin:training_labelwaiver_delete", args=[row.pk])
    assert client.post(delete, {"post": "yes"}).status_code == 302
    assert labels.standing_against(version, "production")


def test_the_route_follows_the_label_and_goes_back(
    alice: User, bob: User, make: MakeVersion, api: Api
) -> None:
    first, second = make(), make()
    labels.move_label(version=first, label="production", actor=alice)
    assert family_of(first).route is None
    served = serve(first, 7001)
    assert answering(alice, first) == "http://127.0.0.1:7001/v1"
    family = family_of(first)
    assert versions.route_names(ModelVersion.objects.get(pk=first.pk)) == [
        *("identity", "identity@production"),
    ]
    # The other version is started by the move, and takes over once it answers.
    labels.move_label(version=second, label="production", actor=alice)
    assert second.deployment is not None
    assert answering(alice, first) == "http://127.0.0.1:7001/v1"
    serve(second, 7002)
    assert answering(alice, first) == "http://127.0.0.1:7002/v1"
    catalogue = load_directory().for_caller(Caller(0, alice.pk, frozenset(), None, None))
    [member] = catalogue.plan("identity").members
    assert member.route.target.base_url == "http://127.0.0.1:7002/v1"
    assert member.route.target.extra_body["model"] == "identity"
    assert catalogue.plan("identity@production").members[0].route == member.route
    # Both are still served, so that the way back restarts nothing.
    before = Deployment.objects.count()
    back = api(alice).post(f"training/models/{second.pk}/rollback")
    assert back.json()["id"] == first.pk
    assert back.json()["labels"] == ["production"]
    assert answering(alice, first) == "http://127.0.0.1:7001/v1"
    assert Deployment.objects.count() == before
    served.refresh_from_db()
    assert served.status == Status.RUNNING
    assert family_of(first).route == family.route
    assert api(alice).post(f"training/models/{first.pk}/rollback").status_code == 409
    with pytest.raises(NoSuchModel):
        resolve_chat_target(user=bob, model_pk=family.route_id or 0)


def test_a_rollback_goes_back_step_by_step(alice: User, make: MakeVersion) -> None:
    one, two, three = make(), make(), make()
    for version in (one, two, three):
        labels.move_label(version=version, label="production", actor=alice)
    family = family_of(one)
    assert labels.roll_back(family=family, label="production", actor=alice) == two
    assert labels.roll_back(family=family, label="production", actor=alice) == one
    with pytest.raises(StateConflict):
        labels.roll_back(family=family, label="production", actor=alice)


def test_the_route_rests_when_nothing_answers(alice: User, make: MakeVersion) -> None:
    version = make()
    labels.move_label(version=version, label="production", actor=alice)
    serve(version, 7001)
    route = family_of(version).route
    assert route is not None
    registry.undeploy(version=version, actor=alice)
    with pytest.raises(NoSuchModel):
        answering(alice, version)
    Deployment.objects.update(status=Status.STOPPED)
    serve(version, 7009)
    assert answering(alice, version) == "http://127.0.0.1:7009/v1"
    assert family_of(version).route == route
    labels.take_label(version=version, label="production", actor=alice)
    with pytest.raises(NoSuchModel):
        answering(alice, version)


def test_an_alias_of_that_name_stays_its_owners(alice: User, make: MakeVersion) -> None:
    mine = Alias.objects.create(owner=alice, name="identity")
    version = make()
    labels.move_label(version=version, label="production", actor=alice)
    serve(version, 7001)
    assert list(mine.members.all()) == []
    assert versions.route_names(ModelVersion.objects.get(pk=version.pk)) == ["identity@production"]


def test_a_withdrawn_model_leaves_the_route_without_an_end(alice: User, make: MakeVersion) -> None:
    version = make()
    labels.move_label(version=version, label="production", actor=alice)
    deployment = serve(version, 7001)
    assert deployment.provider_model is not None
    withdraw_model(deployment.provider_model)
    routes.follow(family_of(version))
    with pytest.raises(NoSuchModel):
        answering(alice, version)
    assert publish_model(
        name="x", base_url="http://127.0.0.1:1/v1", api_key="k", model_id="x", owner=alice
    )
    assert ProviderModel.objects.filter(model_id="identity@production").count() == 1


# --- Notes, archive, filters ---------------------------------------------------------------------


def test_a_version_is_put_away_and_taken_out(alice: User, make: MakeVersion, api: Api) -> None:
    version = make()
    path = f"training/models/{version.pk}"
    labels.move_label(version=version, label="candidate", actor=alice)
    assert api(alice).patch(path, archived=True).status_code == 409
    labels.take_label(version=version, label="candidate", actor=alice)
    assert api(alice).patch(path, archived=True).json()["archived_at"]
    assert api(alice).get("training/models").json()["items"] == []
    assert len(api(alice).get("training/models?archived=true").json()["items"]) == 1
    assert api(alice).post(f"{path}/labels", label="candidate").status_code == 409
    assert api(alice).patch(path, archived=False).json()["archived_at"] is None


def test_notes_and_another_model(alice: User, make: MakeVersion, api: Api) -> None:
    version, other = make("a"), make("b")
    changed = api(alice).patch(f"training/models/{version.pk}", notes="good", model="b").json()
    assert (changed["notes"], changed["model"], changed["number"]) == ("good", "b", 2)
    labels.move_label(version=other, label="candidate", actor=alice)
    assert api(alice).patch(f"training/models/{other.pk}", model="c").status_code == 409
    bad = api(alice).patch(f"training/models/{version.pk}", model="../c")
    assert list(bad.json()["error"]["fields"]) == ["model"]


def test_the_list_is_filtered(
    alice: User, make: MakeVersion, api: Api, client_for: ClientFor
) -> None:
    version, _other = make("a"), make("b")
    labels.move_label(version=version, label="candidate", actor=alice)
    names = [row["model"] for row in api(alice).get("training/models?model=b").json()["items"]]
    assert names == ["b"]
    names = [
        row["model"] for row in api(alice).get("training/models?label=candidate").json()["items"]
    ]
    assert names == ["a"]
    page = client_for(alice).get("/models/?label=candidate").content.decode()
    assert "a v1" in page and "b v1" not in page
    assert "Nothing is archived" in client_for(alice).get("/models/?archived=1").content.decode()


def test_the_pages_verbs(alice: User, make: MakeVersion, client_for: ClientFor) -> None:
    client, first, second = client_for(alice), make(), make()
    for version in (first, second):
        client.post(f"/models/{version.pk}/label/", {"label": "production"})
    page = client.get(f"/models/{second.pk}/").content.decode()
    assert "Roll back to identity v1" in page
    answer = client.post(f"/models/{second.pk}/rollback/", {"label": "production"})
    assert answer.headers["Location"] == f"/models/{first.pk}/"
    client.post(f"/models/{first.pk}/label/", {"label": "", "own": "mine"})
    assert first.labels == ["mine", "production"]
    client.post(f"/models/{first.pk}/unlabel/", {"label": "mine"})
    assert ModelVersion.objects.get(pk=first.pk).labels == ["production"]
    client.post(f"/models/{second.pk}/archive/", {"archived": "1"})
    assert "Archived" in client.get(f"/models/{second.pk}/").content.decode()
    client.post(f"/models/{second.pk}/archive/", {"archived": "0"})
    kept = client.post(f"/models/{first.pk}/change/", {"notes": "kept", "model": "a/b"})
    assert kept.status_code == 422
    assert "kept" in kept.content.decode() and "cannot contain slashes" in kept.content.decode()
