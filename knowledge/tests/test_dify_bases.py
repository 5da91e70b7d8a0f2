"""Knowledge bases of Dify as ours: chosen on a page, searched there, away."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from knowledge import finding
from knowledge.models import Base
from providers.dify.connecting import connect_dify
from providers.models import Provider
from providers.tests.dify_server import KNOWLEDGE_KEY, QUERY_MAX_CHARS, DifyServer, Refused

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def dify(settings: Any) -> Iterator[DifyServer]:
    settings.ALLOW_PRIVATE_PROVIDER_URLS = True
    server = DifyServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def connection(dify: DifyServer, alice: User) -> Provider:
    return connect_dify(actor=alice, base_url=dify.url, api_key=KNOWLEDGE_KEY, name="Our Dify")


def _find(base: Base, question: str = "How long?", **changed: Any) -> Any:
    settings = finding.Settings.of(base, **changed)
    return finding.find_in(base, question, user=base.owner, settings=settings)


def test_one_is_connected_and_tried(
    connection: Provider,
    alice: User,
    bob: User,
    client_for: Callable[[User], Client],
    dify: DifyServer,
) -> None:
    client, address = client_for(alice), reverse("knowledge:dify")
    html = client.get(address).content.decode()
    assert "Manual" in html and "Prices" not in html, "Dify cannot search that one"
    fields = {"name": "Of Dify", "dataset": f"{connection.pk}:d1"}
    assert client_for(bob).post(address, fields).status_code == 422
    made = client.post(address, fields)
    base = Base.objects.get()
    assert made.headers["Location"] == reverse("knowledge:try", args=[base.pk])
    html = client.post(
        made.headers["Location"],
        {"question": "How long?", "mode": "dense", "top_k": 2, "score_threshold": 0},
    ).content.decode()
    assert html.count("manual.md") == 2 and "Search by words –" not in html
    asked = dify.called("/datasets/d1/retrieve")[-1].body["retrieval_model"]
    assert (asked["search_method"], asked["top_k"]) == ("semantic_search", 2)
    settings = client.get(reverse("knowledge:settings", args=[base.pk])).content.decode()
    assert "Knowledge id" not in settings, "Dify needs no way back to its own"
    documents = client.get(reverse("knowledge:detail", args=[base.pk]))
    assert documents.headers["Location"] == reverse("knowledge:try", args=[base.pk])


def test_what_it_finds_is_cut_to_what_dify_reads_and_scored(
    connection: Provider, alice: User
) -> None:
    base = Base.objects.create(
        owner=alice, name="D", source="dify", provider=connection, dataset_id="d1"
    )
    found = _find(base, "How long? " * QUERY_MAX_CHARS)
    assert [passage.score for passage in found.passages] == [0.75, 0.5, 0.25]
    assert {passage.document_id for passage in found.passages} == {None}
    assert len(_find(base, score_threshold=0.6).passages) == 1


def test_one_that_is_away_is_said_and_hides_no_other(
    connection: Provider, alice: User, dify: DifyServer
) -> None:
    base = Base.objects.create(
        owner=alice, name="D", source="dify", provider=connection, dataset_id="d1"
    )
    dify.failures["/datasets/d1"] = Refused(401, "unauthorized")
    found = _find(base)
    assert (found.passages, [each.code for each in found.remarks]) == ([], ["unavailable"])
    assert _find(base).passages
    Provider.objects.update(is_enabled=False)
    base = Base.objects.get()
    assert [each.code for each in _find(base).remarks] == ["unavailable"], "switched off is off"
    Provider.objects.all().delete()
    base = Base.objects.get()
    assert [each.code for each in _find(base).remarks] == ["unavailable"]
