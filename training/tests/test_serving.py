"""The endpoint in front of a model: keys, limits, sleep, crashes. The model is a small stand-in."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from conftest import free_port
from training.tests.conftest import run_script, wait_for

pytestmark = [pytest.mark.training, pytest.mark.xdist_group("training")]
SIGNED = {"Authorization": "Bearer a-key"}
CHILD = """
import http.server, json, os, sys, time
sys.path.insert(0, {runner!r})
from mortal import die_with_parent
die_with_parent(int(sys.argv[2]))
class Model(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.say({{"pid": os.getpid()}})
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if asked.get("crash"):
            os._exit(9)
        time.sleep(asked.get("sleep", 0))
        self.say({{"pid": os.getpid(), "gpus": os.environ.get("CUDA_VISIBLE_DEVICES")}})
    def say(self, what):
        body = json.dumps(what).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
if os.path.exists({broken!r}):
    sys.exit(3)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Model).serve_forever()
"""


class Endpoint:
    def __init__(self, process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
        self.process, self.folder = process, folder
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers=SIGNED, timeout=30, trust_env=False
        )

    def state(self) -> str:
        try:
            return str(self.client.get("/health").json()["state"])
        except httpx.HTTPError:
            return "away"

    def ask(self, **body: Any) -> httpx.Response:
        return self.client.post("/v1/chat/completions", json=body)


Serve = Callable[..., Endpoint]


@pytest.fixture
def serve(training_python: Path, tmp_path: Path) -> Iterator[Serve]:
    started: list[subprocess.Popen[bytes]] = []

    def start(**wanted: Any) -> Endpoint:
        port = free_port()
        script = tmp_path / "child.py"
        runner = Path(__file__).resolve().parent.parent / "runner"
        broken = str(tmp_path / "broken")
        script.write_text(CHILD.format(runner=str(runner), broken=broken))
        spec = tmp_path / "serve.json"
        # The pid of the endpoint is the child's parent: a shell in between would hide it.
        child = [str(training_python), str(script), "{port}", "{pid}"]
        known = {"args": {}, "port": port, "model_name": "m", "child": child, "wait_s": 20}
        spec.write_text(json.dumps(known | wanted))
        process = run_script(training_python, "serve.py", spec, env={"API_KEY": "a-key"})
        started.append(process)
        return Endpoint(process, port, tmp_path)

    yield start
    for process in started:
        process.kill()
        process.wait()


def ready(endpoint: Endpoint) -> Endpoint:
    wait_for(lambda: endpoint.state() == "ready", 30)
    return endpoint


def test_it_wants_its_key_and_names_its_model(serve: Serve) -> None:
    endpoint = ready(serve())
    assert endpoint.client.get("/health", headers={"Authorization": ""}).status_code == 401
    assert endpoint.client.get("/v1/models").json()["data"][0]["id"] == "m"
    assert endpoint.ask().status_code == 200
    assert endpoint.client.get("/health").json()["served"] == 1


def test_more_callers_than_places_wait_and_too_many_are_sent_away(serve: Serve) -> None:
    endpoint = ready(serve(concurrency=1))
    answers: list[int] = []

    def ask() -> None:
        with httpx.Client(base_url=endpoint.client.base_url, headers=SIGNED, timeout=60) as client:
            answers.append(client.post("/v1/chat/completions", json={"sleep": 0.1}).status_code)

    threads = [threading.Thread(target=ask) for _number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.count(200) >= 17, "one is answered, sixteen may wait"
    assert set(answers) == {200, 429}


def test_it_sleeps_and_the_first_caller_waits_for_it(serve: Serve) -> None:
    endpoint = ready(serve(idle_s=1))
    first = endpoint.ask().json()["pid"]
    wait_for(lambda: endpoint.state() == "asleep", 30)
    assert not psutil.pid_exists(first), "asleep it takes no memory"
    assert endpoint.client.get("/v1/models").status_code == 200
    assert endpoint.state() == "asleep", "looking does not wake it"
    again = endpoint.ask()
    assert again.status_code == 200 and again.json()["pid"] != first


def test_woken_it_needs_its_place_again(serve: Serve, tmp_path: Path) -> None:
    control = tmp_path / "control"
    wanted = {"needs_place": True, "control_path": str(control), "wait_s": 2}
    endpoint = ready(serve(idle_s=1, **wanted))
    wait_for(lambda: endpoint.state() == "asleep", 30)
    refused = endpoint.ask()
    assert refused.status_code == 503 and int(refused.headers["retry-after"]) > 0
    assert "no place on a GPU became free" in refused.json()["error"]["message"]
    assert endpoint.state() == "waking"
    control.write_text('{"gpus": "3"}')
    ready(endpoint)
    assert endpoint.ask().json()["gpus"] == "3" and not control.exists()


def test_a_model_that_breaks_off_is_started_again(serve: Serve) -> None:
    endpoint = ready(serve())
    first = endpoint.ask().json()["pid"]
    broken = endpoint.ask(crash=True)
    assert broken.status_code == 503
    assert broken.json()["error"]["code"] == "model_not_ready"
    again = endpoint.ask()
    assert again.status_code == 200 and again.json()["pid"] != first
    assert endpoint.client.get("/health").json()["crashes"] == 1


def test_it_gives_up_in_the_end(serve: Serve, tmp_path: Path) -> None:
    endpoint = ready(serve(pause_s=0.05))
    (tmp_path / "broken").touch()
    endpoint.ask(crash=True)
    assert endpoint.process.wait(timeout=60) == 3
    log = (tmp_path / "serve.log").read_text()
    assert "time 6 in a row" in log


def test_what_never_came_up_is_not_tried_again(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    started = time.monotonic()
    assert serve().process.wait(timeout=30) == 3
    assert time.monotonic() - started < 20
    assert "in a row" not in (tmp_path / "serve.log").read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_model_does_not_outlive_its_endpoint(serve: Serve, number: int) -> None:
    endpoint = ready(serve())
    child = endpoint.ask().json()["pid"]
    os.kill(endpoint.process.pid, number)
    assert endpoint.process.wait(timeout=20) in (-number, 128 + number)
    wait_for(lambda: not psutil.pid_exists(child), 10)
