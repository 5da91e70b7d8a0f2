"""Knowledge bases of Dify: which there are, and passages from one."""

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from accounts.models import User
from knowledge.models import Base
from knowledge.types import Passage
from providers import services as providers
from providers.errors import NothingThere, ProviderError
from providers.models import Provider

if TYPE_CHECKING:
    from knowledge.finding import Settings

logger = logging.getLogger(__name__)

METHODS = {"hybrid": "hybrid_search", "dense": "semantic_search", "lexical": "full_text_search"}
Choices = list[tuple[str, list[tuple[str, str]]]]


def connections(user: User) -> Any:
    """Those of `user` to Dify's knowledge API."""
    return Provider.objects.for_user(user).outside_knowledge().filter(is_enabled=True)


def offered(found: Iterable[Provider]) -> tuple[Choices, list[str]]:
    """The knowledge bases of each as choices of a form (`<provider>:<dataset>`), and what is wrong
    with those that do not answer."""
    choices: Choices = []
    problems = []
    for provider in found:
        try:
            rows = providers.dify_datasets(provider)
        except ProviderError as error:
            logger.warning("Dify's knowledge %s does not answer: %s", provider.pk, error)
            text = _("“%(name)s” does not answer: %(why)s")
            problems.append(text % {"name": provider.name, "why": error.advice})
            continue
        options = [(f"{provider.pk}:{row.id}", row.name) for row in rows if row.is_searchable]
        if options:
            choices.append((provider.name, options))
    return choices, problems


def find(base: Base, question: str, *, user: User, settings: "Settings") -> list[Passage]:
    """ProviderError. Where Dify gives no score, the place in its list stands for it."""
    if base.provider is None or not base.provider.is_enabled:
        raise NothingThere
    records = providers.dify_retrieve(
        base.provider,
        dataset_id=base.dataset_id,
        query=question,
        search_method=METHODS[settings.mode],
        top_k=settings.top_k,
        score_threshold=settings.score_threshold or None,
    )
    return [
        Passage(
            text=record.content,
            score=record.score if record.score is not None else 1 / (rank + 1),
            base_id=base.pk,
            base_name=base.name,
            document_id=None,
            document_name=record.document_name,
            position=record.position or 0,
        )
        for rank, record in enumerate(records)
    ]
