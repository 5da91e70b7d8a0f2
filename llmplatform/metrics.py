"""`/metrics` in Prometheus' text format, counted from the database."""

import hmac
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.db import DatabaseError
from django.db.models import Count, Max, Sum
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.access import authenticate_token
from accounts.models import User
from providers.models import CallRecord
from training.models import Node, Workload
from training.models.workloads import ACTIVE

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Calls are written in batches; younger ones may still get a lower id than those that are counted.
SETTLED_AFTER = timedelta(seconds=30)
CACHE_KEY = "metrics:calls"
ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})

Sample = tuple[dict[str, str], float]


def _bearer(request: HttpRequest) -> str:
    scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def may_read(request: HttpRequest) -> bool | None:
    """None: nobody is signed in at all. The scrape token, or an administrator."""
    token = _bearer(request)
    wanted = settings.METRICS_TOKEN
    if wanted and token and hmac.compare_digest(token.encode(), wanted.encode()):
        return True
    user: Any = authenticate_token(token) if token else request.user
    if not isinstance(user, User):
        return None
    return user.is_admin


def _call_totals() -> dict[str, dict[str, int]]:
    """Per status: calls and tokens since the first one. Only new rows are read."""
    kept: dict[str, Any] = cache.get(CACHE_KEY) or {"last": 0, "totals": {}}
    settled = CallRecord.objects.filter(at__lt=timezone.now() - SETTLED_AFTER).order_by()
    new = settled.filter(pk__gt=kept["last"])
    last = new.aggregate(last=Max("pk"))["last"]
    if last is not None:
        _add(kept["totals"], new.filter(pk__lte=last))
        kept["last"] = last
        cache.set(CACHE_KEY, kept, None)
    totals: dict[str, dict[str, int]] = {name: dict(row) for name, row in kept["totals"].items()}
    return totals


def _add(totals: dict[str, dict[str, int]], rows: Any) -> None:
    grouped = rows.values("status").annotate(
        calls=Count("pk"), prompt=Sum("prompt_tokens"), completion=Sum("completion_tokens")
    )
    for row in grouped:
        total = totals.setdefault(row["status"], {"calls": 0, "prompt": 0, "completion": 0})
        for name in total:
            total[name] += row[name] or 0


def _family(name: str, kind: str, text: str, samples: list[Sample]) -> Iterator[str]:
    full = f"llmplatform_{name}"
    yield f"# HELP {full} {text}"
    yield f"# TYPE {full} {kind}"
    for labels, value in samples:
        inside = ",".join(f'{key}="{word.translate(ESCAPES)}"' for key, word in labels.items())
        yield f"{full}{{{inside}}} {value:g}" if inside else f"{full} {value:g}"


def _calls() -> Iterator[str]:
    totals = _call_totals()
    calls: list[Sample] = [({"status": s}, row["calls"]) for s, row in sorted(totals.items())]
    tokens: list[Sample] = [
        ({"kind": kind}, sum(row[kind] for row in totals.values()))
        for kind in ("prompt", "completion")
    ]
    yield from _family("calls_total", "counter", "Model calls by how they ended.", calls)
    yield from _family("tokens_total", "counter", "Tokens that providers reported.", tokens)


def _work() -> Iterator[str]:
    rows = Workload.objects.filter(status__in=ACTIVE).order_by()
    found = rows.values_list("kind").annotate(Count("pk"))
    running: list[Sample] = [({"kind": kind}, count) for kind, count in found]
    yield from _family("workloads_running", "gauge", "Workloads that hold a lease.", running)
    queued = Workload.objects.queued().count()
    yield from _family("queue_length", "gauge", "Workloads that wait for a place.", [({}, queued)])
    nodes: list[Sample] = [({}, Node.objects.live().count())]
    yield from _family("nodes_live", "gauge", "Nodes that answered lately.", nodes)
    known: list[Sample] = [({}, Node.objects.count())]
    yield from _family("nodes_known", "gauge", "Nodes that have ever joined.", known)


def exposition() -> str:
    """Every family; only database_up where the database does not answer."""
    try:
        lines = [*_calls(), *_work()]
        is_up = 1
    except DatabaseError:
        lines, is_up = [], 0
    text = "Whether the database answers."
    up = _family("database_up", "gauge", text, [({}, is_up)])
    return "\n".join([*up, *lines, ""])


@login_not_required
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    allowed = may_read(request)
    if not allowed:
        status = 401 if allowed is None else 403
        answer = HttpResponse("not allowed\n", status=status, content_type="text/plain")
        if allowed is None:
            answer.headers["WWW-Authenticate"] = "Bearer"
        return answer
    return HttpResponse(exposition(), content_type=CONTENT_TYPE)
