"""A node that takes part in somebody else's run: starts its processes, says that it is there.

The leader writes all that is told of the run. A member has nothing but its row: when that is gone,
or belongs to another lease, its processes are ended.
"""

import logging
import signal
import time
from types import FrameType

from django.db import Error as DatabaseFailure
from django.db import connection
from django.db.models.functions import Now

from training.models import Member, Workload
from training.models.workloads import ACTIVE
from training.shim import launching, locks
from training.shim.process import Runner

logger = logging.getLogger(__name__)

TICK_S = 0.5
BEAT_EVERY_S = 3.0
# A leader that says nothing for so long is not coming.
MEETING_WITHIN_S = 120.0
# Without the database nobody knows whether the run was given to others meanwhile.
ALONE_AT_MOST_S = 900.0


class Membership:
    def __init__(self, member: Member) -> None:
        self.member = member
        self.workload = Workload.objects.get(pk=member.workload_id)
        folder = self.workload.folder / f"attempt-{self.workload.attempt}"
        self.runner = Runner(folder, rank=member.rank)
        self._is_leaving = False
        self._beat_at = 0.0
        self._heard_at = time.monotonic()

    def run(self) -> None:
        signal.signal(signal.SIGTERM, self._on_term)
        try:
            if self._begin():
                self._follow()
        finally:
            self.runner.kill()
        code = Member.LEFT if self._is_leaving else self.runner.exit_code()
        Member.objects.filter(pk=self.member.pk).update(has_ended=True, exit_code=code)

    def _on_term(self, signum: int, frame: FrameType | None) -> None:
        self._is_leaving = True

    def _begin(self) -> bool:
        if self.runner.was_started():
            self.runner.adopt()
            return True
        deadline = time.monotonic() + MEETING_WITHIN_S
        while time.monotonic() < deadline and self._is_wanted():
            meeting = launching.read_meeting(self.runner.folder)
            if meeting is not None and self.runner.spec.exists():
                command = launching.command(self.workload, self.runner, meeting, self.member.rank)
                extra = launching.slots_environment(self.workload, self.member)
                try:
                    self.runner.start(command, str(self.workload.pk), extra)
                except (OSError, locks.Held):
                    logger.exception("%s: no process could be started here", self.workload.pk)
                    return False
                return True
            time.sleep(TICK_S)
        return False

    def _follow(self) -> None:
        while self.runner.is_alive() and self._is_wanted():
            time.sleep(TICK_S)

    def _is_wanted(self) -> bool:
        """Says that we are here, now and then; False when the run goes on without us."""
        now = time.monotonic()
        if self._is_leaving:
            return False
        if now - self._beat_at < BEAT_EVERY_S:
            return True
        self._beat_at = now
        rows = Member.objects.filter(
            pk=self.member.pk,
            workload__status__in=ACTIVE,
            workload__attempt=self.workload.attempt,
        )
        try:
            is_there = bool(rows.count()) and bool(
                Member.objects.filter(pk=self.member.pk).update(heartbeat_at=Now())
            )
        except DatabaseFailure:
            logger.exception("%s: the database does not answer", self.workload.pk)
            connection.close()
            return now - self._heard_at < ALONE_AT_MOST_S
        self._heard_at = now
        return is_there
