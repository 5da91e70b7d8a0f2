"""The usage page, its downloads and its API: their sums are those of the rows, and one's own."""

import csv
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import ApiKey, User
from chat.tests.test_browser import start, wait_until_done
from llmplatform.tests.console_cast import make_call, make_model
from providers.models import CallRecord, ProviderModel
from providers.services import create_provider
from providers.usage import Period, summed

NOW = timezone.now()
ClientFor = Callable[[User], Client]


@pytest.fixture
def model(db: None) -> ProviderModel:
    return make_model()


@pytest.fixture
def key(alice: User) -> ApiKey:
    return ApiKey.issue(user=alice, name="laptop")[0]


@pytest.fixture
def calls(model: ProviderModel, alice: User, bob: User, key: ApiKey) -> list[CallRecord]:
    """Five of Alice's within a week, one of hers long ago, one of Bob's."""
    other = make_model(name="Other")
    priced: dict[str, Any] = {"cost_source": "price", "currency": "USD"}
    day = timedelta(days=1)
    return [
        make_call(model, user=alice, prompt_tokens=10, completion_tokens=5, cost="0.1", **priced),
        make_call(model, user=alice, api_key=key, prompt_tokens=7, cost="0.2", **priced),
        make_call(other, user=alice, cost="3", currency="CNY", reasoning_tokens=2, ttft_ms=100),
        make_call(other, user=alice, at=NOW - 2 * day, status="failed", ttft_ms=301),
        make_call(None, user=alice, at=NOW - 3 * day, status="stopped", cost="0", currency="USD"),
        make_call(model, user=alice, at=NOW - 40 * day, cost="50", **priced),
        make_call(model, user=bob, cost="0.4", **priced),
    ]


def rows_of(response: Any) -> list[dict[str, str]]:
    text = b"".join(response).decode()
    assert text.startswith("\ufeff")
    return list(csv.DictReader(StringIO(text[1:])))


def test_the_page_sums_ones_own_calls(
    calls: list[CallRecord], alice: User, client_for: ClientFor
) -> None:
    response = client_for(alice).get("/usage/?period=7&by=model")
    usage = response.context["usage"]
    mine = CallRecord.objects.filter(user=alice, at__gt=NOW - timedelta(days=7))
    known = [row.cost for row in mine if row.currency == "USD" and row.cost is not None]
    assert usage.total.calls == mine.count() == 5
    assert usage.total.cost == {"USD": sum(known), "CNY": Decimal(3)}
    assert (usage.total.failed, usage.total.unknown_cost_calls) == (1, 1)
    assert (usage.total.prompt_tokens, usage.total.completion_tokens) == (17, 5)
    assert (usage.total.reasoning_tokens, usage.total.cached_tokens) == (2, None)
    assert usage.total.ttft_ms == 200
    for part in (usage.rows, usage.days):
        assert sum(row.usage.calls for row in part) == 5
        assert sum(row.usage.cost.get("USD", Decimal(0)) for row in part) == sum(known)
        assert round(sum(row.share for row in part)) == 100
    assert {row.label for row in usage.rows} == {"acme-chat", "other-chat", "Unknown"}
    text = response.content.decode()
    assert "¥3.00 + $0.3000" in text and "is unknown and in no sum" in text
    for label in ("Calls", "Cached", "Cost", "Share of calls"):
        assert f'data-label="{label}"' in text, "a phone shows them without the head"


def test_what_callers_mistype_is_no_model(
    model: ProviderModel, alice: User, client_for: ClientFor, api: Any
) -> None:
    wrong: dict[str, Any] = {"status": "failed", "error_code": "model_not_found"}
    for name in ("gpt-5o", "acme-chta", "x" * 200):
        make_call(None, user=alice, **{**wrong, "model_label": name})
    make_call(model, user=alice, **wrong)  # here the provider did not know it
    make_call(model, user=alice)
    usage = client_for(alice).get("/usage/?by=model").context["usage"]
    assert [(row.label, row.usage.calls) for row in usage.rows] == [
        ("Unknown", 3),
        ("acme-chat", 2),
    ]
    items = api(alice).get("usage?group_by=day,model").json()["items"]
    assert [(item["model"], item["calls"]) for item in items] == [("", 3), ("acme-chat", 2)]
    csv_rows = rows_of(client_for(alice).get("/usage/calls.csv"))
    assert "gpt-5o" in {row["model"] for row in csv_rows}


def test_what_the_platform_refused_is_no_failure(
    model: ProviderModel, alice: User, client_for: ClientFor, api: Any
) -> None:
    refused: list[tuple[ProviderModel | None, str, str]] = [
        (model, "refused", "budget_exceeded"),
        (None, "refused", "bad_request"),
        # Rows that are older than the word.
        (model, "failed", "rate_limit_exceeded"),
        (None, "failed", "model_not_found"),
        (None, "failed", "bad_request"),
    ]
    failed: list[tuple[ProviderModel | None, str, str]] = [
        (model, "failed", "rate_limited"),
        (model, "failed", "bad_request"),
        (model, "interrupted", "unavailable"),
        (None, "failed", "internal"),
    ]
    ended = (model, "interrupted", "key_ended")
    for which, status, code in (*refused, *failed, ended):
        make_call(which, user=alice, status=status, error_code=code)
    response = client_for(alice).get("/usage/?by=model")
    whole = response.context["usage"].total
    assert (whole.calls, whole.failed, whole.refused) == (10, 4, 5)
    assert whole.unknown_cost_calls == 2, "only what was interrupted may have cost something"
    assert "Refused" in response.content.decode()
    [column] = [bar for bar in response.context["usage"].charts[0].bars if bar.parts]
    heights = {kind: height for kind, _y, height in column.parts}
    assert heights["refused"] == pytest.approx(sum(heights.values()) / 2, abs=0.2)
    assert "10, of these 5 refused" in column.title
    assert ("refused", "Refused") in response.context["usage"].legend
    parts = [*api(alice).get("usage").json()["items"]]
    parts += rows_of(client_for(alice).get("/usage/groups.csv?by=day"))
    assert {(int(part["failed"]), int(part["refused"])) for part in parts} == {(4, 5)}


def test_every_page_of_the_table_adds_up(
    model: ProviderModel, alice: User, client_for: ClientFor
) -> None:
    for number in range(30):
        for _each in range(30 - number):
            label = f"model-{number}"
            make_call(model, user=alice, cost="0.5", currency="USD", model_label=label)
    client = client_for(alice)
    for page, shown, rest in ((1, 25, "5 others"), (2, 5, "25 others")):
        response = client.get(f"/usage/?by=model&page={page}")
        usage = response.context["usage"]
        assert len(usage.rows) == shown and usage.rest.label == rest
        parts = [*usage.rows, usage.rest]
        assert sum(row.usage.calls for row in parts) == usage.total.calls == 465
        assert sum(row.usage.cost["USD"] for row in parts) == usage.total.cost["USD"]
        text = response.content.decode()
        assert rest in text and f"{25 * page - 24}–" in text
    assert usage.rows[0].label == "model-25"
    assert client.get("/usage/?by=user").context["usage"].rest is None
    assert client.get("/usage/?by=model&page=nonsense").status_code == 200


def test_groups_have_names(calls: list[CallRecord], alice: User, client_for: ClientFor) -> None:
    client = client_for(alice)
    found = {
        by: {row.label for row in client.get(f"/usage/?by={by}").context["usage"].rows}
        for by in ("user", "key", "provider")
    }
    assert found["user"] == {"alice@example.com"}
    assert found["key"] == {"laptop", "Without a key"}
    assert found["provider"] == {"Acme", "Other", "Unknown"}


def test_strangers_see_nothing(calls: list[CallRecord], bob: User, client_for: ClientFor) -> None:
    client = client_for(bob)
    for query in ("", "?user=alice@example.com", "?by=user"):
        usage = client.get(f"/usage/{query}").context["usage"]
        assert usage.total.calls == 1
        assert len(rows_of(client.get(f"/usage/calls.csv{query}"))) == 1
    assert "alice" not in client.get("/usage/?by=user&user=1").content.decode()


def test_administrators_see_everybody_or_one(
    calls: list[CallRecord], admin_user: User, alice: User, client_for: ClientFor
) -> None:
    client = client_for(admin_user)
    everybody = client.get("/usage/?by=user").context["usage"]
    assert {(row.label, row.usage.calls) for row in everybody.rows} == {
        ("alice@example.com", 5),
        ("bob@example.com", 1),
    }
    for name in ("BOB@example.com", str(alice.pk)):
        one = client.get("/usage/", {"by": "user", "user": name}).context["usage"]
        assert one.total.calls == (1 if "@" in name else 5)
    assert client.get("/usage/?user=nobody@example.com").status_code == 422


@pytest.mark.parametrize(
    "query",
    [
        *(
            "period=never",
            "by=colour",
            "period=range&from=2026-99-01",
            "period=range&to=9999-12-31",
        ),
        *("period=range&from=2026-02-01&to=2026-01-01", "period=range&from=2020-01-01"),
    ],
)
def test_what_cannot_be_asked_is_said(alice: User, client_for: ClientFor, query: str) -> None:
    for page in ("", "groups.csv", "calls.csv"):
        response = client_for(alice).get(f"/usage/{page}?{query}")
        assert response.status_code == 422 and b'role="alert"' in response.content


def test_periods(calls: list[CallRecord], alice: User, client_for: ClientFor) -> None:
    client = client_for(alice)
    first = (NOW - timedelta(days=41)).date()
    query = f"period=range&from={first}&to={first + timedelta(days=2)}"
    assert client.get(f"/usage/?{query}").context["usage"].total.calls == 1
    assert client.get("/usage/?period=month").status_code == 200
    empty = client.get(f"/usage/?period=range&from={first}&to={first}")
    assert "No calls in this period" in empty.content.decode()


def test_days_begin_in_the_platforms_time_zone(
    model: ProviderModel, alice: User, settings: Any
) -> None:
    settings.TIME_ZONE = "Asia/Shanghai"
    for hour, minute in ((15, 59), (16, 0)):
        make_call(model, user=alice, at=datetime(2026, 3, 9, hour, minute, tzinfo=UTC))
    days = [datetime(2026, 3, day, tzinfo=UTC).date() for day in (9, 10)]
    found = summed(CallRecord.objects.all(), Period(*days), ["day"])
    assert {key: usage.calls for key, usage in found.items()} == {(days[0],): 1, (days[1],): 1}


def test_a_year_of_days(model: ProviderModel, alice: User) -> None:
    start = datetime(2025, 1, 1, 12, tzinfo=UTC)
    for number in range(365):
        make_call(model, user=alice, at=start + timedelta(days=number))
    period = Period(start.date(), start.date() + timedelta(days=364))
    found = summed(CallRecord.objects.all(), period, ["day"])
    assert [usage.calls for usage in found.values()] == [1] * 365
    assert {key[0] for key in found} == set(period.days)


def test_the_table_as_csv(calls: list[CallRecord], alice: User, client_for: ClientFor) -> None:
    [acme, other, unknown] = rows_of(client_for(alice).get("/usage/groups.csv?by=model&period=7"))
    assert (acme["model"], acme["calls"], acme["cost_USD"]) == ("acme-chat", "2", "0.3000000000")
    assert (other["cost_CNY"], other["cost_USD"], other["unknown_cost_calls"]) == (
        *("3.0000000000", "", "1"),
    )
    assert (unknown["model"], unknown["cost_USD"]) == ("", "0.0000000000")


def test_the_calls_as_csv_are_those_that_the_page_sums(
    calls: list[CallRecord], alice: User, client_for: ClientFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("providers.usage_export.AT_ONCE", 2)
    CallRecord.objects.bulk_create(
        [CallRecord(user=alice, at=calls[0].at, model_label='=cmd("x")', status="done")]
    )
    response = client_for(alice).get("/usage/calls.csv?period=7")
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment; filename=" in response.headers["Content-Disposition"]
    rows = rows_of(response)
    assert len(rows) == 6 and len({row["call_id"] for row in rows}) == 6
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
    assert {row["model"] for row in rows} == {"acme-chat", "other-chat", "", '\'=cmd("x")'}
    assert {row["key"] for row in rows} == {"", "laptop"}
    assert sum(Decimal(row["cost"]) for row in rows if row["currency"] == "USD") == Decimal("0.3")


def test_the_api_has_the_pages_numbers(
    calls: list[CallRecord], alice: User, api: Any, client_for: ClientFor
) -> None:
    page = client_for(alice).get("/usage/?period=30&by=model").context["usage"]
    answer = api(alice).get("usage?group_by=model,provider").json()
    assert answer["count"] == len(answer["items"]) == 3
    shown = {row.label: row.usage for row in page.rows}
    for item in answer["items"]:
        assert set(item) & {"day", "user", "key"} == set()
        usage = shown[item["model"] or "Unknown"]
        cost = {currency: Decimal(text) for currency, text in item["cost"].items()}
        assert (item["calls"], item["failed"], cost) == (usage.calls, usage.failed, usage.cost)
        assert item["unknown_cost_calls"] == usage.unknown_cost_calls
        assert item["prompt_tokens"] == usage.prompt_tokens and item["ttft_ms"] == usage.ttft_ms


def test_the_api_groups_by_several_things(
    calls: list[CallRecord], alice: User, key: ApiKey, api: Any
) -> None:
    first = (NOW - timedelta(days=50)).date()
    found = api(alice).get(f"usage?group_by=day,user,key,model,provider&from={first}").json()
    assert sum(item["calls"] for item in found["items"]) == 6
    days = [item["day"] for item in found["items"]]
    assert days == sorted(days)
    [named] = [item for item in found["items"] if item["key"]]
    assert (named["key"], named["key_id"]) == ("laptop", key.pk)
    assert (named["user"], named["user_id"]) == ("alice@example.com", alice.pk)
    assert named["cost"] == {"USD": "0.2"}
    part = api(alice).get(f"usage?group_by=day&from={first}&limit=1&offset=1").json()
    assert len(part["items"]) == 1 and part["count"] > 1


@pytest.mark.parametrize(
    ("query", "field"),
    [
        *(("from=yesterday", "from"), ("to=2026-13-01", "to"), ("from=2020-01-01", "from")),
        *(("from=2026-02-01&to=2026-01-01", "to"), ("to=9999-12-31", "to")),
        *(("group_by=colour", "group_by"), ("group_by=", "group_by"), ("limit=0", "limit")),
    ],
)
def test_the_api_refuses_what_cannot_be_asked(
    alice: User, api: Any, query: str, field: str
) -> None:
    response = api(alice).get(f"usage?{query}")
    assert response.status_code == 422
    assert list(response.json()["error"]["fields"]) == [field]


def test_the_api_shows_ones_own(
    calls: list[CallRecord], alice: User, bob: User, admin_user: User, api: Any
) -> None:
    assert [item["calls"] for item in api(bob).get("usage").json()["items"]] == [1]
    assert api(bob).get(f"usage?user={bob.pk}").json()["items"][0]["calls"] == 1
    for whom in ("alice@example.com", str(alice.pk), "nobody@example.com"):
        assert api(bob).get(f"usage?user={whom}").status_code == 403
    admin = api(admin_user)
    everybody = admin.get("usage?group_by=user").json()["items"]
    assert [(item["user"], item["calls"]) for item in everybody] == [
        ("alice@example.com", 5),
        ("bob@example.com", 1),
    ]
    assert admin.get(f"usage?group_by=user&user={bob.email}").json()["count"] == 1
    assert admin.get("usage?user=nobody@example.com").status_code == 422


@pytest.mark.browser
def test_a_chat_is_on_the_page(
    transactional_db: None, alice: User, sign_in: Callable[[User], Any]
) -> None:
    echo = create_provider(actor=alice, preset="echo", name="echo").models.get()
    echo.own_prices.create(input_per_mtok=1000, output_per_mtok=1000)
    page = sign_in(alice)
    start(page, "Hello there")
    wait_until_done(page)
    assert re.search(r"\$0\.00\d+", page.locator(".figures").inner_text())
    page.get_by_role("link", name="Usage").click()
    page.get_by_label("From").fill(str((NOW - timedelta(days=3)).date()))
    assert page.get_by_label("Period").input_value() == "range"
    page.get_by_label("Period").select_option("7")
    assert page.get_by_label("From").input_value() == ""
    page.get_by_label("Group by").select_option("model")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**by=model**")
    row = page.locator(".usage-table tbody tr").first
    assert row.locator("th").inner_text() == "echo"
    assert row.locator("td").first.inner_text() == "1"
    assert page.locator(".usage-charts svg").count() == 3
    with page.expect_download() as started:
        page.get_by_role("link", name="Calls as CSV").click()
    assert started.value.suggested_filename.startswith("calls-")
