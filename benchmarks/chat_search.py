"""One person with 10,000 chats and a million messages: the list, the search, opening a chat of
10,000 messages, on the database that DATABASE_URL names (an empty one; otherwise SQLite).

Prints p50 and p95 in milliseconds of whole pages from the running platform, the processor time that
its web process took for one, and how the database finds them. BENCH_CHATS and BENCH_MESSAGES change
the sizes.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import psutil

from benchmarks._platform import platform, signed_in, web_process

CHATS = os.environ.get("BENCH_CHATS", "10000")
MESSAGES = os.environ.get("BENCH_MESSAGES", "1000000")
ROUNDS = 30
FILL = (
    "import django, json, sys; django.setup(); from benchmarks._chat_fill import filled;"
    "print(json.dumps(filled(*map(int, sys.argv[1:]))))"
)


def fill(folder: Path) -> dict[str, Any]:
    env = os.environ | {
        "PLATFORM_DATA": str(folder),
        "DJANGO_SETTINGS_MODULE": "llmplatform.settings",
    }
    command = [sys.executable, "-c", FILL, CHATS, MESSAGES]
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def pages(
    filled: dict[str, Any], client: httpx.Client
) -> Iterator[tuple[str, str, dict[str, str]]]:
    """What it is, its address, its headers."""
    partial = {"HX-Request": "true", "HX-Target": "sessions"}
    longest = f"/chat/{filled['longest']}/"
    yield "/healthz", "/healthz", {}
    yield "the list", "/chat/", {}
    yield "the list, page 200", "/chat/?page=200", {}
    yield "opening 10,000 messages", longest, {}
    yield "its earlier messages", f"{longest}?before=5000", {}
    first = client.get(f"/api/v1/chat/sessions/{filled['longest']}/messages?limit=1").json()
    yield "it at its first message", f"{longest}?at={first['items'][0]['id']}", {}
    for name, words in filled["searches"].items():
        query = urlencode({"q": words})
        yield f"search: {name}", f"/chat/?{query}", partial
        if name in ("a common word", "four characters"):
            yield "the same, page 5", f"/chat/?{query}&page=5", partial
            yield "the same by Ctrl K", f"/palette/?{query}", {}
            yield "the same by API", f"/api/v1/chat/sessions?{query}&limit=20", {}


def measure(
    client: httpx.Client, server: psutil.Process, path: str, headers: dict[str, str]
) -> tuple[list[float], float]:
    """Milliseconds by the clock, and of the processor for one answer of the web process."""
    times = []
    before = sum(server.cpu_times()[:2])
    for _round in range(ROUNDS):
        started = time.perf_counter()
        client.get(path, headers=headers).raise_for_status()
        times.append((time.perf_counter() - started) * 1000)
    return times, (sum(server.cpu_times()[:2]) - before) * 1000 / ROUNDS


def main() -> None:
    with platform() as (url, folder), closing(signed_in(url)) as client:
        of = fill(folder)
        print(
            f"{of['vendor']}: {of['messages']:,} messages, written in {of['write_s']:.0f} s,"
            f" their index in {of['index_s']:.0f} s"
        )
        for plan in of["plans"]:
            print(plan, end="\n\n")
        print(f"{'':40}{'p50 ms':>9}{'p95 ms':>9}{'CPU ms':>9}", flush=True)
        server = web_process(url)
        for name, path, headers in pages(of, client):
            times, cpu_ms = measure(client, server, path, headers)
            p95 = statistics.quantiles(times, n=20)[18]
            print(f"{name:40}{statistics.median(times):9.1f}{p95:9.1f}{cpu_ms:9.1f}", flush=True)


if __name__ == "__main__":
    main()
