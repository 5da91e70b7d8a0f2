"""What the gateway adds to a provider: requests per second, CPU, time to the first token.

The same load goes straight to a stand-in provider and through the gateway, in turns, in one run;
so the ratios hold where the absolute figures do not. With `peers` LiteLLM's proxy and Portkey's
gateway take their turns, too, where they can be installed; `short` makes one short round of each.

What is added is what the caller and the stand-in see of each other, by one clock: from sending a
request to its having been read, and from a token's leaving to its arrival. Every answer is checked:
its own mark, every token once and in order. CPU is that of a gateway's whole tree of processes.
Gateways have one core, provider and load share another, where the machine has two.
"""

import asyncio
import itertools
import os
import re
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import aiohttp
import httpx
import psutil

from benchmarks._openai import MODELS
from benchmarks._peers import ALL
from benchmarks._platform import PASSWORD, free_port, platform, stand_in, web_process

OPTIONS = ("peers", "short")
CONNECTIONS = 50
TOKEN = re.compile(rb"t(\d+):(m\d+):(\d+):(\d+) ")
_marks = itertools.count()


@dataclass
class Target:
    """Where the load goes, and the process whose CPU it costs."""

    name: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    process: psutil.Process | None = None
    is_peer: bool = False

    def cpu_s(self) -> float:
        if self.process is None:
            return 0.0
        tree = [self.process, *self.process.children(recursive=True)]
        return sum(_used(each) for each in tree)


def _used(process: psutil.Process) -> float:
    try:
        used = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(used.user + used.system)


@dataclass
class Result:
    """One round. `first_ms`: what was added to the first token of each stream."""

    answers: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    first_ms: list[float] = field(default_factory=list)


Load = Callable[[aiohttp.ClientSession, Target, Result], Awaitable[None]]


def _asked(model: str, **more: object) -> tuple[str, dict[str, object]]:
    """A mark of its own, and the body that carries it."""
    mark = f"m{next(_marks)}"
    hello = [
        {"role": "system", "content": "Say something short, please."},
        {"role": "user", "content": mark},
    ]
    return mark, {"model": model, "messages": hello, **more}


async def _whole(session: aiohttp.ClientSession, target: Target) -> None:
    mark, body = _asked("m-1-0")
    async with session.post(f"{target.url}/chat/completions", json=body) as answer:
        text = await answer.text()
        is_right = answer.status == 200 and f'"ok {mark}"' in text
        assert is_right, f"{target.name}: {answer.status}: {text[:300]}"


def closed_loop(seconds: float) -> Load:
    """Each connection asks again as soon as it has its answer."""

    async def load(session: aiohttp.ClientSession, target: Target, result: Result) -> None:
        end = time.perf_counter() + seconds

        async def work() -> None:
            while time.perf_counter() < end:
                await _whole(session, target)
                result.answers += 1

        await asyncio.gather(*(work() for _each in range(CONNECTIONS)))

    return load


async def _stream(
    session: aiohttp.ClientSession, target: Target, model: str, result: Result
) -> None:
    mark, body = _asked(model, stream=True)
    sent_ns, first_ns, data = time.monotonic_ns(), 0, b""
    async with session.post(f"{target.url}/chat/completions", json=body) as answer:
        async for piece in answer.content.iter_any():
            data += piece
            if not first_ns and b"t0:" in data:
                first_ns = time.monotonic_ns()
    tokens = TOKEN.findall(data)
    wanted = [(str(n).encode(), mark.encode()) for n in range(int(model.split("-")[1]))]
    is_right = [token[:2] for token in tokens] == wanted and b"[DONE]" in data
    assert is_right, f"{target.name}: {answer.status}: {data[-300:]!r}"
    read_ns, left_ns = int(tokens[0][2]), int(tokens[0][3])
    result.answers += 1
    result.first_ms.append(((read_ns - sent_ns) + (first_ns - left_ns)) / 1e6)


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
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=target.headers) as session:
        await _whole(session, target)
        cpu_s, started = target.cpu_s(), time.perf_counter()
        await load(session, target, result)
        result.wall_s = time.perf_counter() - started
        result.cpu_s = target.cpu_s() - cpu_s
    return result


Found = dict[str, list[Result]]


def measure(targets: Sequence[Target], load: Load, rounds: int) -> Found:
    """Rounds in turns, each begun by another target: what drifts, drifts for all."""
    found: Found = {target.name: [] for target in targets}
    for number in range(rounds):
        begin = number % len(targets)
        for target in (*targets[begin:], *targets[:begin]):
            try:
                result = asyncio.run(_round(target, load))
            except (AssertionError, aiohttp.ClientError, TimeoutError) as error:
                if not target.is_peer:
                    raise
                print(f"  {target.name} fails here: {error}", flush=True)
                continue
            found[target.name].append(result)
    return {name: results for name, results in found.items() if results}


def _percentiles(results: list[Result]) -> tuple[float, float]:
    """Median and 99th percentile over all rounds, in ms."""
    times = sorted(value for result in results for value in result.first_ms)
    return statistics.median(times), times[min(len(times) - 1, int(len(times) * 0.99))]


def _cpu(results: list[Result], per: int = 1) -> float:
    """Seconds an answer or, with `per`, a token; the median of the rounds."""
    return statistics.median(result.cpu_s / (result.answers * per) for result in results)


def _ratio(value: float, ours: float) -> str:
    return f"{value / ours:.1f} times the gateway's" if ours and value != ours else ""


def report_requests(found: Found) -> None:
    print(f"{CONNECTIONS} connections, no stream:")
    ours = _cpu(found["gateway"])
    for name, results in found.items():
        rate = statistics.median(result.answers / result.wall_s for result in results)
        line = f"  {name:32} {rate:7.0f} req/s"
        if name != "direct":
            cpu_s = _cpu(results)
            line += f"  {cpu_s * 1000:8.3f} ms CPU a request  {_ratio(cpu_s, ours)}"
        print(line.rstrip(), flush=True)


def report_streams(title: str, found: Found, tokens: int) -> None:
    print(f"{title}:")
    ours = _cpu(found["gateway"], tokens)
    for name, results in found.items():
        half, most = _percentiles(results)
        line = f"  {name:32} first token + {half:7.2f} ms p50 {most:8.2f} ms p99"
        if name != "direct":
            cpu_s = _cpu(results, tokens)
            line += f"  {cpu_s * 1e6:7.1f} us CPU a token  {_ratio(cpu_s, ours)}"
        print(line.rstrip(), flush=True)


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


def _pin(process: psutil.Process, cores: list[int]) -> None:
    for each in (process, *process.children(recursive=True)):
        for thread in each.threads():
            os.sched_setaffinity(thread.id, cores)


def _peers(stack: ExitStack, upstream_url: str, cores: list[int]) -> list[Target]:
    found = []
    for start in ALL:
        peer = stack.enter_context(start(MODELS, upstream_url))
        if peer is not None:
            _pin(peer.process, cores)
            found.append(Target(peer.name, peer.url, peer.headers, peer.process, is_peer=True))
    return found


def main(*options: str) -> None:
    cores = sorted(os.sched_getaffinity(0))
    port, is_short = free_port(), "short" in options
    rounds = 1 if is_short else 3
    with ExitStack() as stack:
        upstream_url = f"http://127.0.0.1:{port}/v1"
        url, _folder = stack.enter_context(platform({"ALLOW_PRIVATE_PROVIDER_URLS": "1"}))
        peers = _peers(stack, upstream_url, cores[:1]) if "peers" in options else []
        web = web_process(url)
        _pin(web, cores[:1])
        if len(cores) > 1:
            os.sched_setaffinity(0, cores[1:2])
            stack.callback(os.sched_setaffinity, 0, cores)
        stack.enter_context(stand_in("_openai", port))
        headers = {"Authorization": f"Bearer {_key(url, upstream_url)}"}
        ours = Target("gateway", f"{url}/v1", headers, web)
        targets = (Target("direct", upstream_url), ours, *peers)
        report_requests(measure(targets, closed_loop(2 if is_short else 4), rounds))
        few = streams("m-20-5", users=40 if is_short else 100, apart_s=0.05)
        report_streams("20 streams a second, 20 tokens", measure(targets, few, rounds), 20)
        many = streams("m-100-15", users=200, apart_s=0.009)
        found = measure(targets, many, rounds)
        report_streams("200 users, 100 tokens, 15 ms apart", found, 100)
        for target in targets[1:]:
            print(f"memory of {target.name} afterwards: {_memory_mb(target):.0f} MB (PSS)")


def _memory_mb(target: Target) -> float:
    """PSS: what processes share counts once."""
    assert target.process is not None
    tree = [target.process, *target.process.children(recursive=True)]
    return sum(each.memory_full_info().pss for each in tree) / 1024**2


if __name__ == "__main__":
    main(*sys.argv[1:])
