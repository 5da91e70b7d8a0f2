"""Calls that run end with their key, and those that are short ask nobody."""

import asyncio
from collections.abc import Awaitable, Collection

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError
from django.utils import timezone

from accounts.models import ApiKey, User
from providers.gateway import clock as clock_module
from providers.gateway import running as running_module
from providers.gateway.authentication import USABLE_FOR_S, Keyring
from providers.gateway.clock import RESOLUTION_S, SlowClock
from providers.gateway.running import CHECK_EVERY_S, KeyEnded, RunningCalls


class Keys(Keyring):
    """Each look finds the next of `news`: keys that have ended, or that the database is away."""

    def __init__(self, *news: set[int] | Exception) -> None:
        super().__init__()
        self.news = list(news)
        self.asked: list[set[int]] = []

    async def ended(self, key_ids: Collection[int]) -> set[int]:
        self.asked.append(set(key_ids))
        found = self.news.pop(0) if self.news else set()
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_module, "RESOLUTION_S", 0.01)
    monkeypatch.setattr(running_module, "CHECK_EVERY_S", 0.01)


async def call(running: RunningCalls, key_id: int, work: Awaitable[object]) -> str:
    with running.call_of(key_id):
        await work
    return "done"


async def test_a_call_ends_with_its_key_and_the_others_go_on() -> None:
    keys, release = Keys(set(), {1}), asyncio.Event()
    running = RunningCalls(keys, SlowClock())
    ended = asyncio.create_task(call(running, 1, asyncio.Event().wait()))
    other = asyncio.create_task(call(running, 2, release.wait()))
    with pytest.raises(KeyEnded):
        await ended
    assert keys.asked[:2] == [{1, 2}] * 2 and list(keys.in_use) == [2]
    assert not ended.cancelling(), "what it does next is not cancelled"
    release.set()
    assert await other == "done"


async def test_a_call_that_takes_long_to_end_is_told_once() -> None:
    keys, cancelled = Keys({1}, {1}, {1}), 0

    async def work() -> None:
        nonlocal cancelled
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled += 1
            while len(keys.asked) < 3:
                await asyncio.sleep(0.01)
            raise

    with pytest.raises(KeyEnded):
        await asyncio.create_task(call(RunningCalls(keys, SlowClock()), 1, work()))
    assert cancelled == 1


async def test_a_short_call_asks_nobody() -> None:
    keys = Keys({1})
    running = RunningCalls(keys, SlowClock())
    assert await call(running, 1, asyncio.sleep(0)) == "done"
    while running._is_watched:
        await asyncio.sleep(0.01)
    assert keys.asked == []
    with pytest.raises(KeyEnded):  # a later one is watched again
        await asyncio.create_task(call(running, 1, asyncio.Event().wait()))


async def test_calls_go_on_while_the_database_is_away() -> None:
    keys = Keys(OperationalError(), {1})
    with pytest.raises(KeyEnded):
        await asyncio.create_task(call(RunningCalls(keys, SlowClock()), 1, asyncio.Event().wait()))
    assert len(keys.asked) == 2


async def test_a_server_that_stops_is_no_key_that_ended() -> None:
    running = RunningCalls(Keys(), SlowClock())
    task = asyncio.create_task(call(running, 1, asyncio.Event().wait()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("column", ["revoked_at", "expires_at"])
async def test_a_key_that_only_runs_is_read_again(
    transactional_db: None, alice: User, column: str
) -> None:
    row, _text = await sync_to_async(ApiKey.issue)(user=alice, name="k")
    keyring = Keyring()
    assert await keyring.ended([row.pk]) == set(), "nobody has asked for it"
    keyring.in_use = [row.pk]
    keyring._forget()
    assert await keyring.ended([row.pk]) == set()
    await ApiKey.objects.filter(pk=row.pk).aupdate(**{column: timezone.now()})
    keyring._forget()
    assert await keyring.ended([row.pk]) == {row.pk}


def test_a_look_is_early_enough() -> None:
    """What is left of the five seconds is for the database, and for the call to end."""
    assert CHECK_EVERY_S + RESOLUTION_S + USABLE_FOR_S <= 3
