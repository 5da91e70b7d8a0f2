"""Taking a consent back: out of every later version, and who has learnt from it already."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from accounts.services import audit, notify
from accounts.types import Notice
from chat import nudging, reviewing
from chat.models import CollectedRow, CollectedRowQuerySet, TrainingConsent
from llmplatform.text import enumerated
from training.models import Dataset, Deployment, ModelVersion, TrainingJob
from training.services import leave_out, take_back, usage_of, versions_holding

NAMED_IN_NOTICE = 10
# More is written in the background.
AT_ONCE_BYTES = 8 * 1024**2


@dataclass
class Trail:
    """Where records have gone. `datasets` hold them now; `later` are versions without."""

    datasets: list[Dataset] = field(default_factory=list)
    jobs: list[TrainingJob] = field(default_factory=list)
    models: list[ModelVersion] = field(default_factory=list)
    deployments: list[Deployment] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not self.datasets and not self.models


def trail_of(rows: QuerySet[CollectedRow]) -> Trail:
    """Of the records in `rows`, in the datasets of whoever collected them."""
    trail = Trail()
    for owner, (numbers, families) in _by_owner(rows).items():
        versions = versions_holding(owner, numbers, families)
        if not versions:
            continue
        usage = usage_of(*versions)
        trail.datasets += versions
        trail.jobs += usage.jobs
        trail.models += usage.models
        trail.deployments += usage.deployments
    return trail


def _by_owner(rows: QuerySet[CollectedRow]) -> dict[User, tuple[set[int], set[uuid.UUID]]]:
    numbers: dict[int, set[int]] = {}
    families: dict[int, set[uuid.UUID]] = {}
    values = rows.order_by().values_list("collection__owner", "collection__family", "line_hash")
    for owner, family, number in values.iterator():
        numbers.setdefault(owner, set()).add(number)
        if family is not None:
            families.setdefault(owner, set()).add(family)
    owners = User.objects.in_bulk(numbers)
    return {owners[pk]: (numbers[pk], families.get(pk, set())) for pk in numbers}


def given_by(user: User) -> CollectedRowQuerySet:
    """What others may have learnt from: collections of reviewed answers, of whomever."""
    return CollectedRow.objects.of_user(user).filter(collection__is_own=False)


def withdraw(*, user: User, request: HttpRequest | None = None) -> Trail:
    """No example of `user` is used from now on. The datasets that have some get their next version
    without them, large ones in the background; reviewers are told what was trained on them."""
    with transaction.atomic():
        held = given_by(user).held()
        count = held.count()
        values = {"is_given": False, "decided_at": timezone.now(), "is_leaving": count > 0}
        TrainingConsent.objects.update_or_create(user=user, defaults=values)
        after = {"is_given": False, "records": count}
        audit(actor=user, action="consent.withdraw", target=user, after=after, request=request)
        for owner, (numbers, _families) in _by_owner(held).items():
            take_back(owner, _only_of(user, owner, numbers))
        held.update(withdrawn_at=timezone.now())
        trail = trail_of(given_by(user))
        if count:
            _tell_reviewers(user, trail, count)
    if sum(dataset.work_bytes for dataset in trail.datasets) <= AT_ONCE_BYTES:
        leave_all(user)
    else:
        nudging.tend_examples()
    return trail


def leave_all(user: User | None = None) -> None:
    """The next version of every dataset whose newest one has something that was taken back."""
    consents = TrainingConsent.objects.filter(is_leaving=True)
    for consent in consents.filter(user=user) if user else consents:
        rows = given_by(consent.user).exclude(withdrawn_at=None)
        for owner, (numbers, families) in _by_owner(rows).items():
            leave_out(owner, _only_of(consent.user, owner, numbers), families)
        TrainingConsent.objects.filter(pk=consent.pk).update(is_leaving=False)


def _only_of(user: User, owner: User, numbers: Iterable[int]) -> set[int]:
    """Without records that somebody else has given word for word, too."""
    rows = CollectedRow.objects.held().filter(collection__owner=owner).exclude(user=user)
    return set(numbers) - set(rows.values_list("line_hash", flat=True))


def _tell_reviewers(user: User, trail: Trail, count: int) -> None:
    names = [str(model) for model in trail.models[:NAMED_IN_NOTICE]]

    def make() -> Notice:
        text = ngettext(
            "%(count)d record of theirs goes from the next version of the datasets.",
            "%(count)d records of theirs go from the next version of the datasets.",
            count,
        ) % {"count": count}
        if names:
            text += " " + _("Trained on them: %(names)s.") % {"names": enumerated(names)}
        title = _("%(person)s has taken back the consent to training") % {"person": user.email}
        return Notice(title, text, "/feedback/collections/", "warning")

    owners = User.objects.filter(collections__rows__user=user, is_active=True).distinct()
    for person in {*reviewing.reviewers(), *owners} - {user}:
        notify(person, make)
