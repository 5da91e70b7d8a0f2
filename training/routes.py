"""The route of a model: `identity@production`, or `identity` at the gateway, answers as whichever
version has the label, once that version is served."""

from django.db.models import F

from training.models import Deployment, Label, ModelFamily
from training.models.workloads import ACTIVE

PRODUCTION = "production"


def serving(version_id: int) -> Deployment | None:
    """The newest deployment of a version that answers."""
    rows = Deployment.objects.filter(
        version_id=version_id, status__in=ACTIVE, provider_model__isnull=False
    )
    rows = rows.select_related("provider_model__provider")
    return rows.order_by(F("replica_of").asc(nulls_first=True), "-created_at").first()


def follow(family: ModelFamily) -> None:
    """Point the route where the label is. While that version does not answer yet, the one that
    did before goes on; without either the route rests."""
    from providers.services import name_route, point_route, rest_route  # only served models

    family.refresh_from_db()
    label = Label.objects.filter(family=family, name=PRODUCTION).first()
    found = serving(label.version_id) if label is not None else None
    if found is not None and found.provider_model is not None:
        family.route = point_route(
            route=family.route,
            owner=family.owner,
            name=f"{family.name} · {PRODUCTION}",
            model_id=f"{family.name}@{PRODUCTION}",
            to=found.provider_model,
        )
        family.alias = name_route(
            alias=family.alias, owner=family.owner, name=family.name, route=family.route
        )
        family.served_by = found
        family.save(update_fields=["route", "alias", "served_by"])
    elif label is None or not _still_answers(family):
        if family.route is not None:
            rest_route(family.route)
        family.served_by = None
        family.save(update_fields=["served_by"])


def _still_answers(family: ModelFamily) -> bool:
    current = family.served_by
    return (
        current is not None and current.status in ACTIVE and current.provider_model_id is not None
    )
