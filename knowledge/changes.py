"""The numbered changes of a base's documents: written with what they tell, read by each index."""

from collections.abc import Iterable

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from knowledge.models import Base, Change


def locked(base_id: int) -> Base:
    """The base, locked until the transaction ends: its changes are numbered one after the other,
    so that whoever has read up to one has missed none below it."""
    return Base.objects.select_for_update().get(pk=base_id)


def note(base_id: int, document_ids: Iterable[int]) -> None:
    """That these documents are searched otherwise now. In the transaction of what changed them."""
    assert transaction.get_connection().in_atomic_block
    ids = list(document_ids)
    if not ids:
        return
    # The update locks the row on every database, also where there is no SELECT ... FOR UPDATE.
    Base.objects.filter(pk=base_id).update(
        revision=F("revision") + len(ids), updated_at=timezone.now()
    )
    last = Base.objects.values_list("revision", flat=True).get(pk=base_id)
    Change.objects.filter(base_id=base_id, document_id__in=ids).delete()
    numbers = range(last - len(ids) + 1, last + 1)
    Change.objects.bulk_create(
        [
            Change(base_id=base_id, revision=number, document_id=pk)
            for number, pk in zip(numbers, ids, strict=True)
        ]
    )
