"""Ten thousand random steps of jobs, shims, nodes and faults against the rules of their lives.

The locks, leases, fences, the scheduler, the reaper and the supervision are the real ones; only the
trained process is a stand-in, which holds a real lock as long as it lives. Whatever is delivered
twice, late or never, whatever is killed, frozen or cut off:

- never do two children of one job live;
- what is final stays as it is, and a fence only rises;
- a place is taken by exactly the jobs that hold a lease;
- once the faults end every job ends, or waits for a person.
"""

import contextlib
import json
import os
import random
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

import pytest
from django.conf import LazySettings
from django.utils import timezone

from accounts.models import User
from training import lifecycle, reconcile, scheduling, services
from training.errors import StateConflict, Unbuildable
from training.models import Node, Slot, Status, TrainingJob, Workload
from training.models.workloads import ACTIVE, FINAL
from training.parallel import Sharing
from training.shim import locks
from training.shim.endings import Ending, told_ending
from training.shim.process import Runner
from training.shim.supervision import Fenced, Supervision

STEPS, SEEDS = 1000, 10
LENGTH = 12
MakeJob = Callable[..., TrainingJob]


class Child(Runner):
    """A trained process that exists in the test alone; its lock is real, and so are its files."""

    living: "list[Child]" = []  # of one world; emptied by it

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._held: IO[str] | None = None
        self._code: int | None = None
        self.step = 0

    def start(self, command: Any, workload_id: str, extra: Mapping[str, str]) -> None:
        self._held = locks.take(self.lock)
        self.folder.joinpath("runner.json").write_text("{}")
        Child.living.append(self)
        self.tell("started", step=0, max_steps=LENGTH)

    def tell(self, kind: str, /, **fields: Any) -> None:
        with self.events.open("a") as file:
            file.write(json.dumps({"type": kind, "at": 1.0, **fields}) + "\n")

    def end(self, code: int) -> None:
        assert self._held is not None
        self._held.close()
        self._held, self._code = None, code
        Child.living.remove(self)

    def live(self, chance: random.Random) -> None:
        """A moment of it: a step, a word it obeys, or an end of any kind."""
        word = self.control.read_text() if self.control.exists() else ""
        if word:
            self.tell("stopped" if word == "stop" else "paused", step=self.step, checkpoint="")
            return self.end(76 if word == "stop" else 75)
        if chance.random() < 0.05:
            return self.end(-9)
        if chance.random() < 0.03:
            self.tell("failed", kind="data", error_type="ValueError", message="bad")
            return self.end(1)
        self.step += 1
        self.tell("progress", step=self.step, max_steps=LENGTH)
        if self.step == LENGTH:
            self.tell("finished", step=LENGTH, max_steps=LENGTH, metrics={})
            self.end(0)
        return None

    @property
    def pid(self) -> int | None:
        return None

    def is_alive(self) -> bool:
        return locks.holder(self.lock) is not None

    def exit_code(self) -> int | None:
        return self._code

    def kill(self, wait_s: float = 10) -> None:
        """Whoever started it: the lock names the one that lives."""
        for child in [c for c in Child.living if c.lock == self.lock]:
            child.end(-9)


class Work:
    script = "run.py"
    stops_by_signal = False

    def spec(self, runner: Runner) -> dict[str, Any]:
        return {}

    def environment(self) -> Mapping[str, str]:
        return {}

    def watch(self, fence: int) -> None:
        pass

    def ending(self, outcome: dict[str, Any] | None, exit_code: int | None) -> Ending | None:
        return told_ending(outcome, exit_code)

    def on_end(self, ending: Ending, outcome: dict[str, Any] | None) -> None:
        pass


class Watcher(Supervision):
    """A shim that lives by turns."""

    def __init__(self, workload: Workload, fence: int) -> None:
        workload.refresh_from_db()
        child = Child(workload.folder / f"attempt-{workload.attempt}")
        super().__init__(workload, fence, work=Work(), runner=child)
        self.successor: int | None = None

    def _go_on(self, fence: int) -> None:
        self.successor = fence


class Shim:
    def __init__(self, node: str, workload: Workload, fence: int, lock: IO[str]) -> None:
        self.node, self.workload, self.fence = node, workload, fence
        self.lock = os.dup(lock.fileno())  # as a process inherits it
        self.watcher: Watcher | None = None
        self.is_frozen = self.is_over = False

    def close(self) -> None:
        os.close(self.lock)
        self.is_over = True

    def turn(self) -> None:
        try:
            self._turn()
        except Fenced:
            assert self.watcher is not None
            self.watcher.runner.kill()
            self.close()
        except Unbuildable as error:
            assert self.watcher is not None
            self.watcher._finish(Ending(Status.FAILED, error.reason, error.detail), None)
            self.close()

    def _turn(self) -> None:
        if self.watcher is None:
            row = Workload.objects.held(self.workload.pk, self.fence).first()
            if row is None:  # it was delivered too late
                return self.close()
            self.watcher = Watcher(row, self.fence)
            return self.watcher._begin()
        is_alive = self.watcher.runner.is_alive()
        self.watcher._tick(is_ended=not is_alive)
        if not is_alive:
            self.watcher._settle()
            if self.watcher.successor is None:
                return self.close()
            self.fence, self.watcher = self.watcher.successor, None
        return None


class World:
    def __init__(self, seed: int, owner: User, make_job: MakeJob) -> None:
        self.chance = random.Random(seed)
        self.owner, self.make_job = owner, make_job
        self.shims: list[Shim] = []
        self.dead: set[str] = set()
        self.final: dict[Any, str] = {}
        self.fences: dict[Any, int] = {}
        self.made = 0
        Child.living.clear()
        for name, slots in (("one", 1), ("two", 2)):
            node = Node.objects.create(
                name=name, has_training=True, storage_id="s", last_seen_at=timezone.now()
            )
            for index in range(slots):
                Slot.objects.create(node=node, index=index, is_gpu=True, memory_bytes=1)

    def close(self) -> None:
        for shim in self.shims:
            if not shim.is_over:
                shim.close()
        for child in list(Child.living):
            child.end(-9)

    def job(self) -> TrainingJob | None:
        ids = list(TrainingJob.objects.exclude(status__in=FINAL).values_list("pk", flat=True))
        return TrainingJob.objects.get(pk=self.chance.choice(ids)) if ids else None

    def step(self) -> str:
        acts: list[tuple[int, Callable[[], None]]] = [
            (30, self.live_on),
            (40, self.turn_shim),
            (14, self.beat),
            (8, self.create),
            (6, self.ask),
            (3, self.kill_shim),
            (2, self.freeze),
            (2, self.lose_node),
            (3, self.return_node),
            (3, self.pass_time),
            (4, self.reap),
            (2, self.deliver_again),
        ]
        [act] = self.chance.choices([a for _w, a in acts], [w for w, _a in acts])
        act()
        return act.__name__

    def create(self) -> None:
        if TrainingJob.objects.exclude(status__in=FINAL).count() < 5:
            self.made += 1
            sharing = Sharing(processes=self.chance.choice((1, 1, 2)))
            self.make_job(name=f"job-{self.made}", sharing=sharing)

    def ask(self) -> None:
        job = self.job()
        if job is not None:
            verb = self.chance.choice(("start", "pause", "resume", "resume", "stop"))
            with contextlib.suppress(StateConflict):
                getattr(services, verb)(workload=job, actor=self.owner)

    def beat(self) -> None:
        scheduling.grant_waiting()
        for node in Node.objects.exclude(name__in=self.dead):
            Node.objects.filter(pk=node.pk).update(last_seen_at=timezone.now())
            for workload in Workload.objects.active().filter(node=node):
                self.nudge(workload, node.name)

    def nudge(self, workload: Workload, node: str) -> None:
        def start(workload: Workload, fence: int, lock: IO[str]) -> None:
            self.shims.append(Shim(node, workload, fence, lock))

        reconcile.reconcile(workload, start)

    def deliver_again(self) -> None:
        """A message of yesterday: what it says has long been done."""
        for workload in Workload.objects.all()[:3]:
            if workload.status in ACTIVE and workload.node and workload.node.name not in self.dead:
                self.nudge(workload, workload.node.name)
            if workload.fence:
                assert workload.renew(workload.fence - 1) is None
                assert not lifecycle.settle(workload.pk, workload.fence - 1, Status.SUCCESS)

    def _running(self) -> list[Shim]:
        self.shims = [shim for shim in self.shims if not shim.is_over]
        return [s for s in self.shims if not s.is_frozen]

    def turn_shim(self) -> None:
        if running := self._running():
            self.chance.choice(running).turn()

    def live_on(self) -> None:
        if Child.living:
            self.chance.choice(Child.living).live(self.chance)

    def kill_shim(self) -> None:
        self._running()
        if self.shims:
            self.chance.choice(self.shims).close()

    def freeze(self) -> None:
        """SIGSTOP, and at some time SIGCONT."""
        self._running()
        if self.shims:
            shim = self.chance.choice(self.shims)
            shim.is_frozen = not shim.is_frozen

    def lose_node(self) -> None:
        """Power off: everything there is gone."""
        name = self.chance.choice(("one", "two"))
        self.dead.add(name)
        self._running()
        for shim in [s for s in self.shims if s.node == name]:
            runner = shim.watcher.runner if shim.watcher else None
            shim.close()
            if runner is not None:
                runner.kill()
        homes = Workload.objects.active().filter(node__name=name)
        for workload in homes:
            for child in [c for c in Child.living if c.lock.parent == workload.folder]:
                child.end(-9)

    def return_node(self) -> None:
        self.dead.clear()

    def pass_time(self) -> None:
        """Half an hour in which nobody who is down said a word."""
        gone = timedelta(minutes=30)
        for workload in Workload.objects.active():
            held = [s for s in self._running() if s.workload.pk == workload.pk]
            if not held and workload.lease_expires_at:
                Workload.objects.filter(pk=workload.pk).update(
                    lease_expires_at=workload.lease_expires_at - gone
                )
        for node in Node.objects.filter(name__in=self.dead):
            Node.objects.filter(pk=node.pk).update(last_seen_at=timezone.now() - gone)

    def reap(self) -> None:
        reconcile.reap()
        if self.chance.random() < 0.5:
            assert reconcile.reap() == 0, "the second reaper finds nothing to do"

    def check(self) -> None:
        folders = [child.lock.parent for child in Child.living]
        assert len(folders) == len(set(folders)), "two children of one job"
        taken: dict[Any, int] = {}
        for pk in Slot.objects.exclude(workload=None).values_list("workload", flat=True):
            taken[pk] = taken.get(pk, 0) + 1
        expected = {}
        for row in Workload.objects.all():
            assert self.final.get(row.pk, row.status) == row.status, "a final state changed"
            assert self.fences.get(row.pk, 0) <= row.fence, "a fence fell"
            self.fences[row.pk] = row.fence
            if row.status in FINAL:
                self.final[row.pk] = row.status
            if row.status in ACTIVE:
                expected[row.pk] = row.processes
        assert taken == expected, "places and leases differ"

    def heal(self) -> None:
        """The faults end; what is asked of people is done."""
        self.dead.clear()
        for shim in self.shims:
            shim.is_frozen = False
        for _round in range(400):
            self.beat()
            self.reap()
            for shim in self._running():
                shim.turn()
            for child in list(Child.living):
                child.live(self.chance)
            self.check()
            if not Workload.objects.active().exists() and not Workload.objects.queued().exists():
                break


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_rules_hold_through_a_thousand_steps(
    seed: int, alice: User, make_job: MakeJob, settings: LazySettings
) -> None:
    settings.TRAINING_PYTHON = sys.executable
    world, trace = World(seed, alice, make_job), []
    try:
        for _number in range(STEPS):
            trace.append(world.step())
            world.check()
        world.heal()
    except AssertionError as error:
        raise AssertionError(f"{error}; the last steps: {trace[-30:]}") from error
    finally:
        world.close()
    left = Workload.objects.exclude(status__in=FINAL)
    assert all(row.status == Status.PAUSED or not row.is_queued for row in left)
    assert not Child.living and not Slot.objects.exclude(workload=None).exists()
    assert len(world.final) > STEPS / 100, "enough jobs lived and died"
