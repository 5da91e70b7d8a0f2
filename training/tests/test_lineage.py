"""The lineage of a version as a graph and a picture, and two versions side by side."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from training.lineage import columns_of, graph_of, picture_of, shortened
from training.models import Deployment, ModelExport, ModelVersion, Status
from training.tests.rows import make_base_model, make_job, make_version

Api = Callable[[User], Any]


@pytest.fixture
def child(alice: User) -> ModelVersion:
    """A version trained on from another one, exported and served."""
    parent = make_version(make_job(alice, Status.SUCCESS, name="first"))
    parent_job = parent.job
    assert parent_job is not None
    job = make_job(
        alice, Status.SUCCESS, name="second", base_model=parent_job.base_model, start_version=parent
    )
    version = make_version(job)
    version.parent = parent
    version.save()
    Deployment.objects.create(owner=alice, name="second", version=version, status=Status.RUNNING)
    ModelExport.objects.create(owner=alice, name="second", version=version, status=Status.SUCCESS)
    return version


def kinds(graph: Any, start: str) -> set[str]:
    return {graph.nodes[b].kind for a, b in graph.edges if a == start}


def test_everything_behind_and_after_a_version(child: ModelVersion) -> None:
    graph = graph_of(child)
    me, parent = f"version-{child.pk}", f"version-{child.parent_id}"
    assert graph.nodes[me].is_focus
    assert kinds(graph, me) == {"deployment", "export"}
    assert kinds(graph, parent) == {"job"}
    assert (f"job-{child.job_id}", me) in graph.edges
    columns = columns_of(graph)
    assert all(columns[start] < columns[end] for start, end in graph.edges)
    assert columns[me] == 4  # base model, training, version, training, version


def test_an_export_that_became_a_base_model(alice: User, child: ModelVersion) -> None:
    base = make_base_model(alice, name="merged", source_version=child)
    later = make_version(make_job(alice, Status.SUCCESS, name="third", base_model=base))
    graph = graph_of(later)
    assert f"version-{child.pk}" in graph.nodes
    assert (f"version-{child.pk}", f"base_model-{base.pk}") in graph.edges
    assert f"base_model-{base.pk}" in graph_of(child).nodes


def test_what_was_deleted_is_told_from_the_record(alice: User, child: ModelVersion) -> None:
    ModelVersion.objects.filter(pk=child.pk).update(parent=None, base_model=None, job=None)
    graph = graph_of(ModelVersion.objects.get(pk=child.pk))
    gone = {node.kind for node in graph.nodes.values() if not node.is_here}
    assert gone == {"base_model", "dataset", "job", "export"}
    assert any(node.title == "identity" for node in graph.nodes.values())


def test_boxes_do_not_overlap(child: ModelVersion) -> None:
    picture = picture_of(graph_of(child))
    spots = [(box.x, box.y) for box in picture.boxes]
    assert len(set(spots)) == len(spots)
    assert all(x + picture.box_width <= picture.width for x, _y in spots)
    assert all(y >= 0 and y + picture.box_height <= picture.height for _x, y in spots)
    assert len(picture.curves) == len(graph_of(child).edges)


def test_titles_fit_their_box() -> None:
    assert shortened("short", 22) == "short"
    assert shortened("a" * 40, 22) == "a" * 22 + "…"
    assert shortened("模型" * 20, 22) == "模型" * 5 + "模…"


def test_the_page_and_the_api_show_it(
    alice: User, bob: User, api: Api, client_for: Callable[[User], Client], child: ModelVersion
) -> None:
    page = client_for(alice).get(f"/models/{child.pk}/").content.decode()
    assert 'class="lineage"' in page and f'href="/models/{child.parent_id}/"' in page
    assert "style=" not in page.partition('class="lineage"')[2].partition("</svg>")[0]
    told = api(alice).get(f"training/models/{child.pk}/lineage").json()
    assert {node["kind"] for node in told["nodes"]} == {
        *("base_model", "dataset", "job", "version", "export", "deployment"),
    }
    assert api(bob).get(f"training/models/{child.pk}/lineage").status_code == 404


def test_two_versions_side_by_side(
    alice: User, bob: User, api: Api, client_for: Callable[[User], Client], child: ModelVersion
) -> None:
    parent = child.parent
    assert parent is not None
    parent.metrics = {"loss": 0.9}
    parent.lineage["parameters"] = {"learning_rate": 0.0001, "lora_rank": 8}
    parent.save()
    found = api(alice).get(f"training/models/{parent.pk}/compare?other={child.pk}").json()
    rows = {(row["section"], row["name"]): row for row in found["rows"]}
    assert rows["parameters", "learning_rate"]["differs"] is False
    rank = rows["parameters", "lora_rank"]
    assert (rank["left"], rank["right"], rank["differs"]) == (8, None, True)
    assert rows["results", "loss"]["differs"] is True
    assert rows["data", "dataset_sha256"]["differs"] is False
    page = client_for(alice).get(f"/models/{parent.pk}/compare/?with={child.pk}").content.decode()
    assert "first v1 and second v1" in page
    assert page.count('class="differs"') == sum(row["differs"] for row in found["rows"])
    stranger = make_version(make_job(bob, Status.SUCCESS))
    assert (
        api(alice).get(f"training/models/{child.pk}/compare?other={stranger.pk}").status_code == 404
    )
    url = f"/models/{child.pk}/compare/?with="
    assert client_for(alice).get(f"{url}{stranger.pk}").status_code == 404
    assert client_for(alice).get(f"{url}x").status_code == 404
