"""Importing a 200 MB dataset in one request, and a 1 GB one in pieces with a break in the middle:
how much the processes grow, how long it takes, and how long other requests wait meanwhile. Then a
million records: pages, search and statistics of texts and tokens, with the memory their processes
take beside what idle ones need. The real platform in processes of its own; results belong in
docs/performance.md. BENCH_DATASET_MB and BENCH_UPLOAD_MB change the sizes; 0 leaves the
part out. Tokens need the training environment.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO

import httpx
import psutil

from benchmarks._platform import platform, signed_in, web_process

MEGABYTES = int(os.environ.get("BENCH_DATASET_MB", "200"))
UPLOAD_MEGABYTES = int(os.environ.get("BENCH_UPLOAD_MB", "1024"))
WORDS = "数据集的每条记录都会按照训练程序的读取方式进行检查 and every line is read in pieces "
SAMPLE_S = 0.02
PYTHON = Path(os.environ.get("TRAINING_PYTHON", ".venv-training/bin/python"))


def write_file(path: Path, *, is_array: bool, megabytes: int = MEGABYTES) -> int:
    """Records of about 1 KB, one in a hundred of them bad; how many."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        file.write("[\n" if is_array else "")
        while file.tell() < megabytes * 1024**2:
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
    with (
        tempfile.TemporaryDirectory() as folder,
        platform({"BASE_MODEL_ROOTS": folder}) as (url, _),
    ):
        client = signed_in(url)
        process = web_process(url)
        client.get("/datasets/new/")
        if MEGABYTES:
            print(
                f"{'file':12}{'MB':>6}{'kept':>9}{'rejected':>10}{'seconds':>9}{'RSS +MB':>9}",
                end="",
            )
            print(f"{'healthz p50':>13}{'p95 ms':>8}{'deep page ms':>14}")
            measure(written(Path(folder)), client, process, url)
        if UPLOAD_MEGABYTES:
            in_pieces(Path(folder), client, process, url)


def measure(
    files: list[tuple[Path, int]], client: httpx.Client, process: psutil.Process, url: str
) -> None:
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


# --- In pieces ------------------------------------------------------------------
def headers_of(client: httpx.Client) -> dict[str, str]:
    return {"X-CSRFToken": client.cookies["csrftoken"], "Referer": str(client.base_url)}


def send_pieces(client: httpx.Client, path: Path, upload_id: str, *, stop_after: int) -> None:
    """From where it stopped, at most so many pieces."""
    url = f"/api/v1/datasets/uploads/{upload_id}"
    told = client.get(url).json()
    with path.open("rb") as file:
        for _piece in range(stop_after):
            file.seek(told["received_bytes"])
            if not (piece := file.read(told["chunk_bytes"])):
                return
            headers = {**headers_of(client), "Content-Type": "application/octet-stream"}
            offset = {"offset": told["received_bytes"]}
            answer = client.put(url, params=offset, content=piece, headers=headers, timeout=120)
            told = answer.raise_for_status().json()


class Peak(threading.Thread):
    """The largest that a process of this platform grows to in whose command `word` stands."""

    def __init__(self, process: psutil.Process, word: str = "training.dataset_worker") -> None:
        super().__init__(daemon=True)
        self.family, self.word = process.parent() or process, word
        self.peak_mb = 0.0
        self.is_over = threading.Event()

    def run(self) -> None:
        while not self.is_over.wait(0.1):
            for process in self.family.children(recursive=True):
                try:
                    if any(self.word in part for part in process.cmdline()):
                        self.peak_mb = max(self.peak_mb, process.memory_info().rss / 1024**2)
                except psutil.Error:  # it has just ended
                    continue

    def __enter__(self) -> "Peak":
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.is_over.set()
        self.join()


def idle_mb() -> float:
    """What a process of the background work takes that does nothing."""
    code = (
        "import django; django.setup(); import psutil, training.dataset_changes, "
        "training.dataset_statistics; print(psutil.Process().memory_info().rss)"
    )
    env = os.environ | {"DJANGO_SETTINGS_MODULE": "llmplatform.settings"}
    told = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True)
    return int(told.stdout) / 1024**2


def wait_for(client: httpx.Client, work: dict[str, object]) -> tuple[dict[str, object], float]:
    """The ended work, and the seconds it took."""
    started = time.perf_counter()
    while work["status"] in ("queued", "running"):
        time.sleep(0.5)
        work = client.get(f"/api/v1/datasets/work/{work['id']}").raise_for_status().json()
    assert work["status"] == "done", work
    return work, time.perf_counter() - started


def in_pieces(folder: Path, client: httpx.Client, process: psutil.Process, url: str) -> None:
    path = folder / "large.jsonl"
    count = write_file(path, is_array=False, megabytes=UPLOAD_MEGABYTES)
    size = path.stat().st_size
    body = {"file_name": path.name, "size_bytes": size, "fingerprint": "bench"}
    begun = client.post("/api/v1/datasets/uploads", json=body, headers=headers_of(client)).json()
    with Watch(process, url) as watch:
        started = time.perf_counter()
        send_pieces(client, path, begun["id"], stop_after=40)
        send_pieces(client, path, begun["id"], stop_after=10**6)
        seconds = time.perf_counter() - started
    print(f"\n{size / 1024**2:.0f} MB in pieces: {seconds:.1f} s, web process +", end="")
    print(f"{watch.growth_mb:.0f} MB, healthz p50, p95{latencies(watch)} ms")
    finish = f"/api/v1/datasets/uploads/{begun['id']}/finish"
    with Peak(process) as peak, Watch(process, url) as watch:
        work, seconds = wait_for(client, client.post(finish, headers=headers_of(client)).json())
    dataset = client.get(f"/api/v1/datasets/{work['results'][0]}").json()  # type: ignore[index]
    assert dataset["records"] + dataset["rejected"] == count
    print(
        f"checked in the background: {dataset['records']:,} records, {seconds:.1f} s, its process ",
        end="",
    )
    print(f"{peak.peak_mb:.0f} MB at most; web +{watch.growth_mb:.0f} MB,{latencies(watch)} ms")
    look(client, int(dataset["id"]), int(dataset["records"]))
    count_texts(client, process, int(dataset["id"]))
    if PYTHON.exists():
        count_tokens(client, process, folder, int(dataset["id"]))


def timed(client: httpx.Client, path: str) -> tuple[httpx.Response, float]:
    started = time.perf_counter()
    answer = client.get(path)
    answer.raise_for_status()
    return answer, (time.perf_counter() - started) * 1000


def look(client: httpx.Client, dataset: int, records: int) -> None:
    """Pages and a search that has to read the whole file."""
    pages = range(1, records // 10, max(1, records // 400))
    taken = [timed(client, f"/datasets/{dataset}/?page={page}")[1] for page in pages]
    print(f"pages: p50 {statistics.median(taken):.0f} ms, p95 ", end="")
    print(f"{statistics.quantiles(taken, n=20)[18]:.0f} ms, slowest {max(taken):.0f} ms")
    taken, cursor, first = [], "", time.perf_counter()
    while cursor is not None:
        path = f"/api/v1/datasets/{dataset}/search?q=Question {records - 1}?&cursor={cursor}"
        answer, took = timed(client, path)
        taken.append(took)
        cursor = answer.json()["cursor"]
    print(
        f"search for the last record: {time.perf_counter() - first:.1f} s in {len(taken)} calls, ",
        end="",
    )
    print(
        f"p95 {statistics.quantiles(taken, n=20)[18] if len(taken) > 1 else taken[0]:.0f} ms a call"
    )


def asked(client: httpx.Client, dataset: int, base_model: int | None) -> float:
    """Seconds until the statistics are there."""
    path, body = f"/api/v1/datasets/{dataset}/statistics", {"base_model": base_model}
    work = client.post(path, json=body, headers=headers_of(client)).raise_for_status().json()
    return wait_for(client, work)[1]


def count_texts(client: httpx.Client, process: psutil.Process, dataset: int) -> None:
    with Peak(process) as peak:
        seconds = asked(client, dataset, None)
    print(
        f"statistics of texts: {seconds:.0f} s, its process {peak.peak_mb:.0f} MB at most, ", end=""
    )
    print(f"{peak.peak_mb - (idle := idle_mb()):.0f} above the {idle:.0f} of an idle one")


def count_tokens(client: httpx.Client, process: psutil.Process, folder: Path, dataset: int) -> None:
    """With the tokenizer of a model of random weights; a few records first, for comparison."""
    shape = {"layers": 1, "hidden": 64, "intermediate": 128, "heads": 4, "vocabulary": 1000}
    spec = folder / "model.json"
    spec.write_text(json.dumps(shape | {"output": str(folder / "model"), "tied": True}))
    script = Path(__file__).with_name("_random_model.py")
    subprocess.run([PYTHON, script, spec], check=True, capture_output=True)
    body = {"name": "bench", "path": str(folder / "model"), "template": "qwen"}
    answer = client.post("/api/v1/training/base-models", json=body, headers=headers_of(client))
    model = answer.raise_for_status().json()["id"]
    write_file(folder / "few.jsonl", is_array=False, megabytes=1)
    with Peak(process, "count_tokens") as idle:
        asked(client, int(str(upload(client, folder / "few.jsonl")["id"])), model)
    with Peak(process, "count_tokens") as peak, Peak(process) as worker:
        seconds = asked(client, dataset, model)
    print(
        f"statistics of tokens: {seconds:.0f} s, the tokenizer {peak.peak_mb:.0f} MB at most, ",
        end="",
    )
    print(f"{peak.peak_mb - idle.peak_mb:.0f} above a file of 1 MB; worker {worker.peak_mb:.0f} MB")
