"""Vectors and scores for other apps, over HTTP from every dialect that has them."""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from accounts.models import User, UserLimits
from providers.errors import ProviderError
from providers.models import CallRecord, ProviderModel
from providers.services import aembed, arerank, create_provider, embed, rerank
from providers.tests.stand_in import LEAK
from providers.tests.vectors_server import DIMENSION, VectorsServer

MakeModel = Callable[..., ProviderModel]
DIALECTS = ("openai", "azure", "gemini", "ollama", "cohere")

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server(settings: Any) -> Iterator[VectorsServer]:
    settings.ALLOW_PRIVATE_PROVIDER_URLS = True
    server = VectorsServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def make_model(server: VectorsServer, alice: User) -> MakeModel:
    def make(kind: str = "openai", main_type: str = "embedding", **fields: Any) -> ProviderModel:
        fields = {"base_url": server.url, "api_key": "sk-stored-key-12345", "name": kind, **fields}
        provider = create_provider(actor=alice, kind=kind, **fields)
        return ProviderModel.objects.create(
            provider=provider, model_id="m", name="m", types=[main_type], main_type=main_type
        )

    return make


@pytest.mark.parametrize("kind", DIALECTS)
def test_every_dialect_gives_vectors(
    server: VectorsServer, make_model: MakeModel, alice: User, kind: str
) -> None:
    texts = ["a" * length for length in range(1, 120)]
    found = embed(model=make_model(kind), texts=texts, user=alice, expected=DIMENSION)
    assert found == [[float(len(text)), 0.5, -1] for text in texts]
    assert all(type(each) in (int, float) for each in found[0])
    rows = CallRecord.objects.order_by("pk")
    assert len(rows) == len(server.seen) == {"gemini": 2, "cohere": 2}.get(kind, 4)
    assert {(row.kind, row.user, row.source) for row in rows} == {("embedding", alice, "knowledge")}
    assert {(row.status, row.completion_tokens) for row in rows} == {("done", 0)}
    is_estimated = kind == "gemini"
    assert {row.is_estimated for row in rows} == {is_estimated}
    if not is_estimated:
        assert sum(row.prompt_tokens or 0 for row in rows) == sum(map(len, texts))


def test_what_a_text_is_for_and_the_length_are_asked_for(
    server: VectorsServer, make_model: MakeModel, alice: User
) -> None:
    model = make_model("cohere")
    embed(model=model, texts=["q"], user=alice, is_query=True, dimensions=3, source="trial")
    embed(model=model, texts=["d"], user=alice)
    asked, told = server.seen
    assert (asked["input_type"], asked["output_dimension"]) == ("search_query", 3)
    assert told["input_type"] == "search_document" and "output_dimension" not in told
    assert CallRecord.objects.order_by("pk")[0].source == "trial"


def test_a_batch_is_what_the_provider_takes(
    server: VectorsServer, make_model: MakeModel, alice: User
) -> None:
    model = make_model(profile={"embedding_batch": 2})
    assert len(embed(model=model, texts=["a", "b", "c"], user=alice)) == 3
    assert [body["input"] for body in server.seen] == [["a", "b"], ["c"]]
    server.seen.clear()
    long = "词" * 150_000
    embed(model=make_model(name="other"), texts=[long, "a", long], user=alice)
    assert [len(body["input"]) for body in server.seen] == [2, 1], "by tokens, too"


def test_nothing_is_asked_for_nothing(
    server: VectorsServer, make_model: MakeModel, alice: User
) -> None:
    model = make_model()
    assert embed(model=model, texts=[], user=alice) == []
    assert rerank(model=model, query="q", texts=[], user=alice) == []
    for work in (
        lambda: embed(model=model, texts=["a", " "], user=alice),
        lambda: rerank(model=model, query="", texts=["a"], user=alice),
    ):
        with pytest.raises(ProviderError) as error:
            work()
        assert error.value.code == "bad_request"
    assert not server.seen and not CallRecord.objects.exists()


def test_vectors_of_no_use_are_refused(
    server: VectorsServer, make_model: MakeModel, alice: User
) -> None:
    model = make_model()
    others = [make_model(kind) for kind in DIALECTS[1:]]
    modes = ("fewer", "ragged", "shorter", "none", "nan", "null", "huge", "text")
    asked = [(model, mode) for mode in modes] + [(other, "fewer") for other in others]
    for each, server.mode in asked:
        with pytest.raises(ProviderError) as error:
            embed(model=each, texts=["a", "b"], user=alice, expected=DIMENSION)
        assert error.value.code == "invalid_answer"
    rows = {(row.status, row.error_code, row.cost) for row in CallRecord.objects.all()}
    assert rows == {("failed", "invalid_answer", None)}
    assert CallRecord.objects.count() == len(asked)


def test_the_length_stays_the_same_over_batches(
    server: VectorsServer, make_model: MakeModel, alice: User
) -> None:
    server.modes, server.mode = ["ok"], "shorter"
    with pytest.raises(ProviderError, match="another length"):
        embed(model=make_model(profile={"embedding_batch": 1}), texts=["a", "b"], user=alice)
    assert [row.status for row in CallRecord.objects.order_by("pk")] == ["done", "failed"]


def test_refusals_are_in_the_one_vocabulary(
    server: VectorsServer, make_model: MakeModel, alice: User
) -> None:
    models = [make_model(kind) for kind in DIALECTS]
    wanted = {"401": ("authentication", None), "429": ("rate_limited", 7.0)}
    for model, server.mode in itertools.product(models, wanted):
        with pytest.raises(ProviderError) as error:
            embed(model=model, texts=["a"], user=alice)
        assert (error.value.code, error.value.retry_after_s) == wanted[server.mode]
        assert LEAK not in str(error.value)
    codes = [row.error_code for row in CallRecord.objects.order_by("pk")]
    assert codes == ["authentication", "rate_limited"] * len(models)


def test_what_may_pass_is_asked_again(
    server: VectorsServer, make_model: MakeModel, alice: User
) -> None:
    server.modes = ["500"]
    assert embed(model=make_model(), texts=["a"], user=alice, retries=1) == [[1.0, 0.5, -1]]
    assert len(server.seen) == 2 and CallRecord.objects.get().status == "done"
    server.modes = ["500", "500"]
    with pytest.raises(ProviderError) as error:
        embed(model=make_model(name="twice"), texts=["a"], user=alice, retries=1)
    assert error.value.code == "unavailable"


def test_a_replica_answers_where_the_first_does_not(
    server: VectorsServer, make_model: MakeModel, alice: User
) -> None:
    model, replica = make_model(), make_model(name="beside", base_url="http://127.0.0.1:9/v1")
    replica.replica_of = model
    replica.save()
    type(model.provider).objects.update(is_managed=True)
    model.refresh_from_db()
    for _each in range(3):
        assert embed(model=model, texts=["a"], user=alice)


def test_a_used_up_budget_asks_nobody(
    server: VectorsServer, make_model: MakeModel, alice: User
) -> None:
    UserLimits.objects.create(user=alice, budget_day_usd=0)
    for work in (
        lambda: embed(model=make_model(), texts=["a"], user=alice),
        lambda: rerank(model=make_model(name="r"), query="q", texts=["a"], user=alice),
    ):
        with pytest.raises(ProviderError) as error:
            work()
        assert error.value.code == "budget_exceeded"
    rows = CallRecord.objects.order_by("pk")
    assert [(row.status, row.kind) for row in rows] == [
        ("refused", "embedding"),
        ("refused", "rerank"),
    ]
    assert not server.seen


def test_calls_cost_what_the_price_says(make_model: MakeModel, alice: User) -> None:
    model = make_model()
    model.own_prices.create(input_per_mtok=Decimal(2), output_per_mtok=Decimal(100))
    UserLimits.objects.create(user=alice, budget_day_usd=1)
    embed(model=model, texts=["abcd"], user=alice)
    row = CallRecord.objects.get()
    assert (row.cost, row.currency) == (Decimal("0.000008"), "USD")


async def test_an_event_loop_asks_many_at_once(
    server: VectorsServer, make_model: MakeModel, alice: User
) -> None:
    server.think_s = 0.05
    model = await asyncio.to_thread(make_model)
    found = await asyncio.gather(
        *(aembed(model=model, texts=["a" * size], user=alice) for size in range(1, 9))
    )
    assert [rows[0][0] for rows in found] == list(range(1, 9))
    assert await CallRecord.objects.acount() == 8


async def test_a_cancelled_call_is_recorded(
    server: VectorsServer, make_model: MakeModel, alice: User
) -> None:
    server.mode = "hang"
    model = await asyncio.to_thread(make_model)
    task = asyncio.create_task(aembed(model=model, texts=["a"], user=alice))
    while not server.seen:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await CallRecord.objects.aget()).status == "stopped"


def test_a_worker_holds_no_connection_meanwhile(
    server: VectorsServer, make_model: MakeModel, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[bool] = []
    close = connection.close

    def note() -> None:
        closed.append(not server.seen)
        close()

    model = make_model()
    monkeypatch.setattr(connection, "close", note)
    embed(model=model, texts=["a"], user=alice)
    assert closed[:1] == [True]


def test_texts_are_ranked(server: VectorsServer, make_model: MakeModel, alice: User) -> None:
    texts = ["a" * length for length in range(150, 0, -1)]
    for kind in ("cohere", "openai", "azure"):
        scores = rerank(model=make_model(kind, "rerank"), query="q", texts=texts, user=alice)
        assert scores == [len(text) / 100 for text in texts]
    assert [len(body["documents"]) for body in server.seen] == [100, 50] * 3
    rows = CallRecord.objects.all()
    assert {(row.kind, row.user, row.status) for row in rows} == {("rerank", alice, "done")}


def test_scores_of_no_use_are_refused(
    server: VectorsServer, make_model: MakeModel, alice: User
) -> None:
    model = make_model("cohere", "rerank")
    codes = {"401": "authentication", "429": "rate_limited"}
    for server.mode in ("fewer", "twice", "beyond", "huge", *codes):
        with pytest.raises(ProviderError) as error:
            rerank(model=model, query="q", texts=["a", "b"], user=alice)
        assert error.value.code == codes.get(server.mode, "invalid_answer")


async def test_ranking_without_a_thread(make_model: MakeModel, alice: User) -> None:
    model = await asyncio.to_thread(make_model, "cohere", "rerank")
    assert await arerank(model=model, query="q", texts=["abc", "a"], user=alice) == [0.03, 0.01]


def test_a_dialect_without_them_says_so(make_model: MakeModel, alice: User) -> None:
    model = make_model("anthropic")
    for work in (
        lambda: embed(model=model, texts=["a"], user=alice),
        lambda: rerank(model=model, query="q", texts=["a"], user=alice),
    ):
        with pytest.raises(ProviderError) as error:
            work()
        assert error.value.code == "not_supported"


def test_models_are_found_by_their_type(make_model: MakeModel, alice: User, bob: User) -> None:
    vectors, ranker = make_model(), make_model(main_type="rerank", name="r")
    mine = ProviderModel.objects.for_user(alice).usable()
    assert [*mine.embedding()] == [vectors] and [*mine.rerank()] == [ranker]
    assert not ProviderModel.objects.for_user(bob).usable().embedding()
