"""Whether a version is good enough for the label `production`, by its newest evaluation."""

from django.conf import settings
from django.utils.translation import gettext as _

from training.models import Evaluation, ModelVersion


def newest(version: ModelVersion) -> Evaluation | None:
    rows = version.evaluations.finished()
    return rows.order_by("-finished_at", "-created_at").first()


def problems_of(version: ModelVersion) -> list[str]:
    """What the newest evaluation holds against it, a sentence each; empty without one."""
    evaluation = newest(version)
    return [] if evaluation is None else problems_in(evaluation)


def problems_in(evaluation: Evaluation) -> list[str]:
    results = evaluation.results
    base, tuned = results.get("base", {}), results.get("tuned", {})
    general = results.get("general") or {}
    found = []
    rise = _rise(base.get("loss"), tuned.get("loss"))
    if rise is not None and rise > settings.EVALUATION_MAX_LOSS_RISE:
        text = _("The loss on the held-out examples is %(rise).1f %% above the base model's.")
        found.append(text % {"rise": rise})
    rise = _rise(general.get("base"), general.get("tuned"))
    if rise is not None and rise > settings.EVALUATION_MAX_FORGETTING:
        text = _("It has forgotten: the loss on general text is %(rise).1f %% above the base's.")
        found.append(text % {"rise": rise})
    counts = evaluation.counts()
    decided = counts["win"] + counts["loss"]
    if decided and 100 * counts["win"] < settings.EVALUATION_MIN_WINS * decided:
        text = _("It is better in %(wins)d and worse in %(losses)d of the samples.")
        found.append(text % {"wins": counts["win"], "losses": counts["loss"]})
    return found


def _rise(base: float | None, tuned: float | None) -> float | None:
    """In percent of the base model's."""
    return 100 * (tuned - base) / base if base and tuned is not None else None
