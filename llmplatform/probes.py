"""What the platform depends on, one finding each: how it is, and what to do if it is not well.

`health.py` answers machines (ready or not); this is for the people who read the console.
"""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from training.models import Node
from training.models.nodes import SEEN_WITHIN

LOW_DISK_BYTES = 5 * 1024**3
BACKLOG = 500
MIGRATIONS_KEPT_S = 60


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Finding:
    """`detail` says how it is; `advice` what to do, empty when all is well."""

    state: State
    detail: str
    advice: str = ""
    label: str | Promise = ""


def is_low(free_bytes: int, total_bytes: int) -> bool:
    return free_bytes < LOW_DISK_BYTES or (total_bytes > 0 and free_bytes < total_bytes * 0.05)


def _migrations_missing() -> bool:
    """Reading the migrations takes a while: the answer is kept for a minute."""
    kept = cache.get("probes:migrations")
    if kept is None:
        executor = MigrationExecutor(connection)
        kept = bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
        cache.set("probes:migrations", kept, MIGRATIONS_KEPT_S)
    return bool(kept)


def database() -> Finding:
    started = time.monotonic()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        took_ms = (time.monotonic() - started) * 1000
        is_behind = _migrations_missing()
    except DatabaseError:
        return Finding(State.FAILED, _("It does not answer."), _("Look at the database server."))
    if is_behind:
        advice = _("Run manage.py migrate.")
        return Finding(State.FAILED, _("Migrations are missing."), advice)
    text = _("%(kind)s answers in %(ms).1f ms.")
    return Finding(State.OK, text % {"kind": connection.display_name, "ms": took_ms})


def messages() -> Finding:
    """What carries messages between the processes: Redis, or a folder on this machine."""
    if settings.REDIS_URL:
        return _redis()
    folder = Path(settings.CELERY_BROKER_TRANSPORT_OPTIONS["data_folder_in"])
    try:
        waiting = sum(1 for entry in folder.iterdir() if entry.suffix == ".msg")
    except OSError:
        advice = _("Check that the folder exists and can be written: %(path)s")
        return Finding(
            State.FAILED, _("The folder cannot be read."), advice % {"path": str(folder)}
        )
    text = _("A folder on this machine; messages waiting: %(count)d.") % {"count": waiting}
    if waiting > BACKLOG:
        return Finding(State.WARNING, text, _("Start a worker, or look at its log."))
    return Finding(State.OK, text)


def _redis() -> Finding:
    import redis  # much comes with it, and many installations have none

    try:
        client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2)
        client.ping()
        waiting = int(str(client.llen("celery")))
    except redis.RedisError:
        advice = _("Start Redis, or correct REDIS_URL.")
        return Finding(State.FAILED, _("Redis does not answer."), advice)
    text = _("Redis answers; messages waiting: %(count)d.") % {"count": waiting}
    if waiting > BACKLOG:
        return Finding(State.WARNING, text, _("Start a worker, or look at its log."))
    return Finding(State.OK, text)


def background() -> Finding:
    """A node's tick is sent by beat, carried by the broker and done by a worker: all three."""
    newest = Node.objects.exclude(last_seen_at=None).order_by("-last_seen_at").first()
    start = _("Start worker and beat (make run starts both), and look at their log.")
    if newest is None or newest.last_seen_at is None:
        return Finding(State.UNKNOWN, _("No worker has reported yet."), start)
    silence = timezone.now() - newest.last_seen_at
    if silence > SEEN_WITHIN:
        text = _("No worker has answered for %(time)s.") % {"time": _duration(silence)}
        return Finding(State.FAILED, text, start)
    seconds = max(0, round(silence.total_seconds()))
    return Finding(State.OK, _("A worker answered %(s)d s ago.") % {"s": seconds})


def _duration(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    if minutes < 120:
        return _("%(count)d min") % {"count": max(1, minutes)}
    return _("%(count)d h") % {"count": minutes // 60}


def training() -> Finding:
    """Where LLaMA-Factory can run."""
    nodes = list(Node.objects.live())
    able = [node for node in nodes if node.has_training]
    counts = {"able": len(able), "all": len(nodes)}
    if able:
        text = _("LLaMA-Factory is installed on %(able)d of %(all)d live nodes.")
        return Finding(State.OK, text % counts)
    advice = _("make run installs it; TRAINING_PYTHON names another interpreter that has it.")
    if nodes:
        return Finding(State.WARNING, _("No live node has LLaMA-Factory."), advice)
    if Path(settings.TRAINING_PYTHON).exists():
        return Finding(State.UNKNOWN, _("Installed here, but no node is live."))
    return Finding(State.WARNING, _("LLaMA-Factory is not installed here."), advice)


def disk() -> Finding:
    usage = shutil.disk_usage(settings.PLATFORM_DATA)
    text = _("%(free)s of %(total)s are free in the data folder.")
    shown = text % {"free": filesizeformat(usage.free), "total": filesizeformat(usage.total)}
    if is_low(usage.free, usage.total):
        advice = _("Delete old jobs and datasets, or move PLATFORM_DATA to a larger disk.")
        return Finding(State.WARNING, shown, advice)
    return Finding(State.OK, shown)


PROBES: tuple[tuple[str | Promise, Callable[[], Finding]], ...] = (
    (gettext_lazy("Database"), database),
    (gettext_lazy("Messages"), messages),
    (gettext_lazy("Background work"), background),
    (gettext_lazy("Training environment"), training),
    (gettext_lazy("Disk space"), disk),
)


def findings() -> list[Finding]:
    found = []
    for label, probe in PROBES:
        seen = probe()
        found.append(Finding(seen.state, seen.detail, seen.advice, label))
    return found
