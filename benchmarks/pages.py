"""Latency of every page on the embedded default: the running server, one signed-in administrator,
with what a team has after a while: long lists, a long chat, a dataset of 20,000 records.

Prints p50 and p95 in milliseconds per page and the ratio to `/healthz`, so that runs on different
machines can be compared.
"""

import json
import re
import statistics
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx

from benchmarks._platform import platform, signed_in
from benchmarks.training import build

PAGES = [
    *("/healthz", "/", "/accounts/profile/", "/accounts/keys/", "/chat/", "/providers/"),
    *("/providers/new/", "/prompts/", "/datasets/", "/training/", "/training/new/", "/models/"),
    *("/providers/prices/", "/providers/aliases/", "/usage/", "/training/sweeps/"),
    *("/design/", "/admin/", "/admin/accounts/auditevent/"),
]
ROUNDS = 60
MANY, TURNS, RECORDS = 60, 20, 20_000


def post(client: httpx.Client, path: str, **content: Any) -> Any:
    headers = {"X-CSRFToken": client.cookies["csrftoken"], "Referer": str(client.base_url)}
    answer = client.post(f"/api/v1/{path}", headers=headers, **content)
    return answer.raise_for_status().json()


def connect(client: httpx.Client, provider_url: str) -> None:
    """A connection to a stand-in provider, and its models."""
    given = {"kind": "openai", "name": "up", "base_url": provider_url, "api_key": "none"}
    made = post(client, "providers", json=given)
    post(client, f"providers/{made['id']}/refresh-models")


def fill(client: httpx.Client, model_folder: Path) -> list[str]:
    """Content, and the pages about one thing."""
    post(client, "providers", json={"preset": "echo", "name": "Echo"})
    model = client.get("/api/v1/models").json()["items"][0]["id"]
    for number in range(MANY):
        text = f"Answer in {{{{language|English}}}}: {number}\n\n{{{{text}}}}"
        post(client, "prompts", json={"title": f"Prompt {number}", "text": text, "tags": ["a"]})
        chat = post(client, "chat/sessions", json={"model_id": model, "title": f"Chat {number}"})
    for turn in range(TURNS):
        said = {"content": f"# {turn}\n\nSome **words** and `code`.\n\n- a\n- b", "stream": False}
        post(client, f"chat/sessions/{chat['id']}/messages", json=said)
    rows = [
        json.dumps({"instruction": f"Question {number}", "output": "Answer. " * 20})
        for number in range(RECORDS)
    ]
    file = {"file": ("rows.jsonl", "\n".join(rows).encode())}
    dataset = post(client, "datasets", data={"name": "rows"}, files=file)
    named = {"name": "base", "path": str(model_folder), "template": "qwen"}
    base = post(client, "training/base-models", json=named)
    wanted = {"base_model": base["id"], "dataset": dataset["id"], "start": False}
    for number in range(MANY):
        job = post(client, "training/jobs", json={"name": f"job {number}", **wanted})
    return [f"/chat/{chat['id']}/", f"/datasets/{dataset['id']}/", f"/training/{job['id']}/"]


def measure(client: httpx.Client, path: str) -> list[float]:
    times = []
    for _round in range(ROUNDS):
        started = time.perf_counter()
        client.get(path).raise_for_status()
        times.append((time.perf_counter() - started) * 1000)
    return times


def main() -> None:
    with ExitStack() as stack:
        models = stack.enter_context(tempfile.TemporaryDirectory())
        model = build(Path(models))
        url, _folder = stack.enter_context(platform({"BASE_MODEL_ROOTS": models}))
        client = stack.enter_context(closing(signed_in(url)))
        base = 0.0
        pages = [*PAGES, *fill(client, model)]
        print(f"{'page':40}{'p50 ms':>9}{'p95 ms':>9}{'x healthz':>11}")
        for path in pages:
            times = measure(client, path)
            p50 = statistics.median(times)
            p95 = statistics.quantiles(times, n=20)[18]
            base = base or p50
            shown = re.sub(r"[0-9a-f-]{36}|(?<=/)\d+", "<id>", path)
            print(f"{shown:40}{p50:9.1f}{p95:9.1f}{p50 / base:11.1f}", flush=True)
