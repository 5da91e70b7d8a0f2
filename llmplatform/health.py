"""`/healthz`: the process is up. `/readyz`: what it depends on answers."""

import logging
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

logger = logging.getLogger(__name__)


def _database() -> None:
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise DatabaseError("migrations are missing")


def _redis() -> None:
    import redis  # much comes with it, and many installations have none

    try:
        redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2).ping()
    except redis.RedisError as error:
        raise ConnectionError("no answer") from error


def dependencies() -> dict[str, Callable[[], None]]:
    found: dict[str, Callable[[], None]] = {"database": _database}
    if settings.REDIS_URL:
        found["redis"] = _redis
    return found


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok", content_type="text/plain")


@login_not_required
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """`{"database": "ok"|"unavailable", ...}`, 503 if any is unavailable. Reasons go to the log."""
    states = {}
    for name, probe in dependencies().items():
        try:
            probe()
            states[name] = "ok"
        except (DatabaseError, OSError):
            logger.exception("dependency %s does not answer", name)
            states[name] = "unavailable"
    ready = all(state == "ok" for state in states.values())
    return JsonResponse(states, status=200 if ready else 503)
