"""The work of a deployment: its endpoint runs, its model is published, and what goes on there."""

import json
import socket
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from training import lifecycle, llamafactory, registry
from training.errors import Unbuildable
from training.models import Deployment, Desired, Reason, Slot, Status, Workload
from training.shim.endings import Ending, gpu_environment, told_ending
from training.shim.process import Runner

LOOK_EVERY_S = 1.0
KEEP_EVERY_S = 5.0


class Serving:
    script = "serve.py"
    stops_by_signal = True

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self._is_published = False
        self._looked_at = self._kept_at = 0.0
        # How many GPUs it had before it fell asleep.
        self._places = deployment.slots.filter(is_gpu=True).count()

    def spec(self, runner: Runner) -> dict[str, Any]:
        deployment = self.deployment
        version = deployment.version
        if not Path(version.path).is_dir():
            raise Unbuildable(Reason.CONFIGURATION, f"{version.path} does not exist")
        deployment.host = settings.SERVING_HOST
        deployment.port = free_port(deployment.host, deployment.port)
        rows = Deployment.objects.filter(pk=deployment.pk)
        rows.update(host=deployment.host, port=deployment.port)
        return {
            "host": deployment.host,
            "engine": deployment.engine,
            "args": llamafactory.serving_args(version),
            "port": deployment.port,
            "model_name": deployment.name,
            "concurrency": deployment.concurrency,
            "idle_s": 60 * deployment.sleep_minutes,
            "needs_place": self._places > 0,
            "control_path": str(runner.control),
        }

    def environment(self) -> Mapping[str, str]:
        return gpu_environment(self.deployment) | {"API_KEY": self.deployment.key}

    def watch(self, fence: int) -> None:
        """Publishes the model once it answers; then keeps what the endpoint tells of itself."""
        if time.monotonic() - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = time.monotonic()
        health = self._health()
        if health is None:
            return
        state = health["state"]
        if not self._is_published and state in ("ready", "asleep"):
            with transaction.atomic():
                lifecycle.mark_running(self.deployment.pk, fence)
                registry.publish(self.deployment)
            self._is_published = True
        self._keep(health)
        if self._places:
            self._give_or_take_places(state)

    @cached_property
    def _key(self) -> str:
        return self.deployment.key

    def _health(self) -> dict[str, Any] | None:
        """Asked each second for as long as it serves: a client of httpx takes ninety times as long,
        most of it for certificates that nobody wants to see here."""
        connection = HTTPConnection(self.deployment.host, self.deployment.port, timeout=2)
        try:
            connection.request("GET", "/health", headers={"Authorization": f"Bearer {self._key}"})
            answer = connection.getresponse()
            found = json.loads(answer.read()) if answer.status == 200 else None
        except (OSError, HTTPException, ValueError):
            return None
        finally:
            connection.close()
        return found if isinstance(found, dict) and "state" in found else None

    def _keep(self, health: dict[str, Any]) -> None:
        """Now and then, and at once when its state changes."""
        is_news = health["state"] != self.deployment.health.get("state")
        if not is_news and time.monotonic() - self._kept_at < KEEP_EVERY_S:
            return
        self._kept_at = time.monotonic()
        last = datetime.fromtimestamp(health["last_request_at"], UTC).isoformat()
        self.deployment.health = health | {"last_request_at": last}
        Deployment.objects.filter(pk=self.deployment.pk).update(health=self.deployment.health)

    def _give_or_take_places(self, state: str) -> None:
        """Asleep, it leaves its GPUs to others; woken, it needs as many again."""
        has_places = self.deployment.slots.filter(is_gpu=True).exists()
        if state == "asleep" and has_places:
            lifecycle.leave_slots(self.deployment)
        elif state == "waking":
            self._take_places(has_places)

    def _take_places(self, has_places: bool) -> None:
        if not has_places:
            free = Slot.objects.filter(node=self.deployment.node, is_gpu=True, workload=None)
            wanted = list(free.order_by("index")[: self._places])
            if len(wanted) < self._places or not lifecycle.retake_slots(self.deployment, wanted):
                return
        indices = self.deployment.slots.filter(is_gpu=True).values_list("index", flat=True)
        told = {"gpus": ",".join(map(str, sorted(indices)))}
        control = Runner(self.deployment.folder / f"attempt-{self.deployment.attempt}").control
        draft = control.with_suffix(".new")
        draft.write_text(json.dumps(told))
        draft.replace(control)

    def ending(self, outcome: dict[str, Any] | None, exit_code: int | None) -> Ending | None:
        desired = Workload.objects.filter(pk=self.deployment.pk).values_list("desired", flat=True)
        if desired.first() == Desired.STOP:
            return Ending(Status.STOPPED)
        return told_ending(None, exit_code)

    def on_end(self, ending: Ending, outcome: dict[str, Any] | None) -> None:
        Deployment.objects.filter(pk=self.deployment.pk).update(health={})
        if ending.status != Status.PAUSED:  # paused: it goes on elsewhere, or after a restart
            registry.withdraw(self.deployment)


def free_port(host: str, former: int | None) -> int:
    """The former one, if nobody took it: callers know it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, former or 0))
        except OSError:
            if former is None:
                raise Unbuildable(Reason.START, f"{host} is no address of this node") from None
            return free_port(host, None)
        return int(probe.getsockname()[1])
