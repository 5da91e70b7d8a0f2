"""Pages of batch comparisons, and that they stay quick with many answers."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import AuditEvent, User
from chat.batches import services as batches
from chat.batches.overview import overview
from chat.batches.questions import Question, Reading
from chat.batches.regressions import regressions
from chat.models import Batch, BatchStatus, CellStatus
from chat.tests.batch_rows import finished, make_batch
from providers.models import OwnPrice, ProviderModel
from providers.services import create_provider

ClientFor = Callable[[User], Client]


@pytest.fixture
def models(admin_user: User) -> list[ProviderModel]:
    echo = create_provider(actor=admin_user, preset="echo", is_shared=True).models.get()
    more = [
        ProviderModel.objects.create(
            provider=echo.provider, model_id=name, name=name, types=["chat"]
        )
        for name in ("second", "third")
    ]
    return [echo, *more]


def sent(models: list[ProviderModel], **fields: Any) -> dict[str, Any]:
    usual = {"name": "run", "source": "typed", "text": "a => a\nb", "calls_at_once": 4, "limit": 10}
    return {**usual, "models": [model.pk for model in models], **fields}


def test_the_form_makes_a_draft(
    alice: User, models: list[ProviderModel], client_for: ClientFor
) -> None:
    fields = sent(
        models[:2], contains="x\ny", regex=r"\d", is_json="on", max_tokens=64, judge=models[2].pk
    )
    response = client_for(alice).post("/compare/batches/new/", fields)
    batch = Batch.objects.get()
    assert response.headers["Location"] == f"/compare/batches/{batch.pk}/"
    assert (batch.status, batch.cells.count(), batch.judge_id) == ("draft", 4, models[2].pk)
    assert [check["kind"] for check in batch.checks] == ["contains", "contains", "regex", "is_json"]
    assert batch.parameters == {"max_tokens": 64}
    event = AuditEvent.objects.get(action="batch.create")
    assert event.target_label == str(batch.pk)  # its name is a person's own words


def test_a_file_with_bad_lines_says_which(
    alice: User, models: list[ProviderModel], client_for: ClientFor
) -> None:
    client = client_for(alice)
    file = SimpleUploadedFile("q.jsonl", b'"fine"\n{broken\n')
    response = client.post("/compare/batches/new/", sent(models[:1], source="file", file=file))
    page = client.get(response.headers["Location"])
    assert "Line 2: No valid JSON" in page.content.decode()
    file = SimpleUploadedFile("q.jsonl", b"{broken\n")
    response = client.post("/compare/batches/new/", sent(models[:1], source="file", file=file))
    assert response.status_code == 422
    assert "Line 1: No valid JSON" in response.content.decode()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"models": []}, "models"),
        ({"models": [10**9]}, "models"),
        ({"text": " "}, "text"),
        ({"source": "file"}, "file"),
        ({"source": "dataset"}, "dataset"),
        ({"source": "prompt", "values": "a\n1"}, "prompt"),
        ({"source": "batch"}, "source"),
        ({"regex": "(open"}, "regex"),
        ({"name": "a/b"}, "name"),
        ({"text": "\n".join(map(str, range(2001)))}, "text"),
        ({"calls_at_once": 99}, "calls_at_once"),
    ],
)
def test_mistakes_are_said_beside_their_field(
    alice: User,
    models: list[ProviderModel],
    client_for: ClientFor,
    fields: dict[str, Any],
    field: str,
) -> None:
    response = client_for(alice).post("/compare/batches/new/", sent(models[:1]) | fields)
    assert response.status_code == 422
    assert list(response.context["form"].errors) == [field]
    assert not Batch.objects.exists()


def test_nobody_takes_the_prompts_of_others(
    alice: User, bob: User, models: list[ProviderModel], client_for: ClientFor
) -> None:
    batch = make_batch(bob, models)
    client = client_for(alice)
    assert client.get(f"/compare/batches/new/?from={batch.pk}").status_code == 404
    assert client.get("/compare/batches/new/?from=nonsense").status_code == 404
    fields = sent(models[:1], source="batch", origin=str(batch.pk))
    assert client.post("/compare/batches/new/", fields).status_code == 404
    mine = make_batch(alice, models)
    url = f"/compare/batches/{mine.pk}/regressions/?with={batch.pk}"
    assert client.get(url).status_code == 404


def test_the_estimate_says_what_is_unknown(alice: User, models: list[ProviderModel]) -> None:
    _free, priced, unknown = models
    ProviderModel.objects.filter(pk__in=(priced.pk, unknown.pk)).update(provider=_paid(alice))
    OwnPrice.objects.create(model=priced, input_per_mtok=2, output_per_mtok=8, currency="USD")
    for model in (priced, unknown):
        model.refresh_from_db()
    limited = make_batch(alice, models, "a\nb", parameters={"max_tokens": 1000})
    rows = limited.estimate["columns"]
    assert [row["basis"] for row in rows] == ["limit"] * 3
    assert (rows[0]["cost"], rows[2]["cost"]) == ("0", None)
    assert 0.016 < float(rows[1]["cost"]) < 0.0165
    open_ended = make_batch(alice, models, "a\nb", judge=priced)
    row = open_ended.estimate["columns"][1]
    assert (row["answer_tokens"], row["cost"]) == (None, None)
    assert float(row["input_cost"]) > 0
    assert open_ended.estimate["judge"]["cost"] is None
    referenced = make_batch(alice, models, "a => yes yes\nb => no", judge=priced)
    assert referenced.estimate["columns"][1]["basis"] == "references"
    assert float(referenced.estimate["judge"]["cost"]) > 0


def _paid(owner: User) -> Any:
    return create_provider(
        actor=owner, preset="custom", name="Paid", base_url="https://a.example/v1"
    )


def test_the_table_is_filtered_and_sorted(
    alice: User, models: list[ProviderModel], client_for: ClientFor
) -> None:
    checks = [{"kind": "is_json"}]
    batch = finished(
        make_batch(alice, models[:2], "alpha\nbeta\ngamma", checks=checks, judge=models[2])
    )
    first, second, _third = batch.prompts.all()
    first.cells.filter(column__position=1).update(status=CellStatus.FAILED, error_code="timeout")
    second.cells.filter(column__position=0).update(passed=True, score=3, duration_ms=9000)
    second.cells.filter(column__position=1).update(passed=False, score=9)
    client = client_for(alice)

    def shown(query: str) -> list[str]:
        response = client.get(f"/compare/batches/{batch.pk}/?{query}")
        return [prompt.shown for prompt, _cells in response.context["rows"]]

    assert shown("") == ["alpha", "beta", "gamma"]
    assert shown("q=ALPH") == ["alpha"]
    assert shown("show=failed") == ["alpha"]
    assert shown("show=failed&model=0") == []
    assert shown("show=differ") == ["beta"]
    assert shown("show=low") == ["beta"]
    assert shown("show=not_passed&model=1") == ["beta"]
    assert shown("sort=slowest")[0] == "beta"
    assert shown("sort=slowest&model=1")[0] == "alpha"
    assert shown("sort=worst")[0] == "beta"
    for nonsense in ("sort=x&show=y&model=99&page=z", "q=%00", "model=-1&page=10000"):
        assert len(shown(nonsense)) == 3 or "q=" in nonsense


def test_buttons_do_what_their_state_allows(
    alice: User, models: list[ProviderModel], client_for: ClientFor
) -> None:
    batch = make_batch(alice, models)
    client = client_for(alice)

    def press(verb: str) -> str:
        assert client.post(f"/compare/batches/{batch.pk}/{verb}/").status_code == 302
        found = Batch.objects.filter(pk=batch.pk).first()
        return found.status if found else "gone"

    steps = ["pause", "start", "pause", "resume", "delete", "cancel", "retry", "delete"]
    states = ["draft", "running", "paused", "running", "running", "cancelled", "cancelled", "gone"]
    assert [press(step) for step in steps] == states


def test_export_as_csv_is_safe_in_a_spreadsheet(
    alice: User, models: list[ProviderModel], client_for: ClientFor
) -> None:
    batch = finished(make_batch(alice, models[:2], "=1+1\nplain", checks=[{"kind": "is_json"}]))
    batch.cells.filter(column__position=0).update(answer="@SUM(A1)", checks=[False], passed=False)
    response = client_for(alice).get(f"/compare/batches/{batch.pk}/export/")
    text = b"".join(response).decode()
    assert "'=1+1" in text and "'@SUM(A1)" in text
    assert len(text.strip().splitlines()) == 5
    assert "is JSON" in text
    response = client_for(alice).get(f"/compare/batches/{batch.pk}/export/?format=json")
    found = json.loads(b"".join(response))
    assert found["comparison"]["name"] == batch.name
    assert [len(row["answers"]) for row in found["prompts"]] == [2, 2]
    assert AuditEvent.objects.filter(action="batch.export").count() == 2
    assert client_for(alice).get(f"/compare/batches/{batch.pk}/export/?format=x").status_code == 404


def test_what_became_worse(alice: User, models: list[ProviderModel], client_for: ClientFor) -> None:
    text = "same\nworse\nbetter\nlost\nlower\nreworded\nold"
    before = finished(make_batch(alice, models[:1], text))
    reading = batches.reading_of(before)
    reading.questions[-1] = Question("new")
    after = finished(
        batches.create(
            owner=alice,
            name="again",
            models=models[:1],
            reading=reading,
            source="batch",
            repeat_of=before,
        )
    )

    def mark(batch: Batch, prompt: str, **fields: Any) -> None:
        batch.cells.filter(prompt__text=prompt).update(**fields)

    for batch in (before, after):
        batch.cells.update(answer_digest="x")
    mark(before, "worse", passed=True, score=3)
    mark(after, "worse", passed=False, score=9)  # a check weighs more than points
    mark(before, "better", passed=False)
    mark(after, "better", passed=True)
    mark(after, "lost", status=CellStatus.FAILED)
    mark(before, "lower", score=9)
    mark(after, "lower", score=4)
    mark(after, "reworded", answer_digest="y")
    found = regressions(before.columns.get(), after.columns.get())
    assert [pair.kind for pair in found.pairs] == [
        *("alike", "worse", "better", "worse", "worse", "unknown")
    ]
    assert (found.missing, found.changed) == (2, 1)
    page = client_for(alice).get(f"/compare/batches/{after.pk}/regressions/")
    assert page.context["found"].counts["worse"] == 3
    assert [text for _pair, text, _old, _new in page.context["pairs"]] == ["worse", "lost", "lower"]


def large(owner: User, models: list[ProviderModel]) -> Batch:
    reading = Reading([Question(f"question {n} " * 20, f"answer {n}") for n in range(1000)])
    batch = batches.create(owner=owner, name="large", models=models, reading=reading, source="file")
    batch.cells.update(
        status=CellStatus.DONE,
        answer="word " * 400,
        duration_ms=1200,
        ttft_ms=90,
        score=7,
        passed=True,
    )
    Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.RUNNING, started_at=timezone.now())
    return batch


def test_a_thousand_prompts_take_no_more_queries_than_ten(
    alice: User,
    models: list[ProviderModel],
    client_for: ClientFor,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    batch = large(alice, models)
    client = client_for(alice)
    for path, most in (("", 20), ("?sort=slowest&show=low", 20), ("regressions/", 12)):
        with django_assert_max_num_queries(most):
            assert client.get(f"/compare/batches/{batch.pk}/{path}").status_code == 200
    with django_assert_max_num_queries(5):
        overview(Batch.objects.prefetch_related("columns").get(pk=batch.pk))
    response = client.get(f"/compare/batches/{batch.pk}/")
    assert len(response.content) < 200_000  # answers are shortened where they are read
    with django_assert_max_num_queries(8):
        client.get("/compare/batches/")
