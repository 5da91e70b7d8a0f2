"""Texts as vectors, by the model of a space; what providers answer, told for documents."""

import hashlib
import math
from array import array
from collections.abc import Sequence
from datetime import timedelta

from django.core.cache import cache
from django.utils.translation import gettext as _

from accounts.models import User
from knowledge.models import Chunk, Space
from providers import services as providers
from providers.errors import (
    InvalidAnswer,
    LimitReached,
    Overloaded,
    ProviderError,
    RateLimited,
    TimedOut,
    Unavailable,
)
from providers.models import ProviderModel

BATCH = 64
QUESTION_KEPT_S = 3600
PASSING = (LimitReached, Overloaded, RateLimited, TimedOut, Unavailable)
WAIT = timedelta(seconds=20)


class NoModel(ProviderError):
    code = "no_embedding_model"

    @property
    def advice(self) -> str:  # type: ignore[override]
        return _("The embedding model is gone. Choose another one for this knowledge base.")


def model_of(space: Space) -> ProviderModel:
    """Raises NoModel."""
    if space.embedding_model is None:
        raise NoModel
    return space.embedding_model


def measure(space: Space) -> None:
    """How many numbers the model of a new space gives. ProviderError."""
    found = providers.embed(
        model=model_of(space), texts=["?"], user=space.base.owner, is_query=False
    )
    space.dimension = len(found[0])
    Space.objects.filter(pk=space.pk).update(dimension=space.dimension)


def of_chunks(space: Space, chunks: Sequence[Chunk]) -> list[bytes]:
    """`dimension` float32 each. ProviderError."""
    found = providers.embed(
        model=model_of(space),
        texts=[chunk.with_headings for chunk in chunks],
        user=space.base.owner,
        is_query=False,
    )
    return [_packed(vector, space.dimension) for vector in found]


def _packed(vector: Sequence[float], dimension: int) -> bytes:
    if len(vector) != dimension or not all(map(math.isfinite, vector)):
        raise InvalidAnswer("a vector of another length than the others, or with no numbers")
    return array("f", vector).tobytes()


def key_of(space: Space, question: str) -> str:
    digest = hashlib.sha256(question.encode()).hexdigest()
    return f"knowledge:question:{space.embedding_model_id}:{space.dimension}:{digest}"


def of_question(space: Space, question: str, user: User) -> "array[float]":
    """Asked once an hour for each question and model. ProviderError."""
    key = key_of(space, question)
    known = cache.get(key)
    if known is None:
        found = providers.embed(model=model_of(space), texts=[question], user=user, is_query=True)
        known = _packed(found[0], space.dimension)
        cache.set(key, known, QUESTION_KEPT_S)
    numbers = array("f")
    numbers.frombytes(known)
    return numbers


def wait_of(error: ProviderError) -> timedelta | None:
    """How long until another try makes sense; None where it makes none."""
    if not isinstance(error, PASSING):
        return None
    return timedelta(seconds=error.retry_after_s) if error.retry_after_s else WAIT


def explain(error: ProviderError) -> str:
    return str(error.advice)
