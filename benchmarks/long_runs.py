"""A hundred trainings, one of them with a million points and a log of 200 MB: how fast its pages
open and how smoothly they move, on the embedded defaults.

Prints p50 and p95 of pages and API in milliseconds, the first time apart from the others, with the
processor time of the web process; the search through the whole log and its
download, and what a browser shows: the time until log and curves are there, and its frames while
somebody scrolls the log and looks at the curves.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks._long_run import LOG_BYTES
from benchmarks._platform import platform, signed_in
from benchmarks.pages import post
from benchmarks.training import build

JOBS, ROUNDS, BROWSER_ROUNDS = 100, 40, 30
FRAMES = """() => { window.frames_ms = []; let last = performance.now();
  const look = (now) => {
    window.frames_ms.push(now - last); last = now; requestAnimationFrame(look);
  };
  requestAnimationFrame(look); }"""
IS_DRAWN = """() => document.querySelector("[data-curve] path.curve")
  && document.querySelector("[data-log] [data-first]")"""


def fill(client: httpx.Client, model: Path, data: Path) -> list[str]:
    """The ids of the jobs, the long one first."""
    file = {"file": ("rows.json", b'[{"instruction": "a", "output": "b"}]')}
    dataset = post(client, "datasets", data={"name": "rows"}, files=file)
    named = {"name": "base", "path": str(model), "template": "qwen"}
    wanted = {"base_model": post(client, "training/base-models", json=named)["id"]}
    wanted |= {"dataset": dataset["id"], "start": False}
    ids = [
        str(post(client, "training/jobs", json={"name": f"job {number}", **wanted})["id"])
        for number in range(JOBS)
    ]
    command = [sys.executable, "-m", "benchmarks._long_run", *ids]
    environment = os.environ | {"PLATFORM_DATA": str(data)}
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return ids


def tell(name: str, times: list[float], more: str = "") -> None:
    p95 = statistics.quantiles(times, n=20, method="inclusive")[18]
    print(f"{name:50}{statistics.median(times):9.1f}{p95:9.1f}{max(times):9.1f}{more}", flush=True)


def measure(client: httpx.Client, name: str, path: str, server: psutil.Process) -> Any:
    """The first time by itself, before templates are compiled and rows are in memory."""
    times, answer, before = [], None, 0.0
    for number in range(ROUNDS + 1):
        if number == 1:
            before = sum(server.cpu_times()[:2])
        started = time.perf_counter()
        answer = client.get(path).raise_for_status()
        times.append((time.perf_counter() - started) * 1000)
    used = (sum(server.cpu_times()[:2]) - before) / ROUNDS * 1000
    tell(name, times[1:], f"{times[0]:9.1f}{used:9.1f}")
    return answer


def search(client: httpx.Client, path: str, words: dict[str, str]) -> None:
    """The whole log, as the page does it: until there is no more."""
    times, after, found = [], 0, 0
    while after is not None:
        started = time.perf_counter()
        answer = client.get(path, params={**words, "after": str(after), "limit": "100"})
        times.append((time.perf_counter() - started) * 1000)
        found, after = found + len(answer.json()["items"]), answer.json()["next"]
    shown = " ".join(words.values())
    tell(f"search for “{shown}”: {found} in {sum(times) / 1000:.1f} s", [*times, times[-1]])


def server_of(url: str) -> psutil.Process:
    port = url.rsplit(":", 1)[1]
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "uvicorn" in words and port in words:
            return process
    raise SystemExit("the web process is not there")


def download(client: httpx.Client, path: str, server: psutil.Process) -> None:
    before, most, size, started = server.memory_info().rss, 0, 0, time.perf_counter()
    first = 0.0
    with client.stream("GET", path) as answer:
        for piece in answer.iter_bytes():
            first = first or (time.perf_counter() - started) * 1000
            size += len(piece)
            most = max(most, server.memory_info().rss)
    assert size >= LOG_BYTES, size
    took, grown = time.perf_counter() - started, (most - before) / 1024**2
    print(f"download of {size / 1024**2:.0f} MB: first piece after {first:.0f} ms, all after "
          f"{took:.1f} s, the web process grows by {grown:.0f} MB")  # fmt: skip


def look(url: str, client: httpx.Client, job: str) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=["--no-sandbox"]
        )
        cookies = [{"name": c.name, "value": c.value or "", "url": url} for c in client.cookies.jar]

        def opened() -> Any:
            context = browser.new_context(base_url=url, viewport={"width": 1280, "height": 900})
            context.add_cookies(cookies)  # type: ignore[arg-type]
            return context.new_page()

        def seconds(page: Any) -> float:
            page.goto("about:blank")
            started = time.perf_counter()
            page.goto(f"/training/{job}/", wait_until="commit")
            page.wait_for_function(IS_DRAWN)
            return (time.perf_counter() - started) * 1000

        cold = []
        for _round in range(BROWSER_ROUNDS // 3):
            page = opened()
            cold.append(seconds(page))
            page.context.close()
        tell("browser, nothing cached: log and curves are there", cold)
        page = opened()
        seconds(page)
        tell("browser: log and curves are there", [seconds(page) for _n in range(BROWSER_ROUNDS)])
        page.evaluate(FRAMES)
        log = page.locator("[data-log]")
        log.scroll_into_view_if_needed()
        log.hover()
        for _turn in range(150):
            page.mouse.wheel(0, -400)
            page.wait_for_timeout(16)
        tell("browser: frames while the log is scrolled", page.evaluate("window.frames_ms"))
        page.evaluate("window.frames_ms.length = 0")
        curve = page.locator("[data-curve] svg").first
        curve.scroll_into_view_if_needed()
        box = curve.bounding_box()
        assert box is not None
        for turn in range(150):
            page.mouse.move(box["x"] + 60 + turn * 2, box["y"] + 80)
            page.wait_for_timeout(16)
        tell("browser: frames along a curve", page.evaluate("window.frames_ms"))
        browser.close()


def main() -> None:
    with ExitStack() as stack:
        models = stack.enter_context(tempfile.TemporaryDirectory())
        model = build(Path(models))
        url, data = stack.enter_context(platform({"BASE_MODEL_ROOTS": models}))
        client = stack.enter_context(closing(signed_in(url)))
        started = time.perf_counter()
        job, *others = fill(client, model, data)
        print(f"filled in {time.perf_counter() - started:.0f} s")
        print(f"{'':50}{'p50 ms':>9}{'p95 ms':>9}{'slowest':>9}{'cold':>9}{'CPU ms':>9}")
        api = f"/api/v1/training/jobs/{job}"
        server = server_of(url)
        measure(client, "list of jobs, first page", "/training/", server)
        measure(client, "list of jobs, last page", "/training/?page=4", server)
        measure(client, "page of the long job", f"/training/{job}/", server)
        measure(client, "its curves", f"{api}/curves", server)
        measure(client, "a part of its curves", f"{api}/curves?first=500000&last=502000", server)
        end = measure(client, "the end of its log", f"{api}/logs?after=0&limit=1", server)
        count = end.json()["count"]
        print(f"{count:,} lines are kept")
        measure(client, "its log, deep inside", f"{api}/logs?after={count // 2}&limit=1000", server)
        measure(client, "its report", f"/training/{job}/report/", server)
        eight = "&".join(f"jobs={each}" for each in [job, *others[:7]])
        measure(client, "compared with seven others", f"/api/v1/training/compare?{eight}", server)
        for words in ({"q": "a rare word"}, {"q": "nowhere"}, {"level": "warning"}):
            search(client, f"{api}/logs/search", words)
        download(client, f"{api}/logs/download", server)
        look(url, client, job)
