"""A new index of a base while the present one answers: blue and green.

A space is built until every chunk has its vector. Then the saved questions are asked of both; it
answers from then on unless they went worse, and is kept beside until somebody decides.
"""

import logging
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from knowledge import assessing, bases, changes, embedding, ingesting, queues
from knowledge.models import Chunk, Space, SpaceStatus
from providers.errors import ProviderError

logger = logging.getLogger(__name__)

# Of the saved questions' MRR: less than so much worse is noise.
TOLERANCE = 0.005


class GivenUp(Exception):
    """Somebody chose another model meanwhile, or another worker builds it."""


def claim() -> Space | None:
    for pk in queues.spaces().values_list("pk", flat=True)[:20]:
        if queues.spaces().filter(pk=pk).update(attempt=F("attempt") + 1, heartbeat_at=Now()):
            return Space.objects.select_related("base__owner", "embedding_model__provider").get(
                pk=pk
            )
    return None


def tell(space: Space, **values: Any) -> None:
    """Raises GivenUp."""
    rows = Space.objects.filter(pk=space.pk, status=SpaceStatus.BUILDING, attempt=space.attempt)
    if not rows.update(heartbeat_at=Now(), **values):
        raise GivenUp
    for name, value in values.items():
        setattr(space, name, value)


def build(space: Space) -> None:
    """The attempt that `space` is in; its end is written whatever happens."""
    try:
        while not _fill(space):
            pass
    except GivenUp:
        logger.info("index %s: given up", space.pk)
    except ProviderError as error:
        _stop(space, error.code, embedding.explain(error), embedding.wait_of(error) is not None)
    except Exception:  # whatever it is: a person waits for an end
        logger.exception("index %s: failed", space.pk)
        _stop(space, "internal", "", may_pass=True)


def _stop(space: Space, code: str, error: str, may_pass: bool) -> None:
    """What may pass is tried again once its heartbeat is old."""
    status = SpaceStatus.BUILDING
    if not may_pass or space.attempt >= queues.SPACE_ATTEMPTS:
        status = SpaceStatus.FAILED
    try:
        tell(space, status=status, error_code=code, error=error)
    except GivenUp:
        logger.info("index %s: given up", space.pk)


def _fill(space: Space) -> bool:
    """Embed what has no vector yet. True once nothing is missing and it is decided what answers."""
    if not space.dimension:
        embedding.measure(space)
    chunks = Chunk.objects.current().filter(document__base=space.base_id)
    missing = chunks.exclude(vectors__space=space).order_by("pk")
    left = missing.count()
    done = chunks.count() - left
    tell(space, done=done, total=done + left)
    while batch := list(missing[: embedding.BATCH]):
        ingesting.write_vectors(space, batch)
        tell(space, done=space.done + len(batch), error_code="", error="")
    scores = assessing.compared(space)
    with transaction.atomic():
        base = changes.locked(space.base_id)
        if missing.exists():  # a document came meanwhile
            return False
        if _is_worse(scores):
            tell(space, status=SpaceStatus.KEPT, scores=scores)
        else:
            tell(space, scores=scores)
            bases.make_live(base, space)
    return True


def _is_worse(scores: dict[str, Any]) -> bool:
    if not scores:
        return False
    return bool(scores["new"]["mrr@10"] < scores["live"]["mrr@10"] - TOLERANCE)
