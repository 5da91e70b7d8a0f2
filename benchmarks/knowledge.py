"""Knowledge bases of the running platform: a base of 100,000 chunks of 384 dimensions, searched by
API, and files on their way into another one.

Prints p50 and p95 of a search in milliseconds without the embedding call (questions are embedded
once and known then), the first answer after a restart, and how fast text and PDFs become
searchable by words. BENCH_CHUNKS and BENCH_TEXT_MB change the sizes.
"""

import io
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks._platform import free_port, platform, signed_in, stand_in, web_process

CHUNKS = os.environ.get("BENCH_CHUNKS", "100000")
TEXT_MB = int(os.environ.get("BENCH_TEXT_MB", "60"))
TEXT_EACH_MB = 5
PDFS, PAGES = 10, 200
ROUNDS = 300
FILL = (
    "import django, json, sys; django.setup(); from benchmarks._knowledge_fill import filled;"
    "print(json.dumps(filled(int(sys.argv[1]), sys.argv[2])))"
)
SENTENCES = (
    "The warranty of part {n} lasts two years from the day of delivery to the customer. ",
    "批次 {n} 的产品自收货之日起七天内可以无理由退货，运费由买家承担。",
)


def fill(folder: Path, url: str) -> dict[str, Any]:
    env = os.environ | {
        "PLATFORM_DATA": str(folder),
        "DJANGO_SETTINGS_MODULE": "llmplatform.settings",
        "ALLOW_PRIVATE_PROVIDER_URLS": "on",
    }
    command = [sys.executable, "-c", FILL, CHUNKS, url]
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _asked(client: httpx.Client, base: int, body: dict[str, Any]) -> float:
    begun = time.perf_counter()
    answer = client.post(f"/api/v1/knowledge/bases/{base}/search", json=body)
    answer.raise_for_status()
    assert answer.json()["results"], answer.text
    return (time.perf_counter() - begun) * 1000


def _healthz(client: httpx.Client) -> float:
    begun = time.perf_counter()
    client.get("/healthz").raise_for_status()
    return (time.perf_counter() - begun) * 1000


def _remarks(client: httpx.Client, base: int, question: str) -> Any:
    answer = client.post(f"/api/v1/knowledge/bases/{base}/search", json={"query": question})
    return answer.json()["remarks"]


def search(client: httpx.Client, url: str, base: int, questions: list[str]) -> None:
    group = {"conditions": [{"name": "group", "operator": "is", "value": "g3"}]}
    kinds: dict[str, dict[str, Any]] = {
        "hybrid": {"mode": "hybrid"},
        "by meaning": {"mode": "dense"},
        "by words": {"mode": "lexical"},
        "hybrid, filtered": {"mode": "hybrid", "filters": group},
    }
    begun = time.perf_counter()
    _asked(client, base, {"query": questions[0]})
    print(f"first answer, while the index is made: {time.perf_counter() - begun:.1f} s")
    while _remarks(client, base, questions[0]):
        time.sleep(1)
    print(f"everything found after {time.perf_counter() - begun:.0f} s")
    for question in questions:
        _asked(client, base, {"query": question})
    time.sleep(30)  # a compaction may be under way
    print(f"{'':24}{'p50 ms':>9}{'p95 ms':>9}{'CPU ms':>9}")
    web = web_process(url)
    cpu = sum(web.cpu_times()[:2])
    took = [_healthz(client) for _round in range(ROUNDS)]
    cpu = (sum(web.cpu_times()[:2]) - cpu) / ROUNDS * 1000
    p95 = statistics.quantiles(took, n=20)[-1]
    print(f"{'/healthz':24}{statistics.median(took):>9.1f}{p95:>9.1f}{cpu:>9.1f}")
    for name, body in kinds.items():
        cpu = sum(web.cpu_times()[:2])
        took = [
            _asked(client, base, {"query": questions[n % len(questions)], **body})
            for n in range(ROUNDS)
        ]
        cpu = (sum(web.cpu_times()[:2]) - cpu) / ROUNDS * 1000
        p95 = statistics.quantiles(took, n=20)[-1]
        print(f"{name:24}{statistics.median(took):>9.1f}{p95:>9.1f}{cpu:>9.1f}")
    print(f"web process: {web.memory_full_info().pss / 1e6:.0f} MB")


def _text(megabytes: int, number: int) -> bytes:
    parts, size, n = [], 0, number * 1_000_000
    while size < megabytes * 1_000_000:
        line = SENTENCES[n % 2].format(n=n) + ("\n\n" if n % 8 == 7 else "")
        parts.append(line)
        size += len(line.encode())
        n += 1
    return "".join(parts).encode()


def _pdf(number: int) -> bytes:
    from reportlab.pdfgen.canvas import Canvas

    file = io.BytesIO()
    canvas = Canvas(file)
    for page in range(PAGES):
        for line in range(40):
            text = SENTENCES[0].format(n=f"{number}-{page}-{line}")
            canvas.drawString(50, 780 - line * 18, text)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def ingest(client: httpx.Client, name: str, files: list[bytes], ending: str) -> float:
    """Seconds from the last file sent to the last one ready."""
    made = client.post("/api/v1/knowledge/bases", json={"name": name}).json()
    address = f"/api/v1/knowledge/bases/{made['id']}"
    begun = time.perf_counter()
    for number, content in enumerate(files):
        parts = {"file": (f"{number}{ending}", content)}
        client.post(f"{address}/documents", files=parts).raise_for_status()
    while True:
        state = client.get(address).json()
        if state["ready"] + state["failed"] == len(files):
            assert not state["failed"], client.get(f"{address}/documents").json()
            return time.perf_counter() - begun
        time.sleep(0.1)


def workers() -> list[psutil.Process]:
    return [p for p in psutil.process_iter(["cmdline"]) if _is_worker(p)]


def _is_worker(process: psutil.Process) -> bool:
    line = " ".join(process.info["cmdline"] or ())
    return "knowledge.worker" in line or "knowledge.reading" in line


def measure(client: httpx.Client, url: str, folder: Path, upstream: str) -> None:
    ingest(client, "warm", [b"a few words"], ".txt")
    texts = [_text(TEXT_EACH_MB, number) for number in range(TEXT_MB // TEXT_EACH_MB)]
    took = ingest(client, "texts", texts, ".txt")
    print(f"{TEXT_MB} MB of text searchable after {took:.1f} s: {TEXT_MB / took:.1f} MB/s")
    took = ingest(client, "pdfs", [_pdf(number) for number in range(PDFS)], ".pdf")
    pages = PDFS * PAGES
    print(f"{pages} pages of PDF after {took:.1f} s: {pages / took:.0f} pages/s")
    for process in workers():
        command = " ".join(process.cmdline()[1:4])
        print(f"{command}: {process.memory_info().rss / 1e6:.0f} MB")
    found = fill(folder, upstream)
    search(client, url, found["base"], found["questions"])


def main() -> None:
    extra = {"ALLOW_PRIVATE_PROVIDER_URLS": "on"}
    with stand_in("_embeddings", free_port()) as upstream, platform(extra) as (url, folder):
        client = signed_in(url)
        client.timeout = httpx.Timeout(300)
        client.headers.update({"X-CSRFToken": client.cookies["csrftoken"], "Referer": url})
        measure(client, url, folder, upstream)


if __name__ == "__main__":
    main()
