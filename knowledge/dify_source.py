"""Passages from a knowledge base of Dify."""

from typing import TYPE_CHECKING

from accounts.models import User
from knowledge.models import Base
from knowledge.types import Passage
from providers import services as providers
from providers.errors import NothingThere

if TYPE_CHECKING:
    from knowledge.finding import Settings


def find(base: Base, question: str, *, user: User, settings: "Settings") -> list[Passage]:
    """ProviderError."""
    if base.provider is None:
        raise NothingThere
    records = providers.dify_retrieve(
        provider=base.provider,
        dataset_id=base.dataset_id,
        query=question,
        top_k=settings.top_k,
        score_threshold=settings.score_threshold,
        search_method=METHODS[settings.mode],
    )
    return [
        Passage(
            text=record.content,
            score=record.score,
            base_id=base.pk,
            base_name=base.name,
            document_id=None,
            document_name=record.document_name,
            position=record.position,
        )
        for record in records
    ]


METHODS = {"hybrid": "hybrid_search", "dense": "semantic_search", "lexical": "full_text_search"}
