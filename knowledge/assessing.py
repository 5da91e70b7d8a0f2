"""How well a base finds what answers its saved questions: recall, MRR and nDCG, over time.

Each question has one passage. A chunk is right if it holds the passage, lies in it, or shares most
of the shorter one's text with it. With one right answer nDCG is 1 / log2(1 + rank).
"""

import csv
import io
import logging
import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from knowledge import dispatch, finding, queues
from knowledge.models import Assessment, AssessmentStatus, Base, Question, Space
from providers.errors import ProviderError

logger = logging.getLogger(__name__)

CUTS = (1, 3, 5, 10)
DEPTH = max(CUTS)
MAX_QUESTIONS = 5_000
MAX_FILE_BYTES = 20 * 1024**2
# Of the saved questions asked before an index is replaced.
MAX_COMPARED = 200
SHINGLE = 6
ENOUGH = 0.6


@dataclass(frozen=True)
class Asked:
    text: str
    passage: str
    document_name: str = ""


def read_questions(content: bytes) -> list[Asked]:
    """Of CSV with the columns question, passage and perhaps document; of a JSON list or JSON lines
    of objects with these names. ValidationError keyed by `file`."""
    if len(content) > MAX_FILE_BYTES:
        raise _refused(_("The file is too large: 20 MB at most."))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refused(_("The file is not UTF-8 text.")) from error
    rows = _rows(text)
    asked = [_asked(row, number) for number, row in enumerate(rows, start=1)]
    if not asked:
        raise _refused(_("There are no questions in the file."))
    return asked


def _refused(text: str) -> ValidationError:
    return ValidationError({"file": [text]})


def _rows(text: str) -> list[Any]:
    begin = text.lstrip()[:1]
    try:
        if begin == "[":
            found = orjson.loads(text)
            return found if isinstance(found, list) else []
        if begin == "{":
            return [orjson.loads(line) for line in text.splitlines() if line.strip()]
    except orjson.JSONDecodeError as error:
        raise _refused(_("The file is not valid JSON: %(why)s") % {"why": str(error)}) from error
    try:
        return list(csv.DictReader(io.StringIO(text, newline="")))
    except csv.Error as error:
        raise _refused(_("The file is not valid CSV: %(why)s") % {"why": str(error)}) from error


def _asked(row: Any, number: int) -> Asked:
    values = row if isinstance(row, dict) else {}
    question, passage = values.get("question"), values.get("passage")
    if not isinstance(question, str) or not isinstance(passage, str):
        text = _("Entry %(number)d: question and passage must be texts.")
        raise _refused(text % {"number": number})
    if not question.strip() or not passage.strip() or len(question) > 2000 or "\0" in passage:
        text = _("Entry %(number)d: question or passage is empty or too long.")
        raise _refused(text % {"number": number})
    return Asked(question.strip(), passage.strip(), str(values.get("document") or "")[:255])


def add_questions(
    *, base: Base, asked: Sequence[Asked], actor: User, request: HttpRequest | None = None
) -> int:
    """How many are new. ValidationError keyed by `file`."""
    known = set(base.questions.values_list("text", "passage"))
    unique = {(each.text, each.passage): each for each in asked}
    fresh = [each for pair, each in unique.items() if pair not in known]
    if len(known) + len(fresh) > MAX_QUESTIONS:
        text = _("A knowledge base can have %(limit)d questions at most.")
        raise _refused(text % {"limit": MAX_QUESTIONS})
    rows = [
        Question(base=base, text=a.text, passage=a.passage, document_name=a.document_name)
        for a in fresh
    ]
    with transaction.atomic():
        Question.objects.bulk_create(rows, batch_size=500)
        audit(
            actor=actor,
            action="knowledge.add_questions",
            target=base,
            after={"questions": len(rows)},
            request=request,
        )
    return len(rows)


def delete_questions(*, base: Base, actor: User, request: HttpRequest | None = None) -> None:
    with transaction.atomic():
        count, _rows = base.questions.all().delete()
        audit(
            actor=actor,
            action="knowledge.delete_questions",
            target=base,
            before={"questions": count},
            request=request,
        )


def plain(text: str) -> str:
    """Without what differs when the same is written or cut otherwise."""
    return "".join(unicodedata.normalize("NFKC", text).lower().split())


def _shingles(text: str) -> set[str]:
    return {text[i : i + SHINGLE] for i in range(max(1, len(text) - SHINGLE + 1))}


def is_right(chunk: str, passage: str) -> bool:
    found, wanted = plain(chunk), plain(passage)
    if not found or not wanted:
        return False
    if wanted in found or found in wanted:
        return True
    mine, theirs = _shingles(found), _shingles(wanted)
    return len(mine & theirs) >= ENOUGH * min(len(mine), len(theirs))


def rank_of(texts: Sequence[str], passage: str) -> int:
    """Of the first right one, from 1; 0 if there is none."""
    return next((n for n, text in enumerate(texts, start=1) if is_right(text, passage)), 0)


def scores_of(ranks: Sequence[int]) -> dict[str, float]:
    count = len(ranks) or 1
    scores = {f"recall@{cut}": sum(0 < r <= cut for r in ranks) / count for cut in CUTS}
    scores["mrr@10"] = sum(1 / r for r in ranks if 0 < r <= DEPTH) / count
    scores["ndcg@10"] = sum(1 / math.log2(1 + r) for r in ranks if 0 < r <= DEPTH) / count
    return {name: round(value, 4) for name, value in scores.items()}


def _ranks(questions: Iterable[Question], base: Base, space: Space | None = None) -> Iterable[int]:
    for question in questions:
        found = finding.find_in(
            base,
            question.text,
            user=base.owner,
            settings=finding.Settings.of(base, top_k=DEPTH, score_threshold=0.0, merge=False),
            space=space,
        )
        yield rank_of([passage.text for passage in found.passages], question.passage)


def compared(space: Space) -> dict[str, dict[str, float]]:
    """What the saved questions say of the space that answers and of this one; empty without any.
    ProviderError."""
    base = space.base
    questions = list(base.questions.all()[:MAX_COMPARED])
    live = base.live_space
    if not questions or live is None:
        return {}
    return {
        "live": scores_of(list(_ranks(questions, base, live))),
        "new": scores_of(list(_ranks(questions, base, space))),
    }


def start(*, base: Base, actor: User, request: HttpRequest | None = None) -> Assessment:
    """One that waits for a worker. ValidationError without questions."""
    if not base.questions.exists():
        raise ValidationError(_("There are no questions yet. Upload some first."))
    with transaction.atomic():
        assessment = Assessment.objects.create(
            base=base, settings=finding.Settings.of(base).told(), questions=base.questions.count()
        )
        audit(actor=actor, action="knowledge.assess", target=base, request=request)
        dispatch.look_at_documents()
    return assessment


def claim() -> Assessment | None:
    for pk in queues.assessments().values_list("pk", flat=True)[:5]:
        rows = Assessment.objects.filter(pk=pk, status=AssessmentStatus.QUEUED)
        if rows.update(
            status=AssessmentStatus.RUNNING, fence=F("fence") + 1, heartbeat_at=Now(), done=0
        ):
            return Assessment.objects.select_related("base__owner").get(pk=pk)
    return None


def run(assessment: Assessment) -> None:
    """Its end is written whatever happens, unless another worker has it by now."""
    rows = Assessment.objects.filter(
        pk=assessment.pk, status=AssessmentStatus.RUNNING, fence=assessment.fence
    )
    try:
        questions = list(assessment.base.questions.all())
        ranks = []
        for rank in _ranks(questions, assessment.base):
            ranks.append(rank)
            if len(ranks) % 10 == 0 and not rows.update(done=len(ranks), heartbeat_at=Now()):
                logger.info("assessment %s: given up; it is gone or begun anew", assessment.pk)
                return
        rows.update(
            status=AssessmentStatus.DONE,
            scores=scores_of(ranks),
            ranks=[[q.pk, rank] for q, rank in zip(questions, ranks, strict=True)],
            questions=len(ranks),
            done=len(ranks),
            heartbeat_at=Now(),
        )
    except ProviderError as error:
        rows.update(status=AssessmentStatus.FAILED, error=str(error.advice))
    except Exception:  # whatever it is: a person waits for an end
        logger.exception("assessment %s: failed", assessment.pk)
        text = _("Something went wrong. It has been logged.")
        rows.update(status=AssessmentStatus.FAILED, error=text)
