"""From a line in a run's log to a browser that watches it: on the embedded defaults, and with Redis
where one listens on its standard port.

A real training runs. Lines with the time of their writing are added to its log as its own process
adds them, and a web socket like that of the job page notes when they come. Prints p50, p95 and the
slowest in milliseconds, and what supervising the run takes of a processor.
"""

import asyncio
import json
import random
import re
import socket
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path

import httpx
import psutil
from websockets.asyncio.client import connect

from benchmarks._platform import PASSWORD, platform, signed_in
from benchmarks.training import build, prepare

REDIS = ("127.0.0.1", 6379)
REDIS_URL = "redis://127.0.0.1:6379/8"
LINES = 80
PAUSE_S = (0.05, 0.6)
SETTLE_S = 3.0
STAMP = re.compile(r"bench (\d+)")


def _has_redis() -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(REDIS) == 0


def _start(api: httpx.Client, model: Path) -> str:
    """A job that runs for as long as is measured; its id."""
    body = prepare(api, model)
    body["parameters"] |= {"num_train_epochs": 60.0}
    job = api.post("training/jobs", json=body).raise_for_status().json()
    while job["status"] != "running":
        assert job["status"] not in ("success", "failed"), job["error"]
        time.sleep(0.5)
        job = api.get(f"training/jobs/{job['id']}").raise_for_status().json()
    return str(job["id"])


async def _listen(url: str, cookie: str, job: str, arrived: dict[int, int]) -> None:
    address = f"{url.replace('http', 'ws', 1)}/ws/training/{job}/?format=html&lang=en"
    async with connect(address, additional_headers={"Cookie": cookie}, origin=url) as watching:  # type: ignore[arg-type]
        async for message in watching:
            now = time.monotonic_ns()
            event = json.loads(message)
            if event["type"] == "log":
                for stamp in STAMP.findall("\n".join(event["lines"])):
                    arrived.setdefault(int(stamp), now)


async def _measure(url: str, cookie: str, job: str, log: Path) -> list[float]:
    """Milliseconds of each line."""
    arrived: dict[int, int] = {}
    listening = asyncio.create_task(_listen(url, cookie, job, arrived))
    await asyncio.sleep(SETTLE_S)
    written = []
    for _line in range(LINES):
        await asyncio.sleep(random.uniform(*PAUSE_S))
        stamp = time.monotonic_ns()
        with log.open("a") as file:
            file.write(f"bench {stamp}\n")
        written.append(stamp)
    await asyncio.sleep(SETTLE_S)
    listening.cancel()
    missing = [stamp for stamp in written if stamp not in arrived]
    assert not missing, f"{len(missing)} of {LINES} lines did not come"
    return [(arrived[stamp] - stamp) / 1e6 for stamp in written]


def _shim_of(job: str) -> psutil.Process:
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if "training.shim" in command and job in command:
            return process
    raise SystemExit("nothing supervises the run")


def _round(name: str, model: Path, extra: dict[str, str]) -> None:
    with (
        platform({"BASE_MODEL_ROOTS": str(model.parent), **extra}) as (url, data),
        closing(signed_in(url)) as page,
        httpx.Client(base_url=f"{url}/api/v1/") as api,
    ):
        login = {"email": "admin@example.com", "password": PASSWORD}
        token = api.post("auth/login", json=login).raise_for_status().json()["access_token"]
        api.headers["Authorization"] = f"Bearer {token}"
        job = _start(api, model)
        cookie = "; ".join(f"{each.name}={each.value}" for each in page.cookies.jar)
        log = data / "training" / job / "attempt-1" / "log.txt"
        shim = _shim_of(job)
        before, began = shim.cpu_times(), time.monotonic()
        times = sorted(asyncio.run(_measure(url, cookie, job, log)))
        after, took_s = shim.cpu_times(), time.monotonic() - began
        share = (after.user + after.system - before.user - before.system) / took_s
        memory = shim.memory_full_info().pss / 1024**2
        p95 = statistics.quantiles(times, n=20)[18]
        print(
            f"{name:10} p50 {statistics.median(times):6.0f} ms  p95 {p95:6.0f} ms  "
            f"slowest {times[-1]:6.0f} ms; the shim takes {share * 100:.1f} % of a core, "
            f"{memory:.0f} MB",
            flush=True,
        )
        api.post(f"training/jobs/{job}/stop").raise_for_status()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        model = build(Path(folder))
        _round("embedded", model, {})
        if _has_redis():
            _round("Redis", model, {"REDIS_URL": REDIS_URL})
