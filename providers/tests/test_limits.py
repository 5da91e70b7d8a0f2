"""Limits of keys and users in the gateway: what is refused, how it is told, what is counted."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import httpx
import openai
import orjson
import pytest
from asgiref.sync import sync_to_async

from accounts.access import find_key
from accounts.models import ApiKey, User, UserLimits
from accounts.services import change_key, deactivate, revoke_key
from providers.aliases import create_alias
from providers.charging import forget_prices
from providers.errors import BudgetReached
from providers.gateway.authentication import Caller, Keyring, load_callers
from providers.gateway.chat_request import read_chat_body
from providers.gateway.core import Core
from providers.gateway.errors import GatewayError
from providers.gateway.exchange import ClientLeft, Exchange
from providers.gateway.health import Health
from providers.gateway.limits import Holder, Limiter
from providers.gateway.limits.counting import Counted, Demand
from providers.gateway.limits.estimates import NOTHING, Candidate, Estimate
from providers.gateway.limits.holders import Period
from providers.gateway.limits.memory import MemoryStore
from providers.gateway.limits.shared import SharedStore
from providers.gateway.limits.spending import (
    RecordedSpending,
    spent_by_key,
    spent_usd,
)
from providers.gateway.message_request import read_messages_body
from providers.gateway.records import Call
from providers.gateway.routing import directory_snapshot
from providers.models import CallRecord, ModelPrice, Provider, ProviderModel
from providers.prices import in_usd
from providers.services import apply_models, change_model, check_limits, delete_provider
from providers.tests.conftest import MakeKey, Records
from providers.tests.redis import MakeRedis, needs_redis
from providers.types import ListedModel, Usage

HELLO = [{"role": "user", "content": "hello there"}]
NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


class Ledger:
    """A source of spending: `recorded` is what the database says, each call costs `price` and may
    cost `most`."""

    def __init__(self, recorded: str = "0", price: str = "0.4", most: str = "0") -> None:
        self.recorded, self.price, self.most = Decimal(recorded), Decimal(price), Decimal(most)

    async def spent(self, holder: Holder, since: Sequence[datetime | None]) -> list[Decimal]:
        return [self.recorded] * len(since)

    async def estimate(self, estimate: Estimate, at: datetime) -> Decimal:
        return self.most

    async def cost(self, call: Call) -> Decimal:
        return self.price


def exchange() -> Exchange:
    scope = {"type": "http", "method": "POST", "path": "/v1/x", "headers": []}
    return Exchange(scope, None, None)  # type: ignore[arg-type]  # nothing is read or sent


async def one_call(limiter: Limiter, *holders: Holder, tokens: int = 0) -> dict[str, str]:
    """The headers of one call's answer."""
    asked, call = exchange(), Call(user_id=1, key_id=1)
    async with limiter.admission(asked, holders, call, Estimate(tokens)):
        call.usage = Usage(prompt_tokens=3, completion_tokens=4)
    return asked._answer_headers


async def refused(limiter: Limiter, *holders: Holder, tokens: int = 0) -> GatewayError:
    with pytest.raises(GatewayError) as error:
        await one_call(limiter, *holders, tokens=tokens)
    assert error.value.status == 429
    return error.value


async def enough_are_done(tasks: Sequence[asyncio.Task[Any]], count: int) -> None:
    async with asyncio.timeout(30):
        while sum(task.done() for task in tasks) < count:
            await asyncio.sleep(0.01)


# --- Whose limits -------------------------------------------------------------


def test_a_caller_without_limits_has_no_holders(alice: User) -> None:
    key, _text = ApiKey.issue(user=alice, name="k")
    assert load_callers([key.pk])[key.pk].holders is None
    row = UserLimits.objects.create(user=alice)
    assert load_callers([key.pk])[key.pk].holders is None, "an empty row limits nothing"
    row.rpm, key.tpm, key.budget_day_usd = 5, 7, Decimal("0.5")
    row.save()
    key.save()
    assert load_callers([key.pk])[key.pk].holders == (
        Holder("key", key.pk, tpm=7, budget_day_usd=Decimal("0.5")),
        Holder("user", alice.pk, rpm=5),
    )


async def test_without_limits_nothing_is_counted() -> None:
    core = Core(Limiter(None, Ledger()))  # type: ignore[arg-type]  # a store would be asked
    free = Caller(1, 1, frozenset(), None, None)
    assert core.admitted(exchange(), free) is core.admitted(exchange(), free)
    async with core.admitted(exchange(), free, Call(user_id=1, key_id=1), Estimate(10)):
        pass
    core._life.cancel()


@pytest.mark.parametrize(
    ("at", "day", "month"),
    [
        (NOON, datetime(2026, 11, 27, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)),
        (
            datetime(2026, 12, 31, 23, 59, tzinfo=UTC),
            datetime(2027, 1, 1, tzinfo=UTC),
            datetime(2027, 1, 1, tzinfo=UTC),
        ),
    ],
)
def test_periods_end_at_midnight(at: datetime, day: datetime, month: datetime) -> None:
    assert Period.DAY.ends(at) == day and Period.MONTH.ends(at) == month
    assert Period.LIFE.began(at) is None and Period.LIFE.ends(at) is None


# --- What is counted ----------------------------------------------------------


async def test_real_tokens_replace_the_estimate() -> None:
    limiter = Limiter(MemoryStore(), Ledger())
    key = Holder("key", 1, rpm=9, tpm=1000)
    headers = await one_call(limiter, key, tokens=100)
    assert headers["x-ratelimit-remaining-tokens"] == "900"
    headers = await one_call(limiter, key, Holder("user", 1, tpm=500), tokens=100)
    assert headers["x-ratelimit-remaining-tokens"] == "400", "of the stricter one"
    assert headers["x-ratelimit-limit-tokens"] == "500"
    headers = await one_call(limiter, key, tokens=100)
    assert headers["x-ratelimit-remaining-tokens"] == str(1000 - 2 * 7 - 100)
    assert headers["x-ratelimit-limit-requests"] == "9"
    assert headers["x-ratelimit-remaining-requests"] == "6"
    assert headers["x-ratelimit-reset-requests"] == "60s"


@pytest.mark.parametrize("ending", [None, ClientLeft, asyncio.CancelledError, RuntimeError])
async def test_a_place_is_free_however_the_call_ends(ending: type[BaseException] | None) -> None:
    limiter, key = Limiter(MemoryStore(), Ledger()), Holder("key", 1, max_parallel=1)
    for _each in range(3):
        try:
            async with limiter.admission(exchange(), [key], Call(user_id=1, key_id=1), NOTHING):
                error = await refused(limiter, key)
                assert error.code == "concurrency_limit_exceeded"
                assert error.headers["retry-after"] == "1"
                if ending is not None:
                    raise ending
        except (ClientLeft, asyncio.CancelledError, RuntimeError):
            pass


class Far(MemoryStore):
    """Answers once it may, as from another machine."""

    is_local = False

    def __init__(self) -> None:
        super().__init__()
        self.may_answer = asyncio.Event()

    async def admit(self, lease: str, demands: Sequence[Demand]) -> Counted:
        await self.may_answer.wait()
        return await super().admit(lease, demands)


async def test_a_caller_that_leaves_while_it_is_let_in_holds_no_place() -> None:
    store, key = Far(), Holder("key", 1, max_parallel=1)
    limiter = Limiter(store, Ledger())
    early = asyncio.create_task(one_call(limiter, key))
    await asyncio.sleep(0.01)
    early.cancel()
    with pytest.raises(asyncio.CancelledError):
        await early
    store.may_answer.set()
    while not limiter._ending:
        await asyncio.sleep(0)
    await asyncio.wait(list(limiter._ending))
    await one_call(limiter, key)
    limits = Holder("key", 2, tpm=5)
    async with limiter.admission(exchange(), [limits], None, NOTHING):
        assert "key:2" not in store._counts, "looking at models takes no tokens"


async def test_a_budget_stops_at_the_boundary() -> None:
    ledger = Ledger()
    limiter = Limiter(MemoryStore(), ledger, now=lambda: NOON)
    key = Holder("key", 1, budget_day_usd=Decimal("1.0"))
    for _each in range(3):
        await one_call(limiter, key)
    error = await refused(limiter, key)
    assert (error.code, error.kind) == ("budget_exceeded", "insufficient_quota")
    assert error.message == (
        "The daily budget of this key is reached: 1.2000 of 1.0000 USD. "
        "It resets at 2026-11-27 00:00 UTC."
    )
    assert error.headers == {"x-should-retry": "false", "retry-after": str(12 * 3600)}


async def test_many_calls_at_once_do_not_overrun_a_budget() -> None:
    ledger = Ledger(price="0.3", most="0.3")
    limiter = Limiter(MemoryStore(), ledger, now=lambda: NOON)
    key = Holder("key", 1, budget_day_usd=Decimal(1), budget_usd=Decimal(5))
    let_in = asyncio.Event()

    async def one() -> str:
        try:
            async with limiter.admission(exchange(), [key], Call(user_id=1, key_id=1), NOTHING):
                await let_in.wait()
        except GatewayError as error:
            assert error.headers == {"retry-after": "1"}
            return error.message
        return ""

    calls = [asyncio.create_task(one()) for _each in range(50)]
    await enough_are_done(calls, 47)
    let_in.set()
    told = await asyncio.gather(*calls)
    assert told.count("") == 3
    assert max(told) == (
        "The daily budget of this key has 1.0000 USD left, calls that run now may cost 0.9000 of "
        "it, and this one 0.3000. Wait for one to end, or ask for shorter answers (max_tokens). "
        "Try again in 1 s."
    )
    await one_call(limiter, key)
    error = await refused(limiter, key)
    assert error.code == "budget_exceeded" and "1.2000 of 1.0000" in error.message


def test_how_long_an_answer_may_be() -> None:
    route: Any = SimpleNamespace(target=SimpleNamespace(defaults={"max_tokens": 70}))
    for body, expected in (
        ({}, 70),
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 6, "n": 3}, 18),
        ({"max_tokens": None}, 70),
    ):
        raw = orjson.dumps({"model": "m", "messages": HELLO, **body})
        assert read_chat_body(raw).answer_tokens(route) == expected
    raw = orjson.dumps({"model": "m", "messages": HELLO, "max_tokens": 9})
    assert read_messages_body(raw).answer_tokens(route) == 9
    route.target.defaults = {}
    raw = orjson.dumps({"model": "m", "messages": HELLO})
    assert read_chat_body(raw).answer_tokens(route) is None


async def test_a_call_that_has_just_ended_counts_before_the_next_begins() -> None:
    class Slow(Ledger):
        async def cost(self, call: Call) -> Decimal:
            await priced.wait()
            return self.price

    priced = asyncio.Event()
    limiter = Limiter(MemoryStore(), Slow(price="1"), now=lambda: NOON)
    key = Holder("key", 1, budget_day_usd=Decimal(1))
    first = asyncio.create_task(one_call(limiter, key))
    while not limiter._ending:
        await asyncio.sleep(0)
    second = asyncio.create_task(one_call(limiter, key))
    await asyncio.sleep(0.01)
    priced.set()
    await first
    with pytest.raises(GatewayError, match=r"1\.0000 of 1\.0000 USD"):
        await second


async def test_budgets_begin_anew_and_what_others_spend_counts() -> None:
    at = NOON
    ledger = Ledger(recorded="3")
    limiter = Limiter(MemoryStore(), ledger, now=lambda: at)
    user = Holder("user", 1, budget_day_usd=Decimal(3), budget_usd=Decimal(100))
    assert "your account" in (await refused(limiter, user)).message
    at, ledger.recorded = datetime(2026, 11, 27, 0, 0, 1, tzinfo=UTC), Decimal(0)
    await one_call(limiter, user)
    never = Holder("key", 2, budget_usd=Decimal(0))
    error = await refused(limiter, never)
    assert "does not reset" in error.message and "retry-after" not in error.headers


@needs_redis
async def test_two_gateways_share_what_is_reserved(make_redis: MakeRedis) -> None:
    ledger = Ledger(price="0.3", most="0.3")
    limiters = [Limiter(SharedStore(make_redis()), ledger, now=lambda: NOON) for _each in (1, 2)]
    key, let_in = Holder("key", 1, budget_day_usd=Decimal(1)), asyncio.Event()

    async def one(limiter: Limiter) -> None:
        async with limiter.admission(exchange(), [key], Call(user_id=1, key_id=1), NOTHING):
            await let_in.wait()

    calls = [asyncio.create_task(one(limiters[number % 2])) for number in range(40)]
    await enough_are_done(calls, 37)
    let_in.set()
    found = await asyncio.gather(*calls, return_exceptions=True)
    refused = [each for each in found if isinstance(each, GatewayError)]
    assert {error.code for error in refused} == {"budget_reserved"} and len(refused) == 37
    await one(limiters[0])
    with pytest.raises(GatewayError, match=r"1\.2000 of 1\.0000 USD"):
        await one(limiters[1])


@needs_redis
async def test_two_gateways_share_limits_and_budgets(make_redis: MakeRedis) -> None:
    """Cores as in two processes: nothing but Redis is common to them."""
    cores = [
        Core(Limiter(SharedStore(make_redis()), Ledger(price="0.5"), now=lambda: NOON))
        for _each in range(2)
    ]
    user = Holder("user", 1, max_parallel=2, budget_month_usd=Decimal(2))
    callers = [Caller(pk, 1, frozenset(), (Holder("key", pk, rpm=3), user), None) for pk in (1, 2)]

    async def call(number: int, pk: int) -> None:
        record = Call(user_id=1, key_id=pk)
        async with cores[number].admitted(exchange(), callers[pk - 1], record):
            await running.wait()

    running = asyncio.Event()
    first = [asyncio.create_task(call(number, 1)) for number in (0, 1)]
    while not all(core.limiter._store._redis._leases for core in cores):  # type: ignore[union-attr]
        await asyncio.sleep(0)
    with pytest.raises(GatewayError, match="2 calls at the same time"):
        await call(1, 2)
    running.set()
    await asyncio.gather(*first)
    await call(1, 1)
    with pytest.raises(GatewayError, match="This key is limited to 3 requests"):
        await call(0, 1)
    await call(0, 2)
    with pytest.raises(GatewayError, match=r"monthly budget of your account is reached: 2\.0000"):
        await call(1, 2)
    for core in cores:
        await core.close()


def test_currencies_become_one(settings: Any) -> None:
    settings.CNY_PER_USD = Decimal("7.1")
    assert in_usd({"USD": Decimal(1), "CNY": Decimal("14.2"), "EUR": Decimal(9)}) == 3


def test_recorded_costs_are_summed(alice: User, settings: Any) -> None:
    settings.CNY_PER_USD = Decimal(7)
    key, _text = ApiKey.issue(user=alice, name="k")
    fields: Any = {"user": alice, "source": "gateway", "status": "done"}
    for cost, currency, of_key, at in (
        ("1.5", "USD", key, NOON),
        ("14", "CNY", None, NOON),
        ("9", "USD", key, NOON.replace(month=10)),
        (None, "", key, NOON),
    ):
        fields |= {"at": at, "cost": cost, "currency": currency, "api_key": of_key}
        CallRecord.objects.create(**fields)
    user, own = Holder("user", alice.pk), Holder("key", key.pk)
    assert spent_usd(user, Period.MONTH.began(NOON)) == Decimal("3.5")
    assert spent_usd(own, Period.DAY.began(NOON)) == Decimal("1.5")
    assert spent_usd(own, None) == Decimal("10.5")
    assert spent_by_key([key.pk], None) == {key.pk: Decimal("10.5")}


async def test_the_cost_of_a_call_comes_from_its_price(echo: Provider) -> None:
    model = await ProviderModel.objects.aget()
    spending = RecordedSpending()
    call = Call(user_id=1, key_id=1, model_pk=model.pk, usage=Usage(2_000_000, 500_000))
    assert await spending.cost(call) == 0, "unknown"
    await model.own_prices.acreate(input_per_mtok=1, output_per_mtok=4)
    forget_prices()
    assert await RecordedSpending().cost(call) == 4
    assert await RecordedSpending().cost(Call(user_id=1, key_id=1)) == 0


async def test_what_a_call_may_cost_comes_from_its_dearest_model(echo: Provider) -> None:
    cheap = await ProviderModel.objects.aget()
    await cheap.own_prices.acreate(input_per_mtok=1, output_per_mtok=10)
    dear = await ProviderModel.objects.acreate(model_id="dear", provider=echo)
    await dear.own_prices.acreate(input_per_mtok=3, output_per_mtok=30)
    free = await ProviderModel.objects.acreate(model_id="free", provider=echo)

    async def cost(*candidates: Candidate) -> Decimal:
        return await RecordedSpending().estimate(Estimate(1_000_000, lambda: candidates), NOON)

    assert await cost(Candidate(cheap.pk, 100_000), Candidate(dear.pk, 100_000)) == 6
    assert await cost(Candidate(cheap.pk)) == Decimal("1.01"), "a usual answer"
    assert await cost(Candidate(cheap.pk, 10**30)) == 11, "no answer is longer"
    assert await cost(Candidate(dear.pk, 0)) == 3, "an embedding says nothing"
    assert await cost(Candidate(free.pk, 5)) == 0 == await cost()


def test_calls_in_flight_reserve_what_they_may_cost(
    live_url: str, echo: Provider, make_key: MakeKey
) -> None:
    echo.models.get().own_prices.create(input_per_mtok=0, output_per_mtok=1)
    key = make_key(budget_usd=Decimal("0.1"))
    headers = {"authorization": f"Bearer {key}"}
    content = {"model": "echo", "messages": [{"role": "user", "content": "word " * 5000}]}
    body = content | {"stream": True, "max_tokens": 90_000}
    url = f"{live_url}/v1/chat/completions"
    with httpx.stream("POST", url, json=body, headers=headers) as stream:
        lines = stream.iter_lines()
        next(lines)
        assert ask(live_url, key, max_tokens=9_000).status_code == 200
        refused = ask(live_url, key, max_tokens=11_000)
        assert refused.status_code == 429
        assert refused.json()["error"]["code"] == "budget_reserved"
    deadline = time.monotonic() + 10
    while ask(live_url, key, max_tokens=11_000).status_code == 429:
        assert time.monotonic() < deadline, "what it reserved is never free"
        time.sleep(0.1)


# --- Over HTTP ----------------------------------------------------------------


def ask(url: str, key: str, text: str = "hello there", **body: Any) -> httpx.Response:
    content = {"model": "echo", "messages": [{"role": "user", "content": text}], **body}
    headers = {"authorization": f"Bearer {key}"}
    return httpx.post(f"{url}/v1/chat/completions", json=content, headers=headers, timeout=30)


def test_tokens_per_minute(live_url: str, echo: Provider, make_key: MakeKey) -> None:
    key = make_key(tpm=60)
    first = ask(live_url, key)
    assert first.status_code == 200 and first.headers["x-ratelimit-limit-tokens"] == "60"
    assert ask(live_url, key, "word " * 30).status_code == 200
    third = ask(live_url, key, "word " * 30)
    assert third.status_code == 429 and 1 <= int(third.headers["retry-after"]) <= 60
    assert third.json()["error"]["type"] == "rate_limit_error"
    huge = ask(live_url, key, "word " * 500)
    assert huge.status_code == 429 and huge.headers["x-should-retry"] == "false"


def test_a_users_limit_holds_over_all_keys(
    live_url: str, echo: Provider, alice: User, make_key: MakeKey
) -> None:
    keys = [make_key(rpm=100) for _each in range(3)]
    UserLimits.objects.create(user=alice, rpm=2)
    answers = [ask(live_url, key) for key in keys]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert "Your account is limited to 2 requests" in answers[2].json()["error"]["message"]


def test_the_place_of_a_client_that_left_is_free(
    live_url: str, echo: Provider, make_key: MakeKey, recorded: Records
) -> None:
    key = make_key(max_parallel=1)
    content = {"model": "echo", "messages": [{"role": "user", "content": "word " * 5000}]}
    headers = {"authorization": f"Bearer {key}"}
    url = f"{live_url}/v1/chat/completions"
    with httpx.stream("POST", url, json=content | {"stream": True}, headers=headers) as stream:
        lines = stream.iter_lines()
        next(lines)
        refused = ask(live_url, key)
        assert refused.status_code == 429
        assert refused.json()["error"]["code"] == "concurrency_limit_exceeded"
    deadline = time.monotonic() + 10
    while ask(live_url, key).status_code == 429:
        assert time.monotonic() < deadline, "its place is never free"
        time.sleep(0.1)
    assert "concurrency_limit_exceeded" in {row.error_code for row in recorded(3)}


def test_the_sdk_reads_a_reached_budget(
    sdk_for: Callable[..., Any], echo: Provider, make_key: MakeKey, recorded: Records
) -> None:
    echo.models.get().own_prices.create(input_per_mtok=0, output_per_mtok=500_000)
    sdk = sdk_for(make_key(budget_month_usd=Decimal("2")))
    answer = sdk.chat.completions.create(model="echo", messages=HELLO)
    cost = answer.usage.completion_tokens * Decimal("0.5")
    calls = 1
    while calls * cost < 2:
        sdk.chat.completions.create(model="echo", messages=HELLO)
        calls += 1
    with pytest.raises(openai.RateLimitError, match="monthly budget of this key") as error:
        sdk.chat.completions.create(model="echo", messages=HELLO)
    assert (error.value.code, error.value.type) == ("budget_exceeded", "insufficient_quota")
    assert recorded(calls + 1)[-1].error_code == "budget_exceeded"
    assert list(sdk.models.list()), "looking costs nothing"


# --- Changes take effect ------------------------------------------------------


@pytest.mark.parametrize("how", ["revoked", "deactivated", "limited"])
async def test_this_process_knows_at_once(
    echo: Provider, alice: User, make_key: MakeKey, how: str
) -> None:
    keyring, text = Keyring(), await sync_to_async(make_key)()
    key = await sync_to_async(find_key)(text)
    assert key is not None and await keyring.caller(text) is not None
    if how == "revoked":
        await sync_to_async(revoke_key)(key=key, actor=alice)
    elif how == "deactivated":
        await sync_to_async(deactivate)(user=alice, actor=alice)
    else:
        await sync_to_async(change_key)(key=key, actor=alice, rpm=5)
    caller = await keyring.caller(text)
    if how == "limited":
        assert caller is not None and caller.holders == (Holder("key", key.pk, rpm=5),)
    else:
        assert caller is None


@pytest.mark.parametrize("how", ["enabled", "refreshed", "alias", "deleted"])
async def test_changes_of_models_reach_this_process_at_once(
    echo: Provider, alice: User, how: str
) -> None:
    directory = directory_snapshot(Health())

    async def names() -> set[str]:
        found = (await directory.get()).for_caller(Caller(1, alice.pk, frozenset(), None, None))
        return {route.model_id for route in found.routes} | found.aliases.keys()

    assert await names() == {"echo"}
    model = await ProviderModel.objects.aget()
    if how == "enabled":
        await sync_to_async(change_model)(model=model, actor=alice, is_enabled=False)
        assert await names() == set()
    elif how == "refreshed":
        listed = [ListedModel("new", ("chat",))]
        await sync_to_async(apply_models)(provider=echo, listed=listed, actor=alice)
        assert await names() == {"new"}
    elif how == "alias":
        await sync_to_async(create_alias)(actor=alice, name="default", models=[model.pk])
        assert await names() == {"echo", "default"}
    else:
        await sync_to_async(delete_provider)(provider=echo, actor=alice)
        assert await names() == set()


async def test_a_changed_price_applies_at_once(echo: Provider, alice: User) -> None:
    model = await ProviderModel.objects.aget()
    call = Call(user_id=1, key_id=1, model_pk=model.pk, usage=Usage(1_000_000, 0))
    assert await RecordedSpending().cost(call) == 0
    await sync_to_async(change_model)(model=model, actor=alice, price_in_usd_per_mtok=Decimal(2))
    assert await RecordedSpending().cost(call) == 2
    await sync_to_async(change_model)(model=model, actor=alice, price_in_usd_per_mtok=None)
    row = ModelPrice(model_pattern="echo", input_per_mtok=3, output_per_mtok=0)
    await row.asave()
    assert await RecordedSpending().cost(call) == 3
    await row.adelete()
    assert await RecordedSpending().cost(call) == 0, "the built-in echo"


async def test_another_process_knows_soon(
    transactional_db: None, alice: User, make_key: MakeKey
) -> None:
    """As if somebody else had written it: no signal comes."""
    keyring, text = Keyring(), await sync_to_async(make_key)()
    assert await keyring.caller(text) is not None
    await ApiKey.objects.aupdate(expires_at=NOON.replace(year=2020))
    deadline = time.monotonic() + 5
    while await keyring.caller(text) is not None:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


# --- Outside the gateway ------------------------------------------------------


def test_a_budget_of_zero_stops_chats_too(alice: User, bob: User) -> None:
    UserLimits.objects.create(user=alice, budget_month_usd=0)
    with pytest.raises(BudgetReached) as error:
        check_limits(alice)
    assert error.value.code == "budget_exceeded" and "budget" in str(error.value.advice)
    check_limits(bob)
