"""Knowledge bases of a chat: which are chosen, and what an answer is given of them.

A search runs in the life of the answer, in threads of its own: the request has long been answered,
and whoever waits for it holds no connection.
"""

import asyncio
import logging
from collections.abc import Hashable, Iterable, Sequence
from concurrent.futures import Executor

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import override

from accounts.models import User
from chat import citing, material
from chat.material import BASES_MAX, Noted, Search
from chat.models import (
    ChatSession,
    Comparison,
    ComparisonColumn,
    Message,
    MessageSource,
    SessionBase,
)
from chat.running import Generation
from chat.saving import without_connection
from knowledge import services as knowledge
from knowledge.models import Base
from knowledge.types import Found, Passage
from providers.types import ChatMessage

logger = logging.getLogger(__name__)

# An answer without sources is better than none.
PATIENCE_S = 3.0
# How long the columns of a comparison take what one of them has found.
SHARED_S = 10.0
NOTHING_FOUND, NOT_SEARCHED, NO_ROOM = "nothing_found", "not_searched", "no_room"


def readable(user: User, ids: Iterable[int]) -> list[Base]:
    """Those bases, in their order. ValidationError if one is not there for them, whatever it is."""
    wanted = list(dict.fromkeys(ids))
    if len(wanted) > BASES_MAX:
        text = _("A chat can have %(count)d knowledge bases at most.") % {"count": BASES_MAX}
        raise ValidationError({"knowledge_bases": [text]})
    found = {base.pk: base for base in Base.objects.for_user(user).filter(pk__in=wanted)}
    if len(found) < len(wanted):
        raise ValidationError({"knowledge_bases": [_("Choose knowledge bases that you can read.")]})
    return [found[pk] for pk in wanted]


def still_readable(user: User, comparison: Comparison) -> list[Base]:
    """Those that it is answered from, as far as they are there for them."""
    rows = Base.objects.for_user(user).filter(pk__in=[row.base_id for row in comparison.bases])
    return list(rows.order_by("pk"))


def differ(session: ChatSession, bases: Sequence[Base]) -> bool:
    """From those that are chosen now."""
    return [row.base_id for row in session.chosen_bases.all()] != [base.pk for base in bases]


def choose(session: ChatSession, bases: Sequence[Base]) -> None:
    """From the next question on, these and no others. In a transaction."""
    SessionBase.objects.filter(session=session).delete()
    SessionBase.objects.bulk_create(
        [SessionBase(session=session, base=base, name=base.name) for base in bases]
    )
    getattr(session, "_prefetched_objects_cache", {}).pop("chosen_bases", None)


def search_of(session: ChatSession, actor: User, path: Sequence[Message]) -> Search | None:
    """What to look for before the last question of `path` is answered; None without bases."""
    questions = [message.content for message in path if message.is_question]
    question = material.search_question(questions)
    if not question or not session.chosen_bases.exists():
        return None
    model = session.model
    columns = ComparisonColumn.objects.filter(session=session)
    return Search(
        session_id=session.pk,
        user=actor,
        question=question,
        comparison_id=columns.values_list("comparison_id", flat=True).first(),
        context_tokens=model.context_tokens if model else None,
        answer_tokens=session.parameters.get("max_tokens"),
    )


def again(
    answer: Message, messages: Sequence[ChatMessage]
) -> tuple[list[ChatMessage], list[Passage]]:
    """What an unfinished answer goes on with: the passages that it had."""
    passages = [_passage(source) for source in answer.sources.all()]
    if not passages:
        return list(messages), []
    return material.added(messages, passages, is_continued=True), passages


def _passage(source: MessageSource) -> Passage:
    return Passage(
        text=source.text,
        score=source.score,
        base_id=source.base_id or 0,
        base_name=source.base_name,
        document_id=source.document_id,
        document_name=source.document_name,
        page=source.page,
    )


async def ground(generation: Generation, pool: Executor) -> bool:
    """Give it its sources, or what to say without; whether there is something to tell."""
    search = generation.search
    if search is None or generation.ending:
        return False
    try:
        found = await asyncio.wait_for(_searching(search, pool), PATIENCE_S)
    except Exception:
        logger.warning("an answer goes on without its knowledge bases", exc_info=True)
        generation.go_without(material.NOT_SEARCHED, [Noted(NOT_SEARCHED)])
        return True
    if found is None:
        return False
    remarks = [Noted(each.code, each.base_name, each.params) for each in found.remarks]
    passages = material.fitting(found.passages, search.room(generation.messages))
    if passages:
        generation.rest_on(passages, remarks)
    elif found.passages:
        generation.go_without(material.NOT_SEARCHED, [Noted(NO_ROOM), *remarks])
    else:
        generation.go_without(material.NOTHING_FOUND, [Noted(NOTHING_FOUND), *remarks])
    return True


_shared: dict[Hashable, asyncio.Future[Found | None]] = {}


def _searching(search: Search, pool: Executor) -> asyncio.Future[Found | None]:
    """Of a comparison, that of whichever column came first: all are given the same passages."""
    loop = asyncio.get_running_loop()
    if search.comparison_id is None:
        return loop.run_in_executor(pool, _find, search)
    key = (loop, search.comparison_id, search.question)
    work = _shared.get(key)
    if work is None:
        work = _shared[key] = loop.run_in_executor(pool, _find, search)
        loop.call_later(SHARED_S, _shared.pop, key, None)
        work.add_done_callback(lambda done: done.exception() and _shared.pop(key, None))
    # A column that is stopped, or waits no longer, ends nobody else's.
    return asyncio.shield(work)


@without_connection
def _find(search: Search) -> Found | None:
    """None where none of the bases is there for them any more."""
    chosen = SessionBase.objects.filter(session=search.session_id, base__isnull=False)
    rows = Base.objects.for_user(search.user).filter(pk__in=chosen.values("base"))
    bases = list(rows.select_related("owner", "live_space", "rerank_model__provider", "provider"))
    if not bases:
        return None
    with override(search.user.language or None):
        return knowledge.find(bases, search.question, user=search.user)


async def check(generation: Generation, pool: Executor) -> None:
    """Which sources the answer cites, and which of its sentences these do not bear out."""
    if not generation.passages or not generation.content.strip():
        return
    work = asyncio.get_running_loop().run_in_executor(pool, _check, generation)
    try:
        generation.cited, generation.claims = await work
    except Exception:
        logger.exception("an answer could not be compared with its sources")


def _check(generation: Generation) -> tuple[set[int], list[list[float]]]:
    texts = [passage.text for passage in generation.passages]
    claims = knowledge.unsupported(generation.content, texts)
    cited = citing.cited(generation.content, len(texts))
    return cited, [[each.start, each.end, each.support] for each in claims]
