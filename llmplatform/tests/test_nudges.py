"""Nudges, within a process and through Redis to another."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings

from llmplatform.nudges import Nudges

WITHIN_S = 10


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not condition():
            await asyncio.sleep(0.01)


async def test_who_waits_hears_what_it_waits_for_and_nothing_else() -> None:
    nudges, heard = Nudges(), list[dict[str, Any]]()
    with nudges.heard("a", heard.append):
        await nudges.send([("a", {"n": 1}), ("b", {"n": 2}), ("a", {"n": 3})])
        await until(lambda: len(heard) == 2)
    assert heard == [{"n": 1}, {"n": 3}]
    await nudges.send([("a", {"n": 4})])
    await asyncio.sleep(0.05)
    assert len(heard) == 2


async def test_several_hear_the_same() -> None:
    nudges, first, second = Nudges(), list[Any](), list[Any]()
    with nudges.heard("a", first.append):
        with nudges.heard("a", second.append):
            await nudges.send([("a", {})])
            await until(lambda: bool(first and second))
        await nudges.send([("a", {})])
        await until(lambda: len(first) == 2)
    assert len(second) == 1


async def test_from_another_thread_it_is_called_in_its_own() -> None:
    nudges, threads = Nudges(), list[int]()
    with nudges.heard("a", lambda _nudge: threads.append(threading.get_ident())):
        await asyncio.to_thread(nudges.send_from_thread, [("a", {})])
        await until(lambda: bool(threads))
    assert threads == [threading.get_ident()]


def test_an_event_loop_that_has_ended_is_nobody() -> None:
    nudges = Nudges()

    async def leave_without_a_word() -> None:
        nudges.heard("a", lambda _nudge: None).__enter__()

    asyncio.run(leave_without_a_word())
    nudges.send_from_thread([("a", {})])


@pytest.mark.skipif(not settings.REDIS_URL, reason="needs Redis")
async def test_another_process_hears_it_once() -> None:
    """Two of them are two processes: each has its own name."""
    here, there, heard, mine = Nudges(), Nudges(), list[Any](), list[Any]()
    with there.heard("a", heard.append), here.heard("a", mine.append):
        async with asyncio.timeout(WITHIN_S):
            while not heard:  # until its ear is there
                await here.send([("a", {"n": 1})])
                await asyncio.sleep(0.05)
        heard.clear()
        mine.clear()
        await here.send([("a", {"n": 2}), ("b", {"n": 0}), ("a", {"n": 3})])
        await until(lambda: {"n": 3} in heard)
        assert [each for each in heard if each["n"] > 1] == [{"n": 2}, {"n": 3}]
        assert mine == [{"n": 2}, {"n": 3}]
