"""What the person of a request may see and change."""

from django.http import HttpRequest

from accounts.access import current_user, owned_or_404
from knowledge.models import Base, BaseQuerySet, Document


def _joined(rows: BaseQuerySet) -> BaseQuerySet:
    return rows.select_related("owner", "live_space", "rerank_model", "provider")


def readable(request: HttpRequest, base_id: int) -> Base:
    rows = Base.objects.for_user(current_user(request))
    return owned_or_404(_joined(rows).counted(), pk=base_id)


def searchable(request: HttpRequest, base_id: int) -> Base:
    """Without what only pages show: a search is asked often."""
    rows = Base.objects.for_user(current_user(request)).select_related("live_space")
    return owned_or_404(rows, pk=base_id)


def manageable(request: HttpRequest, base_id: int) -> Base:
    rows = Base.objects.manageable_by(current_user(request))
    return owned_or_404(_joined(rows).counted(), pk=base_id)


def readable_document(request: HttpRequest, document_id: int) -> Document:
    rows = Document.objects.for_user(current_user(request)).select_related("base__owner")
    return owned_or_404(rows, pk=document_id)


def manageable_document(request: HttpRequest, document_id: int) -> Document:
    bases = Base.objects.manageable_by(current_user(request))
    rows = Document.objects.select_related("base__owner")
    return owned_or_404(rows.filter(base__in=bases), pk=document_id)
