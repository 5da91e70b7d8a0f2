"""A long answer in a real browser: 20,000 tokens with 300 blocks of code, as they are written.

Chromium watches a chat of a running platform, whose provider writes 400 tokens a second, at the
width of a desk and of a phone, and reads the finished chat again. Prints how long the browser's
main thread was blocked at most, by the clock (which other work on the machine makes longer) and by
its processor time, how long a click waited for its frame, and whether anything is wider than the
page. The aim: no task longer than 100 ms.
"""

import os
import time
from contextlib import ExitStack, closing
from typing import Any

import httpx
import orjson
from playwright.sync_api import Browser, sync_playwright

from benchmarks._long_answer import BLOCKS, TOKENS
from benchmarks._platform import free_port, platform, signed_in, stand_in
from benchmarks.pages import connect, post

TOKENS_PER_S = 400
LONGEST_MS = 100
# A reader opens and closes the chat's settings every second.
WATCH = """() => {
  window.tasks = []; window.waits = [];
  new PerformanceObserver((list) => {
    for (const task of list.getEntries()) window.tasks.push([task.startTime, task.duration]);
  }).observe({ type: "longtask", buffered: true });
  setInterval(() => {
    const asked = performance.now();
    document.querySelector("[data-panel-toggle=settings]").click();
    requestAnimationFrame(() => setTimeout(() => window.waits.push(performance.now() - asked)));
  }, 1000);
}"""
IS_DONE = "() => document.querySelector('.figures') && !document.querySelector('[data-answering]')"
FOUND = """() => {
  const scroller = document.querySelector("[data-scroll]");
  return { tasks: window.tasks, waits: window.waits,
    blocks: document.querySelectorAll(".answer .code-block").length,
    elements: document.querySelectorAll(".answer *").length,
    isTooWide: scroller.scrollWidth > scroller.clientWidth };
}"""


def _busy_ms(trace: bytes) -> list[float]:
    """Processor time of each task of the page's main thread."""
    events = orjson.loads(trace)["traceEvents"]
    threads: dict[tuple[int, int], list[float]] = {
        (each["pid"], each["tid"]): []
        for each in events
        if each["name"] == "thread_name" and each["args"]["name"] == "CrRendererMain"
    }
    for each in events:
        of_thread = threads.get((each["pid"], each["tid"]))
        if each.get("ph") == "X" and of_thread is not None:
            of_thread.append(each.get("tdur", 0) / 1000)
    return max(threads.values(), key=sum)


def _report(title: str, found: dict[str, Any], seconds: float, busy_ms: list[float]) -> None:
    longest = max((duration for _start, duration in found["tasks"]), default=0.0)
    slow = sum(duration > LONGEST_MS for _start, duration in found["tasks"])
    wait = max(found["waits"], default=0.0)
    print(
        f"{title:23}{seconds:5.1f} s  longest task {longest:4.0f} ms ({slow} above {LONGEST_MS}), "
        f"of the processor {max(busy_ms):3.0f} ms;  a click waited {wait:4.0f} ms at most;  "
        f"{found['blocks']} blocks, {found['elements']} elements"
        f"{', WIDER THAN THE PAGE' if found['isTooWide'] else ''}",
        flush=True,
    )
    assert found["blocks"] == BLOCKS


def _watch(browser: Browser, client: httpx.Client, model: int, width: int) -> None:
    session = post(client, "chat/sessions", json={"model_id": model, "title": f"{width} px"})
    context = browser.new_context(
        base_url=str(client.base_url), viewport={"width": width, "height": 844}
    )
    cookies = [
        {"name": name, "value": value, "url": str(client.base_url)}
        for name, value in client.cookies.items()
    ]
    context.add_cookies(cookies)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"/chat/{session['id']}/")
    page.add_init_script(f"addEventListener('DOMContentLoaded', {WATCH})")
    page.reload()
    browser.start_tracing(page=page, categories=["toplevel"])
    started = time.monotonic()
    page.get_by_role("textbox", name="Message", exact=True).fill("Write a long answer.")
    page.keyboard.press("Enter")
    page.wait_for_function(IS_DONE, timeout=600_000, polling=1000)
    page.wait_for_timeout(2000)
    found, seconds = page.evaluate(FOUND), time.monotonic() - started
    _report(f"{width} px, while written", found, seconds, _busy_ms(browser.stop_tracing()))
    browser.start_tracing(page=page, categories=["toplevel"])
    started = time.monotonic()
    page.reload()
    page.wait_for_timeout(5000)
    found, seconds = page.evaluate(FOUND), time.monotonic() - started
    _report(f"{width} px, read again", found, seconds, _busy_ms(browser.stop_tracing()))
    context.close()


def main() -> None:
    print(f"{TOKENS:,} tokens, {BLOCKS} blocks of code, {TOKENS_PER_S} tokens/s")
    with ExitStack() as stack:
        upstream_url = stack.enter_context(stand_in("_long_answer", free_port(), str(TOKENS_PER_S)))
        url, _folder = stack.enter_context(platform({"ALLOW_PRIVATE_PROVIDER_URLS": "1"}))
        client = stack.enter_context(closing(signed_in(url)))
        connect(client, upstream_url)
        model = int(client.get("/api/v1/models").json()["items"][0]["id"])
        playwright = stack.enter_context(sync_playwright())
        path = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        for width in (1440, 390):
            _watch(browser, client, model, width)
        browser.close()
