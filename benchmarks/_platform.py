"""A fresh platform to measure: `manage.py run` in a folder of its own."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

PASSWORD = "bench-password-1234"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def platform(extra: Mapping[str, str] | None = None) -> Iterator[tuple[str, Path]]:
    """Its URL and its data folder."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        env = os.environ | {
            "PLATFORM_DATA": folder,
            "PLATFORM_ADMIN_EMAIL": "admin@example.com",
            "PLATFORM_ADMIN_PASSWORD": PASSWORD,
            **(extra or {}),
        }
        command = [sys.executable, "manage.py", "run", "--port", str(port)]
        process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
        url = f"http://127.0.0.1:{port}"
        try:
            _wait(url)
            yield url, Path(folder)
        finally:
            process.terminate()
            process.wait(timeout=90)


def _wait(url: str) -> None:
    for _attempt in range(600):
        try:
            httpx.get(f"{url}/healthz").raise_for_status()
            return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise SystemExit("the platform did not start")


@contextmanager
def stand_in(module: str, port: int, *arguments: str) -> Iterator[str]:
    """A provider of this folder in a process of its own; its URL."""
    command = [sys.executable, "-m", f"benchmarks.{module}", str(port), *arguments]
    process = subprocess.Popen(command)
    url = f"http://127.0.0.1:{port}/v1"
    try:
        for _attempt in range(100):
            try:
                httpx.get(f"{url}/models").raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=10)


def web_process(url: str) -> psutil.Process:
    """The one that answers there."""
    port = int(url.rsplit(":", 1)[1])
    for connection in psutil.net_connections("tcp"):
        if connection.laddr and connection.laddr.port == port and connection.status == "LISTEN":
            return psutil.Process(connection.pid)
    raise SystemExit(f"nothing listens on port {port}")


def signed_in(url: str) -> httpx.Client:
    client = httpx.Client(base_url=url, follow_redirects=True, timeout=30)
    client.get("/accounts/login/")
    form = {"email": "admin@example.com", "username": "admin@example.com", "password": PASSWORD}
    form["csrfmiddlewaretoken"] = client.cookies["csrftoken"]
    client.post("/accounts/login/", data=form, headers={"Referer": url}).raise_for_status()
    return client
