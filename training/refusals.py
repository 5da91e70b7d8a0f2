"""Why a model cannot be taken, in words for people; the codes are the runner's."""

from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

REFUSALS: dict[str, Promise] = {
    "no_config": _("There is no model here (config.json is missing)."),
    "bad_json": _("“%(name)s” cannot be read."),
    "no_weights": _("Only models in safetensors format are accepted; there are no such weights."),
    "pickle": _(
        "Only models in safetensors format are accepted. “%(name)s” holds Python objects, which "
        "can run code when they are opened."
    ),
    "code": _("Models that bring code of their own are refused: “%(name)s” does."),
    "link": _("“%(name)s” is a link to a place outside the allowed folders."),
    "truncated": _("“%(name)s” is damaged or not whole."),
    "incomplete": _("Some of the weights are missing: %(name)s."),
    "checksum": _("“%(name)s” arrived damaged: its checksum is not the one the hub tells."),
    "not_found": _("The hub has no such model, or none that you may see: %(name)s."),
    "no_revision": _("The model has no such revision: %(name)s."),
    "no_access": _(
        "The hub wants a token for this model, or its licence to be accepted first: %(name)s."
    ),
    "busy": _("The hub has had too many questions; try again in a few minutes."),
    "unreachable": _(
        "The hub cannot be reached: %(name)s. What has arrived is kept for the next try."
    ),
    "too_many_files": _("The repository has %(name)s files; that is no model."),
    "disk_full": _("The disk of the node has no room for it: %(name)s bytes are to come."),
    "unknown_architecture": _("The installed libraries do not know this kind of model: %(name)s."),
    "no_tokenizer": _("Its tokenizer cannot be loaded: %(name)s."),
    "unmergeable": _("This version cannot be merged: %(name)s."),
    "no_gguf": _("There is no way into GGUF for this model: %(name)s."),
}


def refusal_text(code: str, name: str = "") -> str:
    """Empty for a code that is none of these."""
    text: Any = REFUSALS.get(code)
    return str(text) % {"name": name} if text is not None else ""


def explained(detail: str) -> str:
    """`code: name`, as a failed download keeps it, in words; empty where it is something else."""
    code, _colon, name = detail.partition(": ")
    return refusal_text(code, name)
