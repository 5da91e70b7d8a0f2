"""What an answered call leaves to the garbage collector, which holds all streams up while it looks:
nothing."""

import gc
import time
from collections.abc import Iterator
from typing import Any

import pytest

from providers.gateway.exchange import Exchange
from providers.models import Provider
from providers.tests.conftest import Records
from providers.tests.stand_in import StandIn

HELLO = [{"role": "user", "content": "hello there"}]
CALLS = 3


def exchanges() -> list[Exchange]:
    """Not by `isinstance`, which wakes up lazy objects of others."""
    return [each for each in gc.get_objects() if type(each) is Exchange]


@pytest.fixture
def left(recorded: Records) -> Iterator[list[Exchange]]:
    """What the calls of a test have left, after it."""
    gc.collect()
    gc.disable()
    found: list[Exchange] = []
    before = {id(each): each for each in exchanges()}
    try:
        yield found
        recorded(CALLS)
        for _attempt in range(40):
            found[:] = [each for each in exchanges() if id(each) not in before]
            if len(found) <= 1:
                break
            time.sleep(0.05)
    finally:
        gc.enable()
    assert len(found) <= 1, "the last one goes with its connection"


@pytest.mark.parametrize("mode", ["ok", "no-done", "bare", "tools"])
@pytest.mark.parametrize("think_s", [0.0, 0.3])
def test_a_stream_leaves_nothing(
    sdk: Any,
    remote: Provider,
    stand_in: StandIn,
    left: list[Exchange],
    mode: str,
    think_s: float,
) -> None:
    """Nor does what looks whether the client is still there, once that has begun."""
    stand_in.mode, stand_in.think_s = mode, think_s
    for _each in range(CALLS):
        assert list(sdk.chat.completions.create(model="m", messages=HELLO, stream=True))


def test_a_whole_answer_leaves_nothing(
    sdk: Any, remote: Provider, stand_in: StandIn, left: list[Exchange]
) -> None:
    stand_in.think_s = 0.3
    for _each in range(CALLS):
        assert sdk.chat.completions.create(model="m", messages=HELLO).choices
