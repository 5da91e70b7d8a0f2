"""Importing a 200 MB dataset: how much the web process grows, how long it takes, and how long
other requests wait meanwhile. The real server in a process of its own; results belong in
docs/performance.md.
"""

import json
import os
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import IO

import httpx
import psutil

from benchmarks._platform import platform, signed_in

MEGABYTES = int(os.environ.get("BENCH_DATASET_MB", "200"))
WORDS = "数据集的每条记录都会按照训练程序的读取方式进行检查 and every line is read in pieces "
SAMPLE_S = 0.02


def write_file(path: Path, *, is_array: bool) -> int:
    """Records of about 1 KB, one in a hundred of them bad; how many."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        file.write("[\n" if is_array else "")
        while file.tell() < MEGABYTES * 1024**2:
            _write_record(file, count, is_array)
            count += 1
        file.write("\n]" if is_array else "")
    return count


def _write_record(file: IO[str], number: int, is_array: bool) -> None:
    answer: object = f"{number}: {WORDS * 8}" if number % 100 else number
    record = {"instruction": f"Question {number}?", "input": "", "output": answer, "id": number}
    if number:
        file.write(",\n" if is_array else "\n")
    file.write(json.dumps(record, ensure_ascii=False, indent=1 if is_array else None))


def web_process(port: int) -> psutil.Process:
    """The process that listens on `port`."""
    for connection in psutil.net_connections("tcp"):
        if connection.laddr and connection.laddr.port == port and connection.status == "LISTEN":
            return psutil.Process(connection.pid)
    raise SystemExit(f"nothing listens on port {port}")


class Watch:
    """Peak memory of a process and the latency of `/healthz` while something else goes on."""

    def __init__(self, process: psutil.Process, url: str) -> None:
        self.process, self.url = process, url
        self.before = self.peak = process.memory_info().rss
        self.latencies_ms: list[float] = []
        self.is_over = threading.Event()
        self.threads = [threading.Thread(target=run) for run in (self._memory, self._latency)]

    def _memory(self) -> None:
        while not self.is_over.wait(SAMPLE_S):
            self.peak = max(self.peak, self.process.memory_info().rss)

    def _latency(self) -> None:
        with httpx.Client() as client:
            while not self.is_over.wait(SAMPLE_S):
                started = time.perf_counter()
                client.get(f"{self.url}/healthz")
                self.latencies_ms.append((time.perf_counter() - started) * 1000)

    def __enter__(self) -> "Watch":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.is_over.set()
        for thread in self.threads:
            thread.join()

    @property
    def growth_mb(self) -> float:
        return (self.peak - self.before) / 1024**2


def latencies(watch: Watch) -> str:
    p95 = statistics.quantiles(watch.latencies_ms, n=20)[18]
    return f"{statistics.median(watch.latencies_ms):13.1f}{p95:8.1f}"


def upload(client: httpx.Client, path: Path) -> dict[str, object]:
    with path.open("rb") as file:
        answer = client.post(
            "/api/v1/datasets",
            files={"file": (path.name, file)},
            headers={"X-CSRFToken": client.cookies["csrftoken"], "Referer": str(client.base_url)},
            timeout=600,
        )
    answer.raise_for_status()
    row: dict[str, object] = answer.json()
    return row


def written(folder: Path) -> list[tuple[Path, int]]:
    """The files, and how many records each holds."""
    files = [(folder / "data.jsonl", False), (folder / "data.json", True)]
    return [(path, write_file(path, is_array=is_array)) for path, is_array in files]


def main() -> None:
    print(f"{'file':12}{'MB':>6}{'kept':>9}{'rejected':>10}{'seconds':>9}{'RSS +MB':>9}", end="")
    print(f"{'healthz p50':>13}{'p95 ms':>8}{'deep page ms':>14}")
    with tempfile.TemporaryDirectory() as folder:
        measure(written(Path(folder)))


def measure(files: list[tuple[Path, int]]) -> None:
    with platform() as (url, _data):
        client = signed_in(url)
        process = web_process(int(url.rsplit(":", 1)[1]))
        client.get("/datasets/new/")
        with Watch(process, url) as idle:
            time.sleep(3)
        print(f"{'(idle)':46}{idle.growth_mb:9.0f}{latencies(idle)}")
        for path, count in files:
            with Watch(process, url) as watch:
                started = time.perf_counter()
                row = upload(client, path)
                seconds = time.perf_counter() - started
            assert int(str(row["records"])) + int(str(row["rejected"])) == count
            started = time.perf_counter()
            client.get(f"/datasets/{row['id']}/?page=10000").raise_for_status()
            page_ms = (time.perf_counter() - started) * 1000
            print(f"{path.name:12}{path.stat().st_size / 1024**2:6.0f}{row['records']:>9}", end="")
            print(f"{row['rejected']:>10}{seconds:9.1f}{watch.growth_mb:9.0f}", end="")
            print(f"{latencies(watch)}{page_ms:14.1f}")
