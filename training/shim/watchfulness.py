"""What a shim keeps an eye on beside its runner: the database, and the other nodes of the run."""

import time
from datetime import timedelta

from django.utils import timezone

from training.models import Node, Workload

# Without the database nobody knows whether another node has taken over, where one could. It does so
# later than this (reconcile.MOVED_AFTER).
ALONE_AT_MOST_S = 900.0
MEMBERS_EVERY_S = 3.0
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
    """The other nodes of a run: all of them, or none, since each waits for the others."""

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self._looked_at = self._begun_at = time.monotonic()

    def is_one_lost(self) -> bool:
        now = time.monotonic()
        if self.workload.node_count == 1 or now - self._looked_at < MEMBERS_EVERY_S:
            return False
        self._looked_at = now
        members = list(self.workload.members.values_list("heartbeat_at", "has_ended"))
        present = timezone.now()
        is_late = now - self._begun_at > MEMBER_LATE.total_seconds()
        silent = [at for at, _ended in members if at is not None and present - at > MEMBER_SILENT]
        missing = [at for at, _ended in members if at is None and is_late]
        ended = [True for _at, has_ended in members if has_ended]
        return bool(silent or missing or ended) or len(members) < self.workload.node_count - 1
