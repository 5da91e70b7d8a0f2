"""Counting requests, tokens, calls and money: the same in memory and in Redis."""

import asyncio
import socket
import uuid

import pytest
from redis.exceptions import RedisError

from providers.gateway.limits import memory as memory_module
from providers.gateway.limits.counting import (
    BudgetDemand,
    Counted,
    Demand,
    Reason,
    Refused,
    Settlement,
    Store,
)
from providers.gateway.limits.memory import MemoryStore
from providers.gateway.limits.shared import LEASE_S, RedisStore, SharedStore
from providers.tests.clock import Clock
from providers.tests.redis import URL, MakeRedis, needs_redis


@pytest.fixture(params=["memory", pytest.param("redis", marks=needs_redis)])
def store(request: pytest.FixtureRequest, clock: Clock, make_redis: MakeRedis) -> Store:
    return MemoryStore(clock) if request.param == "memory" else make_redis()


async def ask(store: Store, *demands: Demand, lease: str = "") -> Counted:
    return await store.admit(lease or uuid.uuid4().hex, demands)


@pytest.mark.parametrize("limit", [1, 7, 600])
async def test_the_wait_that_is_named_is_long_enough(
    store: Store, clock: Clock, limit: int
) -> None:
    demand = Demand("key:1", rpm=limit)
    for number in range(limit):
        counted = await ask(store, demand)
        assert counted.refused is None and counted.uses[0].requests == number + 1
    refused = (await ask(store, demand)).refused
    assert refused is not None and refused.reason is Reason.REQUESTS
    assert refused.wait_s == 60, "SDKs wait for a minute and no longer"
    clock.now += refused.wait_s
    assert (await ask(store, demand)).refused is None


async def test_no_minute_holds_more_than_the_limit(store: Store, clock: Clock) -> None:
    demand = Demand("key:1", rpm=10)
    taken: list[float] = []
    for _each in range(700):
        clock.now += 0.3
        if (await ask(store, demand)).refused is None:
            taken.append(clock.now)
    assert all(sum(t <= s < t + 60 for s in taken) <= 10 for t in taken)
    assert len(taken) >= 30, "and it is used up"


async def test_tokens_are_reserved_and_then_corrected(store: Store, clock: Clock) -> None:
    demand = Demand("key:1", tpm=100, tokens=40)
    first = await ask(store, demand, lease="a")
    assert (await ask(store, demand, lease="b")).uses[0].tokens == 80
    refused = (await ask(store, demand)).refused
    assert refused is not None and refused.reason is Reason.TOKENS and refused.wait_s == 60
    clock.now += 5
    await store.settle("a", [Settlement(demand, first.second, -30, 0)])
    counted = await ask(store, demand, lease="c")
    assert counted.refused is None and counted.uses[0].tokens == 90
    assert counted.uses[0].tokens_reset_s == 60
    await store.settle("c", [Settlement(demand, counted.second, 500, 0)])
    refused = (await ask(store, Demand("key:1", tpm=100, tokens=1))).refused
    assert refused is not None and refused.wait_s == 60, "what came later counts from its request"
    clock.now += 61
    counted = await ask(store, demand)
    assert counted.refused is None and counted.uses[0].tokens == 40
    await store.settle("c", [Settlement(demand, first.second, 500, 0)])
    assert (await ask(store, demand)).uses[0].tokens == 80, "a minute that is past stays past"


async def test_what_never_fits_is_told_so(store: Store) -> None:
    refused = (await ask(store, Demand("key:1", tpm=100, tokens=101))).refused
    assert refused == Refused(0, Reason.TOKENS)


async def test_places_are_given_back(store: Store) -> None:
    demand = Demand("key:1", max_parallel=2)
    for lease in ("a", "b"):
        assert (await ask(store, demand, lease=lease)).refused is None
    assert (await ask(store, demand)).refused == Refused(0, Reason.PARALLEL, 1)
    await store.settle("a", [Settlement(demand, 0, 0, 0)])
    assert (await ask(store, demand, lease="c")).refused is None
    assert (await ask(store, demand)).refused is not None


async def test_the_stricter_decides_and_a_refused_call_counts_for_nobody(store: Store) -> None:
    demands = Demand("key:1", rpm=5), Demand("user:1", rpm=2)
    for _each in range(2):
        counted = await ask(store, *demands)
    assert [use.requests for use in counted.uses] == [2, 2]
    counted = await ask(store, *demands)
    assert counted.refused is not None and counted.refused.holder == 1
    assert [use.requests for use in counted.uses] == [2, 2]
    other = await ask(store, Demand("key:2", rpm=5), demands[1])
    assert other.refused is not None and other.uses[0].requests == 0


def budget(known: int, limit: int = 1000, cost: int = 0) -> Demand:
    day = BudgetDemand("key:1:day:2026-11-26", limit, known, 90_000)
    return Demand("key:1", cost=cost, budgets=(day,))


async def test_a_budget_stops_at_the_boundary(store: Store) -> None:
    for _each in range(2):
        counted = await ask(store, budget(0), lease="a")
        assert counted.refused is None
        await store.settle("a", [Settlement(budget(0), counted.second, 0, 500)])
    refused = (await ask(store, budget(0))).refused
    assert refused == Refused(0, Reason.BUDGET, spent=1000)
    # The database knows now what this process counted itself: not twice.
    assert (await ask(store, budget(1000, limit=1001))).refused is None
    assert (await ask(store, budget(1001, limit=1001))).refused is not None, "others spend too"
    later = BudgetDemand("key:1:day:2026-11-27", 1000, 0, 90_000)
    assert (await ask(store, Demand("key:1", budgets=(later,)))).refused is None


async def test_what_running_calls_may_cost_is_reserved(store: Store) -> None:
    """Three of 300 fit into 1000, whenever they come; whoever is alone may use up the rest."""
    for lease in ("a", "b", "c"):
        assert (await ask(store, budget(0, cost=300), lease=lease)).refused is None
    refused = (await ask(store, budget(0, cost=300), lease="d")).refused
    assert refused == Refused(0, Reason.RESERVED, 1, spent=0, reserved=900)
    assert (await ask(store, budget(0, cost=100), lease="e")).refused is None
    for lease in ("a", "b", "e"):
        await store.settle(lease, [Settlement(budget(0), 0, 0, 200)])
    refused = (await ask(store, budget(0, cost=200), lease="d")).refused
    assert refused == Refused(0, Reason.RESERVED, 1, spent=600, reserved=300)
    await store.settle("c", [Settlement(budget(0), 0, 0, 300)])
    assert (await ask(store, budget(0, cost=5000), lease="f")).refused is None
    assert (await ask(store, budget(0))).refused is None, "an unknown cost reserves nothing"
    await store.settle("f", [Settlement(budget(0), 0, 0, 100)])
    refused = (await ask(store, budget(0))).refused
    assert refused == Refused(0, Reason.BUDGET, spent=1000)


async def test_a_refused_call_reserves_nothing(store: Store) -> None:
    other = Demand("user:1", max_parallel=1)
    assert (await ask(store, other, lease="a")).refused is None
    for _each in range(3):
        refused = (await ask(store, budget(0, cost=900), other)).refused
        assert refused is not None and refused.reason is Reason.PARALLEL
    assert (await ask(store, budget(0, cost=1000))).refused is None


async def test_large_amounts_are_exact(store: Store) -> None:
    limit = 999_999_999_999_999
    counted = await ask(store, budget(limit - 1, limit), lease="a")
    assert counted.refused is None
    await store.settle("a", [Settlement(budget(0, limit), counted.second, 0, 1)])
    assert (await ask(store, budget(0, limit))).refused == Refused(0, Reason.BUDGET, spent=limit)


async def test_counts_of_many_holders_stay_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_module, "HOLDERS_KEPT", 20)
    store = MemoryStore()
    for number in range(100):
        await ask(store, Demand(f"key:{number}", rpm=5))
    assert len(store._counts) <= 20


# --- Across processes ---------------------------------------------------------


@needs_redis
async def test_two_processes_share_their_counts(make_redis: MakeRedis) -> None:
    stores = SharedStore(make_redis()), SharedStore(make_redis())
    demand = Demand("key:1", rpm=7, tpm=1000, tokens=1, max_parallel=100)
    asked = [ask(stores[number % 2], demand) for number in range(20)]
    refused = [counted.refused for counted in await asyncio.gather(*asked)]
    assert sum(each is None for each in refused) == 7


@needs_redis
async def test_what_ends_in_one_process_counts_in_all_at_once(make_redis: MakeRedis) -> None:
    one, other = make_redis(), make_redis()
    counted = await ask(one, budget(400), lease="a")
    await one.settle("a", [Settlement(budget(400), counted.second, 0, 600)])
    assert (await ask(other, budget(400))).refused == Refused(0, Reason.BUDGET, spent=1000)


@needs_redis
async def test_many_calls_at_once_are_answered_each_with_its_own(make_redis: MakeRedis) -> None:
    store = make_redis()
    demands = [Demand(f"key:{number % 7}", rpm=100 + number % 7) for number in range(500)]
    asked = await asyncio.gather(*(ask(store, demand) for demand in demands))
    for number in range(7):
        uses = [counted.uses[0].requests for counted in asked[number::7]]
        allowed = min(100 + number, len(uses))
        assert uses == list(range(1, allowed + 1)) + [allowed] * (len(uses) - allowed)


@needs_redis
async def test_a_caller_that_leaves_disturbs_nobody(make_redis: MakeRedis) -> None:
    store = make_redis()
    asked = [asyncio.create_task(ask(store, Demand("key:1", rpm=50))) for _each in range(20)]
    await asyncio.sleep(0)
    for task in asked[::2]:
        task.cancel()
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(each, Counted) for each in found[1::2])
    assert all(isinstance(each, asyncio.CancelledError) for each in found[::2])


@needs_redis
async def test_the_place_of_a_dead_process_is_free_after_a_while(
    make_redis: MakeRedis, clock: Clock
) -> None:
    dead, alive = make_redis(), make_redis()
    demand = Demand("key:1", max_parallel=2)
    await ask(dead, demand, lease="lost")
    await ask(alive, demand, lease="long")
    clock.now += LEASE_S - 1
    await alive.renew()
    assert (await ask(alive, demand)).refused is not None
    clock.now += 2
    assert (await ask(alive, demand, lease="new")).refused is None
    assert (await ask(alive, demand)).refused is not None, "the one that lives keeps its own"


@needs_redis
async def test_what_a_dead_process_reserved_is_free_after_a_while(
    make_redis: MakeRedis, clock: Clock
) -> None:
    dead, alive = make_redis(), make_redis()
    await ask(dead, budget(0, cost=400), lease="lost")
    await ask(alive, budget(0, cost=600), lease="long")
    assert (await ask(alive, budget(0, cost=1))).refused is not None
    clock.now += LEASE_S - 1
    await alive.renew()
    clock.now += 2
    assert (await ask(alive, budget(0, cost=400), lease="new")).refused is None
    assert (await ask(alive, budget(0, cost=1))).refused is not None


class Fragile(RedisStore):
    """Answers while `is_up`."""

    is_up = True

    async def admit(self, lease: str, demands: object) -> Counted:
        if not self.is_up:
            raise RedisError("secret address")
        return await super().admit(lease, demands)  # type: ignore[arg-type]


@needs_redis
async def test_without_redis_each_process_counts_by_itself(
    caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    redis = Fragile(URL, clock, prefix=f"test:{uuid.uuid4().hex}:")
    store = SharedStore(redis, MemoryStore(clock), clock)
    demand = Demand("key:1", rpm=2, max_parallel=9)
    assert (await ask(store, demand, lease="a")).refused is None
    redis.is_up = False
    for lease in ("b", "c"):
        assert (await ask(store, demand, lease=lease)).refused is None
    assert (await ask(store, demand)).refused is not None
    await store.settle("a", [Settlement(demand, 0, 0, 0)])
    await store.settle("b", [Settlement(demand, 0, 0, 0)])
    redis.is_up = True
    assert (await ask(store, demand)).refused is not None, "not asked again at once"
    clock.now += 6
    assert (await ask(store, demand, lease="d")).refused is None
    assert caplog.text.count("Redis is away") == 1 and caplog.text.count("Redis is back") == 1
    assert "secret" not in caplog.text
    await store.close()


async def test_nothing_listens(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    store = SharedStore(RedisStore(f"redis://:hunter2@127.0.0.1:{port}/0"))
    assert (await ask(store, Demand("key:1", rpm=1))).refused is None
    assert (await ask(store, Demand("key:1", rpm=1))).refused is not None
    assert caplog.text.count("Redis is away") == 1 and "hunter2" not in caplog.text
    await store.close()
