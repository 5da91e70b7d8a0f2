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
from chat import reviewing
from chat.models import CollectedRow, CollectedRowQuerySet, TrainingConsent
from training.models import Dataset, Deployment, ModelVersion, TrainingJob
from training.services import leave_out, take_back, usage_of, versions_holding

NAMED_IN_NOTICE = 10


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
    without them in the background; what was trained on them is told to the reviewers."""
    from chat.tasks import leave_out_of_datasets

    with transaction.atomic():
        values = {"is_given": False, "decided_at": timezone.now()}
        TrainingConsent.objects.update_or_create(user=user, defaults=values)
        held = given_by(user).held()
        count = held.count()
        after = {"is_given": False, "records": count}
        audit(actor=user, action="consent.withdraw", target=user, after=after, request=request)
        for owner, (numbers, _families) in _by_owner(held).items():
            take_back(owner, _only_of(user, owner, numbers))
        held.update(withdrawn_at=timezone.now())
        trail = trail_of(given_by(user))
        if count:
            _tell_reviewers(user, trail, count)
            transaction.on_commit(lambda: leave_out_of_datasets.delay(user.pk))
    return trail


def _only_of(user: User, owner: User, numbers: Iterable[int]) -> set[int]:
    """Without records that somebody else has given word for word, too."""
    rows = CollectedRow.objects.held().filter(collection__owner=owner).exclude(user=user)
    return set(numbers) - set(rows.values_list("line_hash", flat=True))


def make_next_versions(user: User) -> int:
    """Of every dataset whose newest version has something that `user` has taken back; how many."""
    rows = given_by(user).exclude(withdrawn_at=None)
    made = 0
    for owner, (numbers, families) in _by_owner(rows).items():
        made += len(leave_out(owner, _only_of(user, owner, numbers), families))
    return made


def _tell_reviewers(user: User, trail: Trail, count: int) -> None:
    names = [str(model) for model in trail.models[:NAMED_IN_NOTICE]]

    def make() -> Notice:
        text = ngettext(
            "%(count)d record of theirs goes from the next version of the datasets.",
            "%(count)d records of theirs go from the next version of the datasets.",
            count,
        ) % {"count": count}
        if names:
            text += " " + _("Trained on them: %(names)s.") % {"names": ", ".join(names)}
        title = _("%(person)s has taken back the consent to training") % {"person": user.email}
        return Notice(title, text, "/feedback/collections/", "warning")

    owners = User.objects.filter(collections__rows__user=user, is_active=True).distinct()
    for person in {*reviewing.reviewers(), *owners} - {user}:
        notify(person, make)
