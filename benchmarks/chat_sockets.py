"""A chat for many at once, through web sockets: 200 answers are written at the same time, 20
events a second each, with their history; then 1,000 sockets that only wait.

A question goes the way of the page, its answer comes over the socket of its session. Each token
names its number, its question, and when the stand-in provider read and sent what, by the clock that
all processes of this machine share. Checked: every token once and in order, on the socket and in
the database. `late`: from a token's leaving the provider to its arrival; `first`: what is added to
the first one, from the sending of the question.
"""

import asyncio
import json
import os
import re
import statistics
import sys
import time
from contextlib import AsyncExitStack, ExitStack, closing
from typing import Any

import httpx
import psutil
from websockets.asyncio.client import ClientConnection, connect

from benchmarks._platform import free_port, platform, signed_in, stand_in, web_process
from benchmarks.pages import connect as connect_provider
from benchmarks.pages import post

OPTIONS = ("short",)
USERS, TOKENS, GAP_MS, ROUNDS = 200, 600, 50, 2
STAGGER_S = 30.0
# An answer takes 30 s; who is late is measured, not given up.
WITHIN_S = 120.0
IDLE = 1_000
TOKEN = re.compile(r"t(\d+):(m\d+):(\d+):(\d+) ")


class Talk:
    """One session and who watches it; `times` in milliseconds."""

    def __init__(self, session: str) -> None:
        self.session = session
        self.text = ""
        self.first_ms: list[float] = []
        self.late_ms: list[float] = []
        self._has_ended = asyncio.Event()
        self._seen = 0
        self._sent_ns = 0
        self._mark = ""

    async def listen(self, socket: ClientConnection) -> None:
        async for message in socket:
            now = time.monotonic_ns()
            event = json.loads(message)
            if event["type"] == "delta":
                self.text += event["content"]
            elif event["type"] == "state":
                self._take(event["messages"])
            self._note(now)

    def _take(self, messages: list[dict[str, Any]]) -> None:
        """The newest answer, which has begun, ended, or moved on unseen."""
        for answer in messages:
            if answer["role"] == "assistant" and self._mark in answer["content"]:
                self.text = answer["content"]
                if answer["status"] != "streaming":
                    self._has_ended.set()

    def _note(self, now: int) -> None:
        for token in TOKEN.finditer(self.text, self._seen):
            number, read_ns, left_ns = int(token[1]), int(token[3]), int(token[4])
            self.late_ms.append((now - left_ns) / 1e6)
            if number == 0:
                self.first_ms.append((read_ns - self._sent_ns + now - left_ns) / 1e6)
            self._seen = token.end()

    async def ask(self, client: httpx.AsyncClient, mark: str, model: int) -> None:
        self.text, self._seen, self._sent_ns = "", 0, time.monotonic_ns()
        self._mark = f":{mark}:"
        self._has_ended.clear()
        form = {"content": mark, "model": model}
        answer = await client.post(f"/chat/{self.session}/messages/", data=form)
        answer.raise_for_status()
        await asyncio.wait_for(self._has_ended.wait(), WITHIN_S)
        found = [(int(token[1]), token[2]) for token in TOKEN.finditer(self.text)]
        wanted = [(number, mark) for number in range(TOKENS)]
        assert found == wanted, f"{mark}: {len(found)} tokens came, not in their order"


def _connected(url: str, cookie: str, session: str) -> connect:
    address = f"{url.replace('http', 'ws', 1)}/ws/chat/{session}/"
    headers = {"Cookie": cookie}
    return connect(address, additional_headers=headers, origin=url)  # type: ignore[arg-type]


async def _talk(
    url: str, cookie: str, client: httpx.AsyncClient, talks: list[Talk], model: int, rounds: int
) -> None:
    async with AsyncExitStack() as stack:
        sockets = [
            await stack.enter_async_context(_connected(url, cookie, talk.session)) for talk in talks
        ]
        listening = [
            asyncio.create_task(talk.listen(socket))
            for talk, socket in zip(talks, sockets, strict=True)
        ]

        async def user(number: int, talk: Talk) -> None:
            await asyncio.sleep(STAGGER_S * number / len(talks))
            for each in range(rounds):
                await talk.ask(client, f"m{number * 1000 + each}", model)

        await asyncio.gather(*(user(number, talk) for number, talk in enumerate(talks)))
        for task in listening:
            task.cancel()


class Watch:
    """What the web process holds while it works: memory, and open connections of the database."""

    def __init__(self, web: psutil.Process) -> None:
        self.memory_mb, self.connections = 0.0, 0
        self._web = web

    async def look(self) -> None:
        while True:
            self.memory_mb = max(self.memory_mb, _memory_mb(self._web))
            files = [file.path for file in self._web.open_files()]
            self.connections = max(self.connections, sum(f.endswith(".sqlite3") for f in files))
            await asyncio.sleep(1)


def _memory_mb(process: psutil.Process) -> float:
    return float(process.memory_full_info().pss) / 1024**2


def _told(name: str, times: list[float]) -> str:
    cuts = statistics.quantiles(times, n=100)
    return f"{name} p50 {cuts[49]:.1f}  p95 {cuts[94]:.1f}  p99 {cuts[98]:.1f} ms"


async def _measure(url: str, page: httpx.Client, web: psutil.Process, *, is_short: bool) -> None:
    users, rounds = (40, 1) if is_short else (USERS, ROUNDS)
    models = page.get("/api/v1/models").raise_for_status().json()["items"]
    model = next(each["id"] for each in models if each["model_id"] == f"m-{TOKENS}-{GAP_MS}")
    sessions = [
        post(page, "chat/sessions", json={"model_id": model, "title": f"Chat {number}"})["id"]
        for number in range(users)
    ]
    cookie = "; ".join(f"{each.name}={each.value}" for each in page.cookies.jar)
    headers = {"Cookie": cookie, "X-CSRFToken": page.cookies["csrftoken"], "Referer": url}
    headers["HX-Request"] = "true"
    limits = httpx.Limits(max_connections=None)
    watch, talks = Watch(web), [Talk(session) for session in sessions]
    asking = httpx.AsyncClient(base_url=url, headers=headers, limits=limits, timeout=WITHIN_S)
    async with asking as client:
        await _talk(url, cookie, client, talks[:5], model, 1)
        for talk in talks:
            talk.first_ms, talk.late_ms = [], []
        before, began = web.cpu_times(), time.perf_counter()
        watching = asyncio.create_task(watch.look())
        await _talk(url, cookie, client, talks, model, rounds)
        watching.cancel()
        after, took_s = web.cpu_times(), time.perf_counter() - began
    late = [ms for talk in talks for ms in talk.late_ms]
    first = [ms for talk in talks for ms in talk.first_ms]
    cpu_s = after.user + after.system - before.user - before.system
    print(f"{users} users, {1000 // GAP_MS} tokens a second each, {len(late)} tokens, none lost:")
    print(f"  {_told('first token +', first)}")
    print(f"  {_told('tokens late by', late)}")
    print(
        f"  {cpu_s * 1e6 / len(late):.0f} us CPU a token, {cpu_s / took_s * 100:.0f} % of a core; "
        f"at most {watch.memory_mb:.0f} MB (PSS), {watch.connections} connections of the database",
        flush=True,
    )
    for talk in talks:
        answer = page.get(f"/api/v1/chat/sessions/{talk.session}/messages").json()["items"][-1]
        assert answer["content"] == talk.text, "the database has another text"


async def _wait(url: str, page: httpx.Client, web: psutil.Process) -> None:
    """Sockets on which nothing happens."""
    session = page.get("/api/v1/chat/sessions").json()["items"][0]["id"]
    cookie = "; ".join(f"{each.name}={each.value}" for each in page.cookies.jar)
    before = _memory_mb(web)
    async with AsyncExitStack() as stack:
        for _each in range(IDLE):
            await stack.enter_async_context(_connected(url, cookie, session))
        await asyncio.sleep(5)
        cpu = web.cpu_times()
        await asyncio.sleep(10)
        used = web.cpu_times()
        share = (used.user + used.system - cpu.user - cpu.system) / 10
        grown = _memory_mb(web) - before
    print(f"{IDLE} idle sockets: + {grown:.0f} MB (PSS), {share * 100:.0f} % of a core", flush=True)


def main(*options: str) -> None:
    is_short = "short" in options
    cores = sorted(os.sched_getaffinity(0))
    with ExitStack() as stack:
        url, _folder = stack.enter_context(platform({"ALLOW_PRIVATE_PROVIDER_URLS": "1"}))
        provider_url = stack.enter_context(stand_in("_openai", free_port()))
        page = stack.enter_context(closing(signed_in(url)))
        connect_provider(page, provider_url)
        web = web_process(url)
        print(f"{len(cores)} cores, {psutil.getloadavg()[0]:.1f} of load before")
        asyncio.run(_measure(url, page, web, is_short=is_short))
        asyncio.run(_wait(url, page, web))


if __name__ == "__main__":
    main(*sys.argv[1:])
