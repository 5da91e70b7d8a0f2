"""The process that holds the model, and when it runs: started, watched, put to sleep, woken,
started again after a crash.

          ┌───────── idle ────────> asleep ── a request ──> waking ┐
loading ──> ready ── crash ──> restarting (1, 2, 4 … s) ──┐        │
   ^  └────────────────────────────────────────────────<──┴────────┘

A model that never came up ends everything at once: that is a mistake in the configuration, and
trying again does not mend it.
"""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

LOOK_EVERY_S = 0.2
HEALTH_EVERY_S, HEALTH_TIMEOUT_S, HEALTH_FAILURES = 10.0, 10.0, 3
CRASHES_MAX, PAUSE_MAX_S = 5, 60.0
# A crash after so long is a new story.
FORGIVEN_AFTER_S = 600.0
END_WITHIN_S = 8.0


class NotServing(Exception):
    """No model now, and why; `retry_after_s` where waiting may help."""

    def __init__(self, words: str, retry_after_s: int = 10) -> None:
        super().__init__(words)
        self.retry_after_s = retry_after_s


class Keeper:
    """`spec`: {"child": command, "idle_s": 0 for never, "wait_s", "pause_s", "needs_place",
    "control_path"}; `key` is the child's, too. In the command "{port}" and "{pid}" stand for the
    port to listen on and our own process."""

    def __init__(self, spec: Mapping[str, Any], key: str) -> None:
        self.spec = spec
        self.state, self.crashes = "loading", 0
        self.active, self.last_request_at = 0, time.time()
        self.port = 0
        self._ready, self._wanted = asyncio.Event(), asyncio.Event()
        self._child: asyncio.subprocess.Process | None = None
        self._has_been_ready = False
        self._environment: dict[str, str] = {}
        self.client = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {key}"},
            timeout=httpx.Timeout(None, connect=5),
            limits=httpx.Limits(max_connections=None),
            trust_env=False,
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def wait_until_ready(self) -> None:
        """Wakes the model if it sleeps. Raises NotServing when it takes too long."""
        self._wanted.set()
        try:
            await asyncio.wait_for(self._ready.wait(), self.spec["wait_s"])
        except TimeoutError as error:
            raise NotServing(self._why()) from error

    def _why(self) -> str:
        waited = f"within {self.spec['wait_s']:.0f} s"
        if self.state == "waking":
            return f"The model was asleep, and no place on a GPU became free {waited}."
        if self.state == "restarting":
            return f"The model's process broke off and did not come back {waited}."
        return f"The model did not finish loading {waited}."

    async def run(self) -> int:
        """Until the model cannot be kept; the exit code."""
        while True:
            crash = await self._one_life()
            if crash is not None:
                if not self._has_been_ready:
                    return crash or 1
                if not await self._pause_after_crash():
                    return crash or 1
                continue
            self.state = "asleep"
            self._wanted.clear()
            await self._wanted.wait()
            self.state = "waking"
            await self._place()
            self.state = "loading"

    async def _one_life(self) -> int | None:
        """The exit code of a child that broke off; None when it was put to sleep."""
        child = await self._start()
        try:
            while child.returncode is None and not await self._answers(2):
                await asyncio.sleep(LOOK_EVERY_S)
            if child.returncode is not None:
                return child.returncode
            self.state, self._has_been_ready = "ready", True
            started = time.monotonic()
            self.last_request_at = time.time()
            self._ready.set()
            found = await self._watch(child)
            if time.monotonic() - started > FORGIVEN_AFTER_S:
                self.crashes = 0
            return found
        finally:
            self._ready.clear()
            await self.end()

    async def _start(self) -> asyncio.subprocess.Process:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        told = {"{port}": str(self.port), "{pid}": str(os.getpid())}
        command = [told.get(word, word) for word in self.spec["child"]]
        self._child = await asyncio.create_subprocess_exec(
            *command, env=os.environ | self._environment
        )
        return self._child

    async def _watch(self, child: asyncio.subprocess.Process) -> int | None:
        failures, looked = 0, time.monotonic()
        while True:
            try:
                await asyncio.wait_for(child.wait(), LOOK_EVERY_S)
                return child.returncode
            except TimeoutError:
                pass
            if self._is_idle():
                return None
            if time.monotonic() - looked < HEALTH_EVERY_S:
                continue
            failures = 0 if await self._answers(HEALTH_TIMEOUT_S) else failures + 1
            looked = time.monotonic()
            if failures >= HEALTH_FAILURES:
                sys.stderr.write("the model's process does not answer any more: ending it\n")
                child.kill()
                return await child.wait()

    def _is_idle(self) -> bool:
        idle_s = self.spec["idle_s"]
        return bool(idle_s) and not self.active and time.time() - self.last_request_at > idle_s

    async def _answers(self, timeout_s: float) -> bool:
        try:
            answer = await self.client.get(f"{self.url}/v1/models", timeout=timeout_s)
        except httpx.HTTPError:
            return False
        return answer.status_code == 200

    async def _pause_after_crash(self) -> bool:
        """False when it has broken off too often."""
        self.crashes += 1
        sys.stderr.write(f"the model's process broke off (time {self.crashes} in a row)\n")
        if self.crashes > CRASHES_MAX:
            return False
        self.state = "restarting"
        await asyncio.sleep(min(PAUSE_MAX_S, self.spec["pause_s"] * 2.0 ** (self.crashes - 1)))
        return True

    async def _place(self) -> None:
        """Waits for the GPUs that the control file names: {"gpus": "0,1"}."""
        if not self.spec["needs_place"]:
            return
        path = Path(self.spec["control_path"])
        while True:
            try:
                told = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                await asyncio.sleep(LOOK_EVERY_S)
                continue
            self._environment["CUDA_VISIBLE_DEVICES"] = told["gpus"]
            path.unlink()
            return

    async def end(self) -> None:
        """The child is gone afterwards."""
        child = self._child
        if child is None or child.returncode is not None:
            return
        child.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(child.wait(), END_WITHIN_S)
        except TimeoutError:
            child.kill()
            await child.wait()
