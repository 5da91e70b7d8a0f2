"""Every shutdown hook runs, also after one that fails."""

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

    for name in ("startup", "shutdown"):
        events.put_nowait({"type": f"lifespan.{name}"})
    await Lifespan(fails, works)({"type": "lifespan"}, events.get, send)
    assert ran == ["works"] and "shutdown hook failed" in caplog.text
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
