"""Accepted examples become a dataset, each record with where it comes from."""

import hashlib
import hmac
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from accounts.models import User
from accounts.services import audit
from chat import anonymising, nudging, reviewing
from chat.anonymising import Anonymiser
from chat.examples import Example, example_of, fitting, problem_with, records_of
from chat.feedback_filters import Filters
from chat.models import (
    CollectedRow,
    Collection,
    CollectionStatus,
    Feedback,
    FeedbackQuerySet,
    Purpose,
    TrainingConsent,
)
from training.models import Dataset
from training.services import (
    example_hash,
    receive_examples,
    versions_holding,
    welcome_back,
)

ROWS_A_QUERY = 500
# What is more is collected in the background.
AT_ONCE = 1000
SAMPLED, SHOWN_CHANGES = 200, 5


def source_of(collection: Collection) -> FeedbackQuerySet:
    """What it takes now. Reviewed: accepted ones of people who agree at this moment."""
    filters = Filters.of(collection.filters)
    if collection.is_own:
        return filters.apply(Feedback.objects.for_user(collection.owner))
    rows = reviewing.inbox().accepted()
    return filters.apply(rows).filter(fitting(collection.purpose))


def may_collect(user: User, *, is_own: bool) -> bool:
    return is_own or reviewing.may_review(user)


def create(
    *,
    owner: User,
    name: str,
    purpose: str,
    is_own: bool = False,
    filters: Filters = Filters(),  # noqa: B008  frozen
    anonymiser: Anonymiser = Anonymiser(),  # noqa: B008  frozen
    is_pseudonymous: bool = False,
    request: HttpRequest | None = None,
) -> Collection:
    """Kept, and collected for the first time. ValidationError keyed by field; then nothing is."""
    collection = draft(
        owner=owner,
        name=name,
        purpose=purpose,
        is_own=is_own,
        filters=filters,
        anonymiser=anonymiser,
        is_pseudonymous=is_pseudonymous,
    )
    if not source_of(collection).exists():
        raise ValidationError(_("No example fits. Accept some first, or choose fewer filters."))
    with transaction.atomic():
        collection.save()
        after = {"purpose": purpose, "is_own": is_own, "filters": collection.filters}
        audit(
            actor=owner, action="collection.create", target=collection, after=after, request=request
        )
        collect(collection=collection, request=request)
    return collection


def draft(
    *,
    owner: User,
    name: str,
    purpose: str,
    is_own: bool,
    filters: Filters,
    anonymiser: Anonymiser,
    is_pseudonymous: bool,
) -> Collection:
    """Not saved. ValidationError keyed by field."""
    if purpose not in Purpose.values:
        raise ValidationError({"purpose": [_("Choose sft, dpo or kto.")]})
    if not may_collect(owner, is_own=is_own):
        text = _("Only reviewers collect the answers of others.")
        raise ValidationError({"is_own": [text]})
    anonymising.check_patterns(anonymiser.patterns)
    return Collection(
        owner=owner,
        name=name.strip(),
        purpose=purpose,
        is_own=is_own,
        filters=filters.as_json(),
        anonymising=anonymiser.as_json(),
        is_pseudonymous=is_pseudonymous,
    )


def collect(*, collection: Collection, request: HttpRequest | None = None) -> None:
    """The first or the next version of its dataset: at once, or in the background if it is large.

    ValidationError when there is nothing to collect, or it is being collected."""
    if not may_collect(collection.owner, is_own=collection.is_own):
        raise ValidationError(_("Only reviewers collect the answers of others."))
    if not _claim(collection, Collection.objects.free()):
        raise ValidationError(_("It is being collected already."))
    if source_of(collection)[AT_ONCE : AT_ONCE + 1].exists():
        Collection.objects.filter(pk=collection.pk).update(status=CollectionStatus.WAITING)
        collection.refresh_from_db()
        nudging.tend_examples()
        return
    perform(collection, request)


def _claim(collection: Collection, free: QuerySet[Collection]) -> bool:
    """One of several gets it."""
    values: dict[str, Any] = {"status": CollectionStatus.RUNNING, "started_at": timezone.now()}
    is_free = free.filter(pk=collection.pk).update(**values, error="") == 1
    collection.refresh_from_db()
    return is_free


def collect_waiting() -> None:
    """What is too large for a request; why one failed is kept with it."""
    for collection in Collection.objects.waiting().select_related("owner"):
        if _claim(collection, Collection.objects.waiting()):
            language = collection.owner.language or settings.LANGUAGE_CODE
            with suppress(ValidationError), override(language):
                perform(collection)


@dataclass
class Taken:
    """What went into the dataset, by feedback."""

    rows: list[tuple[Feedback, int]] = field(default_factory=list)
    skipped: int = 0


def perform(collection: Collection, request: HttpRequest | None = None) -> Dataset:
    """One that is claimed. ValidationError, which is kept with it, when nothing can be used."""
    taken = Taken()
    try:
        return receive_examples(
            owner=collection.owner,
            name=collection.name,
            stage=collection.purpose,
            examples=_records(collection, taken),
            change={"collection": collection.pk, "filters": collection.filters},
            after=newest_of(collection),
            on_saved=lambda dataset: _keep(collection, dataset, taken),
            request=request,
        )
    except ValidationError as error:
        rows = Collection.objects.filter(pk=collection.pk)
        text = " ".join(error.messages)[:500]
        rows.update(status=CollectionStatus.FAILED, error=text)
        raise


def newest_of(collection: Collection) -> Dataset | None:
    if collection.family is None:
        return None
    rows = Dataset.objects.for_user(collection.owner).filter(family=collection.family)
    return rows.order_by("-version").first()


def _records(collection: Collection, taken: Taken) -> Iterator[dict[str, Any]]:
    """In the order in which they were given."""
    anonymiser = Anonymiser.of(collection.anonymising)
    for feedback, example in examples_in(collection):
        if collection.is_own and not is_usable(example):
            taken.skipped += 1
            continue
        for record in records_of(collection.purpose, anonymiser.example(example)):
            taken.rows.append((feedback, example_hash(collection.purpose, record)))
            yield record


def is_usable(example: Example) -> bool:
    return example["chosen"] != example["rejected"] and not problem_with(example)


def examples_in(collection: Collection) -> Iterator[tuple[Feedback, Example]]:
    rows = source_of(collection).order_by("pk")
    for portion in _portions(rows.select_related("message__session")):
        for feedback in portion:
            yield feedback, example_of(feedback) if collection.is_own else feedback.example


def _portions(rows: QuerySet[Feedback]) -> Iterator[list[Feedback]]:
    """No cursor of the database stays open, and no offset gets slow."""
    last = 0
    while portion := list(rows.filter(pk__gt=last)[:ROWS_A_QUERY]):
        yield portion
        last = portion[-1].pk


def _keep(collection: Collection, dataset: Dataset, taken: Taken) -> None:
    """In the transaction of the dataset: each record's way back."""
    consents = _consent_times({feedback.user_id for feedback, _number in taken.rows})
    known = dict(User.objects.filter(pk__in=consents.keys()).values_list("pk", "email"))
    rows = [
        CollectedRow(
            collection=collection,
            line_hash=number,
            feedback=feedback,
            source=feedback.pk,
            message_id=feedback.message_id,
            user_id=feedback.user_id,
            person=person_of(collection, feedback.user_id, known.get(feedback.user_id, "")),
            kind=feedback.kind,
            model_label=feedback.model_label,
            consented_at=consents[feedback.user_id],
            first_version=dataset.version,
        )
        for feedback, number in taken.rows
    ]
    CollectedRow.objects.bulk_create(rows, batch_size=ROWS_A_QUERY, ignore_conflicts=True)
    _given_again(collection, taken)
    collection.family, collection.dataset = dataset.family, dataset
    collection.status, collection.collected_at = CollectionStatus.DONE, timezone.now()
    collection.save(update_fields=["family", "dataset", "status", "collected_at"])


def _given_again(collection: Collection, taken: Taken) -> None:
    """Who has withdrawn and agrees again is in again."""
    gone = CollectedRow.objects.filter(collection=collection).exclude(withdrawn_at=None)
    numbers = {number for _feedback, number in taken.rows}
    again = [row for row in gone if row.line_hash in numbers and row.feedback_id is not None]
    if again:
        CollectedRow.objects.filter(pk__in=[row.pk for row in again]).update(withdrawn_at=None)
        welcome_back(collection.owner, {row.line_hash for row in again})


def _consent_times(users: set[int]) -> dict[int, datetime | None]:
    found: dict[int, datetime | None] = dict.fromkeys(users)
    for consent in TrainingConsent.objects.filter(user__in=users, is_given=True):
        found[consent.user_id] = consent.decided_at
    return found


def person_of(collection: Collection, user_id: int, email: str) -> str:
    """An address, or a pseudonym: the same in all versions of a dataset, another in the next."""
    if not collection.is_pseudonymous:
        return email
    text = f"{collection.pk}:{user_id}".encode()
    digest = hmac.new(settings.SECRET_KEY.encode(), text, hashlib.sha256).hexdigest()
    return f"person-{digest[:10]}"


@dataclass(frozen=True)
class Preview:
    """`changes`: texts before and after; `unfit`: accepted, but of no use for this purpose."""

    count: int
    people: int
    unfit: int
    changes: list[anonymising.Changed]
    sampled: int


def preview(collection: Collection) -> Preview:
    """What `create` would take. ValidationError keyed by "patterns"."""
    rows = source_of(collection)
    unfit = 0
    if not collection.is_own:
        accepted = Filters.of(collection.filters).apply(reviewing.inbox().accepted())
        unfit = accepted.exclude(fitting(collection.purpose)).count()
    anonymiser = Anonymiser.of(collection.anonymising)
    changes: list[anonymising.Changed] = []
    sampled = 0
    if not anonymiser.is_idle:
        for _feedback, example in examples_in(collection):
            sampled += 1
            changes.extend(anonymising.changes(anonymiser, example))
            if sampled == SAMPLED or len(changes) >= SHOWN_CHANGES:
                break
    people = rows.order_by().values("user").distinct().count()
    return Preview(rows.count(), people, unfit, changes[:SHOWN_CHANGES], sampled)


def delete(*, collection: Collection, actor: User, request: HttpRequest | None = None) -> None:
    """Only when no dataset has its records any more: else nobody could take theirs back.
    ValidationError."""
    numbers = set(collection.rows.values_list("line_hash", flat=True))
    families = {collection.family} - {None}
    if versions_holding(collection.owner, numbers, families):  # type: ignore[arg-type]
        raise ValidationError(_("Delete its datasets first: this is where their records are from."))
    with transaction.atomic():
        audit(actor=actor, action="collection.delete", target=collection, request=request)
        collection.delete()
