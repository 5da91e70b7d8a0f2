"""Circuits of models, and the order in which the models of an alias are tried."""

from collections import Counter
from typing import Any

import pytest

from providers.errors import (
    Authentication,
    BadRequest,
    NoMoney,
    ProviderError,
    RateLimited,
    Unavailable,
)
from providers.gateway.health import FAILURES_TO_OPEN, FIRST_REST_S, LONGEST_REST_S, Health
from providers.gateway.plans import Member, Plan
from providers.gateway.route import Route
from providers.types import Target


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def changed() -> list[int]:
    return []


@pytest.fixture
def health(clock: Clock, changed: list[int]) -> Health:
    return Health(clock=clock, changed=changed.append)


def test_failures_in_a_row_open_it_and_one_call_tries(
    health: Health, clock: Clock, changed: list[int]
) -> None:
    for _each in range(FAILURES_TO_OPEN - 1):
        health.failed(1, Unavailable())
        assert health.may_try(1)
    health.failed(1, Unavailable())
    assert not health.may_try(1) and changed == [1]
    assert health.wait_s(1) == FIRST_REST_S
    clock.now += FIRST_REST_S
    assert health.may_try(1)
    health.begin(1)
    assert not health.may_try(1), "one tries, the others wait"
    health.succeeded(1, 0.1)
    assert health.may_try(1) and changed == [1, 1]
    assert health.of(1).failures == 0


def test_a_failed_trial_doubles_the_rest(health: Health, clock: Clock) -> None:
    health.failed(1, NoMoney())
    for expected in (60.0, 120.0, 240.0, 480.0, LONGEST_REST_S, LONGEST_REST_S):
        clock.now += health.wait_s(1)
        health.begin(1)
        health.failed(1, Unavailable())
        assert health.wait_s(1) == expected


@pytest.mark.parametrize("error", [Authentication(), NoMoney()])
def test_what_no_second_try_mends_opens_it_at_once(health: Health, error: ProviderError) -> None:
    health.failed(1, error)
    assert not health.may_try(1) and health.of(1).reason == error.code


def test_too_many_requests_rest_it_as_long_as_the_provider_says(
    health: Health, clock: Clock
) -> None:
    health.failed(1, RateLimited(retry_after_s=7))
    assert health.wait_s(1) == 7
    clock.now += 7
    assert health.may_try(1)


def test_the_callers_mistakes_say_nothing(health: Health) -> None:
    for _each in range(2 * FAILURES_TO_OPEN):
        health.failed(1, BadRequest())
    assert health.may_try(1) and health.of(1).failures == 0


def test_a_trial_whose_caller_left_leaves_it_to_the_next(health: Health, clock: Clock) -> None:
    health.failed(1, NoMoney())
    clock.now += health.wait_s(1)
    health.begin(1)
    health.withdrawn(1)
    assert health.may_try(1)


def test_a_trial_that_never_ends_is_given_up(health: Health, clock: Clock) -> None:
    health.failed(1, NoMoney())
    clock.now += health.wait_s(1)
    health.begin(1)
    clock.now += 200
    assert health.may_try(1)


def test_it_learns_from_other_processes(health: Health, changed: list[int]) -> None:
    health.rests(1, reason="no_money", for_s=20)
    assert health.wait_s(1) == 20 and changed == []


def member(pk: int, **fields: Any) -> Member:
    target = Target("openai", "https://x.test/v1", "", f"m{pk}", False, model_pk=pk)
    return Member(Route(target, "chat", ("chat",), "", None, 0), **fields)


def plan(strategy: str, *members: Member) -> Plan:
    return Plan(members, "alias", strategy)


def keys(found: Any) -> list[int]:
    return [route.model_pk for route in found]


def test_in_order_with_those_that_rest_left_out(health: Health) -> None:
    wanted = plan("order", member(1), member(2), member(3))
    health.failed(2, NoMoney())
    assert keys(wanted.order(health)) == [1, 3]


def test_where_all_rest_the_one_that_rests_least_is_tried(health: Health) -> None:
    wanted = plan("order", member(1), member(2))
    health.failed(1, RateLimited(retry_after_s=60))
    health.failed(2, RateLimited(retry_after_s=5))
    assert keys(wanted.order(health)) == [2]


def test_the_cheapest_first_and_the_unknown_last(health: Health) -> None:
    wanted = plan("cost", member(1), member(2, cost=3.0), member(3, cost=0.5))
    assert keys(wanted.order(health)) == [3, 2, 1]


def test_the_fastest_first_once_all_are_measured(health: Health) -> None:
    wanted = plan("latency", member(1), member(2), member(3))
    health.succeeded(1, 0.4)
    health.succeeded(3, 0.2)
    assert keys(wanted.order(health, draw=lambda: 0.5)) == [2, 3, 1]
    health.succeeded(2, 0.3)
    assert keys(wanted.order(health, draw=lambda: 0.5)) == [3, 2, 1]
    for _each in range(50):
        health.succeeded(3, 2.0)
    assert keys(wanted.order(health, draw=lambda: 0.5)) == [2, 1, 3]


def test_weights_are_chances(health: Health) -> None:
    import random

    draw = random.Random(7).random
    wanted = plan("weight", member(1, weight=8), member(2, weight=2))
    first = Counter(keys(wanted.order(health, draw=draw))[0] for _each in range(2000))
    assert 0.76 < first[1] / 2000 < 0.84
