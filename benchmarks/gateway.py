"""What the gateway adds to a provider: requests per second, CPU, time to the first token.

The same load goes straight to a stand-in provider and through the gateway, in turns, in one run;
so the ratios hold where the absolute figures do not. Every answer is checked. The web process has
one core to itself, provider and load share another, where the machine has two.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import aiohttp
import httpx
import psutil

from benchmarks._platform import PASSWORD, free_port, platform

ROUNDS = 3
CONNECTIONS = 50
SECONDS = 4.0
HELLO = [{"role": "user", "content": "Say something short, please."}]


@dataclass
class Target:
    """Where the load goes, and the process whose CPU it costs."""

    name: str
    url: str
    key: str = ""
    process: psutil.Process | None = None

    def cpu_s(self) -> float:
        if self.process is None:
            return 0.0
        used = self.process.cpu_times()
        return float(used.user + used.system)


@dataclass
class Result:
    """One round. `first_ms`: time to the first token of each stream."""

    answers: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    first_ms: list[float] = field(default_factory=list)


Load = Callable[[aiohttp.ClientSession, Target, Result], Awaitable[None]]


async def _whole(session: aiohttp.ClientSession, target: Target) -> None:
    body = {"model": "m-1-0", "messages": HELLO}
    async with session.post(f"{target.url}/chat/completions", json=body) as answer:
        text = await answer.text()
        assert answer.status == 200 and '"ok"' in text, f"{answer.status}: {text[:300]}"


async def closed_loop(session: aiohttp.ClientSession, target: Target, result: Result) -> None:
    """Each connection asks again as soon as it has its answer."""
    end = time.perf_counter() + SECONDS

    async def work() -> None:
        while time.perf_counter() < end:
            await _whole(session, target)
            result.answers += 1

    await asyncio.gather(*(work() for _each in range(CONNECTIONS)))


async def _stream(
    session: aiohttp.ClientSession, target: Target, model: str, result: Result
) -> None:
    body = {"model": model, "messages": HELLO, "stream": True}
    started = time.perf_counter()
    first = 0.0
    data = b""
    async with session.post(f"{target.url}/chat/completions", json=body) as answer:
        async for piece in answer.content.iter_any():
            first = first or time.perf_counter()
            data += piece
    is_whole = data.count(b'"content"') == int(model.split("-")[1]) and b"[DONE]" in data
    assert is_whole, data[-300:]
    result.answers += 1
    result.first_ms.append((first - started) * 1000)


def streams(model: str, *, users: int, apart_s: float) -> Load:
    """Streams that begin `apart_s` apart, whether or not earlier ones have ended."""

    async def load(session: aiohttp.ClientSession, target: Target, result: Result) -> None:
        async def one(number: int) -> None:
            await asyncio.sleep(number * apart_s)
            await _stream(session, target, model, result)

        await asyncio.gather(*(one(number) for number in range(users)))

    return load


async def _round(target: Target, load: Load) -> Result:
    result = Result()
    headers = {"Authorization": f"Bearer {target.key}"} if target.key else {}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        await _whole(session, target)
        cpu_s, started = target.cpu_s(), time.perf_counter()
        await load(session, target, result)
        result.wall_s = time.perf_counter() - started
        result.cpu_s = target.cpu_s() - cpu_s
    return result


def measure(targets: tuple[Target, Target], load: Load) -> tuple[list[Result], list[Result]]:
    """Rounds in turns: direct, gateway, direct, …"""
    found: tuple[list[Result], list[Result]] = ([], [])
    for _each in range(ROUNDS):
        for target, results in zip(targets, found, strict=True):
            results.append(asyncio.run(_round(target, load)))
    return found


def _first(results: list[Result]) -> tuple[float, float]:
    """Median and 99th percentile over all rounds, in ms."""
    times = sorted(value for result in results for value in result.first_ms)
    return statistics.median(times), times[min(len(times) - 1, int(len(times) * 0.99))]


def report_requests(direct: list[Result], through: list[Result]) -> None:
    rates = [
        statistics.median(result.answers / result.wall_s for result in results)
        for results in (direct, through)
    ]
    cpu_ms = statistics.median(result.cpu_s * 1000 / result.answers for result in through)
    print(f"{CONNECTIONS} connections, no stream:")
    print(f"  direct {rates[0]:.0f} req/s, gateway {rates[1]:.0f} req/s", end="")
    print(f" ({rates[1] / rates[0]:.2f} of direct), {cpu_ms:.3f} ms CPU a request")


def report_streams(name: str, direct: list[Result], through: list[Result], tokens: int) -> None:
    (direct_50, direct_99), (through_50, through_99) = _first(direct), _first(through)
    cpu_us = statistics.median(r.cpu_s * 1e6 / (r.answers * tokens) for r in through)
    print(f"{name}:")
    print(f"  first token direct p50 {direct_50:.1f} p99 {direct_99:.1f} ms, ", end="")
    print(f"gateway p50 {through_50:.1f} p99 {through_99:.1f} ms", end="")
    print(f" (added {through_50 - direct_50:.1f} / {through_99 - direct_99:.1f}), ", end="")
    print(f"{cpu_us:.0f} us CPU a token", flush=True)


@contextmanager
def _provider(port: int) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-m", "benchmarks._openai", str(port)])
    try:
        for _attempt in range(100):
            try:
                httpx.get(f"http://127.0.0.1:{port}/v1/models").raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(timeout=10)


def _key(url: str, upstream_url: str) -> str:
    """A personal key that may use the stand-in's models."""
    with httpx.Client(base_url=f"{url}/api/v1/", timeout=30) as client:
        login = {"email": "admin@example.com", "password": PASSWORD}
        token = client.post("auth/login", json=login).raise_for_status().json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        provider = {"kind": "openai", "name": "up", "base_url": upstream_url, "api_key": "none"}
        made = client.post("providers", json=provider).raise_for_status().json()
        client.post(f"providers/{made['id']}/refresh-models").raise_for_status()
        key = client.post("keys", json={"name": "bench"}).raise_for_status().json()["key"]
        return str(key)


def _web(port: int) -> psutil.Process:
    for connection in psutil.net_connections("tcp"):
        if connection.laddr and connection.laddr.port == port and connection.status == "LISTEN":
            return psutil.Process(connection.pid)
    raise SystemExit(f"nothing listens on port {port}")


def main() -> None:
    cores = sorted(os.sched_getaffinity(0))
    port = free_port()
    if len(cores) > 1:
        os.sched_setaffinity(0, cores[1:2])
    extra = {"ALLOW_PRIVATE_PROVIDER_URLS": "1"}
    with _provider(port), platform(extra) as (url, _folder):
        upstream_url = f"http://127.0.0.1:{port}/v1"
        web = _web(int(url.rsplit(":", 1)[1]))
        if len(cores) > 1:
            web.cpu_affinity(cores[:1])
        direct = Target("direct", upstream_url)
        through = Target("gateway", f"{url}/v1", _key(url, upstream_url), web)
        targets = (direct, through)
        report_requests(*measure(targets, closed_loop))
        few = streams("m-20-5", users=100, apart_s=0.05)
        report_streams("20 streams a second, 20 tokens", *measure(targets, few), 20)
        many = streams("m-100-15", users=200, apart_s=0.009)
        report_streams("200 users, 100 tokens, 15 ms apart", *measure(targets, many), 100)
        memory_mb = web.memory_info().rss / 1024**2
        print(f"memory of the web process afterwards: {memory_mb:.0f} MB")
    os.sched_setaffinity(0, cores)
