"""What a shim keeps an eye on beside its runner: the database, and the other nodes of the run."""

import time
from datetime import timedelta

from django.utils import timezone

from training.models import Member, Node, Workload

# Without the database nobody knows whether another node has taken over, where one could. It does so
# later than this (reconcile.MOVED_AFTER).
ALONE_AT_MOST_S = 900.0
MEMBERS_EVERY_S = 3.0
# Exit codes of a process that did what it was asked: it finished, paused or stopped.
WELL = (0, 75, 76)
# A member that has said nothing for so long is lost; at first it may take longer to come.
MEMBER_SILENT = timedelta(seconds=30)
MEMBER_LATE = timedelta(seconds=150)


class Stranded:
    """For how long the database has not answered."""

    def __init__(self, workload: Workload) -> None:
        node = workload.node
        self._can_be_taken_over = (
            node is not None
            and bool(node.storage_id)
            and Node.objects.exclude(pk=node.pk).filter(storage_id=node.storage_id).exists()
        )
        self._heard_at = time.monotonic()

    def heard(self) -> None:
        self._heard_at = time.monotonic()

    def is_over(self) -> bool:
        """Whether another node may hold the lease by now."""
        alone = time.monotonic() - self._heard_at
        return self._can_be_taken_over and alone > ALONE_AT_MOST_S


class Members:
    """The other nodes of a run: all of them, or none, since each waits for the others.

    One that has ended well is not missed: the first node may still be saving the result.
    """

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self._looked_at = self._begun_at = time.monotonic()
        self._failed_at: float | None = None

    def is_due(self) -> bool:
        now = time.monotonic()
        if self.workload.node_count == 1 or now - self._looked_at < MEMBERS_EVERY_S:
            return False
        self._looked_at = now
        return True

    def is_one_lost(self) -> bool:
        """Its node, that is: it left, it never came, or it says nothing any more."""
        members = list(self.workload.members.all())
        return len(members) < self.workload.node_count - 1 or any(map(self._is_lost, members))

    def _is_lost(self, member: Member) -> bool:
        if member.has_ended:
            return member.exit_code == Member.LEFT
        if member.heartbeat_at is None:
            return time.monotonic() - self._begun_at > MEMBER_LATE.total_seconds()
        return timezone.now() - member.heartbeat_at > MEMBER_SILENT

    def is_waited_for_in_vain(self) -> bool:
        """A process failed elsewhere, and ours has had the time to notice: it hangs."""
        ended = self.workload.members.filter(has_ended=True)
        if not ended.exclude(exit_code__in=WELL).exclude(exit_code=None).exists():
            return False
        self._failed_at = self._failed_at or time.monotonic()
        return time.monotonic() - self._failed_at > MEMBER_SILENT.total_seconds()

    def turns_out_lost(self) -> bool:
        """Whether a partner that has gone took its node with it; waits until that is clear."""
        if self.workload.node_count == 1:
            return False
        deadline = time.monotonic() + MEMBER_SILENT.total_seconds() + 2 * MEMBERS_EVERY_S
        while time.monotonic() < deadline:
            if self.is_one_lost():
                return True
            if not self.workload.members.filter(has_ended=False).exists():
                return False
            self.workload.renew(self.workload.fence)
            time.sleep(MEMBERS_EVERY_S)
        return False
