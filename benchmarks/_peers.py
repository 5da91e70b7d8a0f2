"""Other gateways to measure beside ours: pinned, installed where their registry answers.

They are kept in a folder of their own (`BENCH_PEERS`, else in the user's cache) for the next time,
and run as their makers recommend for production, one process each.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from benchmarks._platform import free_port

LITELLM = "litellm[proxy]==1.108.7"
# With the node server that it was made for: newer ones answer its streams with 500.
PORTKEY = ("@portkey-ai/gateway@1.15.2", "@hono/node-server@1.13.7")
STARTED_WITHIN_S = 120
KEY = "sk-bench-peers"


@dataclass(frozen=True)
class Peer:
    name: str
    url: str
    process: psutil.Process
    headers: Mapping[str, str] = field(default_factory=dict)


def _folder() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(os.environ.get("BENCH_PEERS") or cache / "llmplatform-bench")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _install(name: str, commands: Sequence[Sequence[str]], mark: Path, wanted: str) -> bool:
    """Whether it is there, in the version that is wanted."""
    if mark.exists() and mark.read_text() == wanted:
        return True
    print(f"installing {wanted} …", flush=True)
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{name} is left out: {done.stderr.strip()[-300:]}", flush=True)
            return False
    mark.write_text(wanted)
    return True


def _install_litellm(folder: Path) -> Path | None:
    python = folder / "litellm" / "bin" / "python"
    commands = (
        (sys.executable, "-m", "venv", "--clear", str(folder / "litellm")),
        (str(python), "-m", "pip", "install", "--quiet", LITELLM),
    )
    is_there = _install("LiteLLM", commands, folder / "litellm.txt", LITELLM)
    return python.with_name("litellm") if is_there else None


def _install_portkey(folder: Path) -> Path | None:
    if shutil.which("npm") is None or shutil.which("node") is None:
        print("Portkey is left out: it needs node and npm", flush=True)
        return None
    home = folder / "portkey"
    home.mkdir(exist_ok=True)
    command = ("npm", "install", "--prefix", str(home), "--no-audit", "--no-fund", *PORTKEY)
    is_there = _install("Portkey", (command,), folder / "portkey.txt", " ".join(PORTKEY))
    server = home / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    return server if is_there else None


def _config(models: Sequence[str], upstream_url: str) -> str:
    """LiteLLM's, with its recommended settings for production."""
    lines = ["model_list:"]
    for name in models:
        lines += [
            f"  - model_name: {name}",
            "    litellm_params:",
            f"      model: openai/{name}",
            f"      api_base: {upstream_url}",
            "      api_key: none",
        ]
    settings = ("set_verbose: false", "json_logs: true", "request_timeout: 600")
    lines += ["litellm_settings:", *(f"  {each}" for each in settings)]
    lines += ["general_settings:", f"  master_key: {KEY}"]
    return "\n".join(lines) + "\n"


@contextmanager
def _started(
    name: str, command: Sequence[str], url: str, env: Mapping[str, str], log: Path
) -> Iterator[psutil.Process | None]:
    """None where it does not answer in time; `log` says why."""
    with log.open("w") as written:
        process = subprocess.Popen(
            command, env=os.environ | env, stdout=written, stderr=subprocess.STDOUT
        )
        try:
            is_ready = _answers(url, process)
            if not is_ready:
                print(f"{name} did not start, see {log}", flush=True)
            yield psutil.Process(process.pid) if is_ready else None
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers(url: str, process: "subprocess.Popen[bytes]") -> bool:
    until = time.monotonic() + STARTED_WITHIN_S
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(url, timeout=2).status_code < 500:
                return True
        except httpx.HTTPError:
            time.sleep(0.3)
    return False


@contextmanager
def litellm(models: Sequence[str], upstream_url: str) -> Iterator[Peer | None]:
    folder = _folder()
    program = _install_litellm(folder)
    if program is None:
        yield None
        return
    port, config = free_port(), folder / "litellm.yaml"
    config.write_text(_config(models, upstream_url))
    command = (str(program), "--config", str(config), "--host", "127.0.0.1", "--port", str(port))
    env = {"LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR"}
    env |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    ready = f"http://127.0.0.1:{port}/health/liveliness"
    with _started("LiteLLM", command, ready, env, folder / "litellm.log") as process:
        headers = {"Authorization": f"Bearer {KEY}"}
        url = f"http://127.0.0.1:{port}/v1"
        yield None if process is None else Peer(LITELLM, url, process, headers)


@contextmanager
def portkey(_models: Sequence[str], upstream_url: str) -> Iterator[Peer | None]:
    folder = _folder()
    program = _install_portkey(folder)
    if program is None:
        yield None
        return
    port = free_port()
    command = ("node", str(program), "--headless", f"--port={port}")
    env = {"NODE_ENV": "production", "TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost"}
    ready = f"http://127.0.0.1:{port}/"
    with _started("Portkey", command, ready, env, folder / "portkey.log") as process:
        headers = {
            "Authorization": "Bearer none",
            "x-portkey-provider": "openai",
            "x-portkey-custom-host": upstream_url,
        }
        url = f"http://127.0.0.1:{port}/v1"
        yield None if process is None else Peer(PORTKEY[0], url, process, headers)


ALL = (litellm, portkey)
