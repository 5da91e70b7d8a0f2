"""What a run in several processes, on one node or more, is started with; where they meet."""

import json
import socket
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from training import nodes
from training.models import Member, Node, Workload
from training.shim.process import Runner

LAUNCHER = Path(__file__).resolve().parent.parent / "runner" / "launch.py"


@dataclass(frozen=True)
class Meeting:
    """Of one attempt: the leader's address as the others reach it."""

    address: str
    port: int

    def write(self, folder: Path) -> None:
        draft = _path(folder).with_suffix(".new")
        draft.write_text(json.dumps({"address": self.address, "port": self.port}))
        draft.replace(_path(folder))


def _path(folder: Path) -> Path:
    return folder / "meeting.json"


def read_meeting(folder: Path) -> Meeting | None:
    """None as long as the leader has not written it."""
    try:
        told = json.loads(_path(folder).read_text())
    except (FileNotFoundError, ValueError):
        return None
    return Meeting(str(told["address"]), int(told["port"]))


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def _address(workload: Workload) -> str:
    """Nodes of one machine meet on its loopback, whatever its name resolves to."""
    own = nodes.address()
    others = Node.objects.filter(memberships__workload=workload).values_list("address", flat=True)
    return "127.0.0.1" if all(other == own for other in others) else own


def command(workload: Workload, runner: Runner, meeting: Meeting, rank: int) -> list[str]:
    return [
        str(settings.TRAINING_PYTHON),
        str(LAUNCHER),
        str(runner.spec),
        str(workload.processes),
        str(workload.node_count),
        str(rank),
        meeting.address,
        str(meeting.port),
    ]


def prepare(workload: Workload, runner: Runner, alone: list[str]) -> list[str]:
    """The leader's command; `alone` is the one of a run in one process."""
    if not workload.is_parallel:
        return alone
    address = _address(workload)
    meeting = Meeting(address, _free_port("" if address != "127.0.0.1" else address))
    meeting.write(runner.folder)
    return command(workload, runner, meeting, 0)


def slots_environment(workload: Workload, member: Member) -> dict[str, str]:
    slots = workload.slots.filter(is_gpu=True, node=member.node).order_by("index")
    indices = [str(slot.index) for slot in slots]
    return {"CUDA_VISIBLE_DEVICES": ",".join(indices)} if indices else {}
