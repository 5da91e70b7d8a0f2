"""What runs at the start and at the end, also after a hook that fails."""

import asyncio

import pytest

from llmplatform.lifespan import Lifespan


async def test_hooks_run_at_shutdown(caplog: pytest.LogCaptureFixture) -> None:
    ran: list[str] = []
    sent: list[str] = []
    events: asyncio.Queue[dict[str, str]] = asyncio.Queue()

    async def fails() -> None:
        raise ValueError("x")

    async def works() -> None:
        ran.append("works")

    async def send(event: dict[str, str]) -> None:
        sent.append(event["type"])

    async def begins() -> None:
        ran.append("begins")
        events.put_nowait({"type": "lifespan.shutdown"})
        await asyncio.Event().wait()

    events.put_nowait({"type": "lifespan.startup"})
    await Lifespan(fails, works, begins=[fails, begins])({"type": "lifespan"}, events.get, send)
    assert ran == ["begins", "works"] and caplog.text.count("hook of the web process failed") == 2
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
