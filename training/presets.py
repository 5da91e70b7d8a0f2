"""Sets of parameters that the form fills in at one click."""

import json
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from training.argument_table import Value
from training.arguments import PRESETS

LABELS: dict[str, tuple[str | Promise, str | Promise]] = {
    "quick": (_("Quick try"), _("One epoch over 200 examples: does it run at all?")),
    "balanced": (_("Balanced"), _("Good for most small datasets.")),
    "quality": (_("Quality"), _("More epochs, a larger adapter, a tenth held out.")),
    "low_memory": (_("Low memory"), _("Short examples, one at a time.")),
}


@dataclass(frozen=True)
class PresetButton:
    slug: str
    label: str | Promise
    help: str | Promise
    values_json: str


def preset_values(slug: str) -> dict[str, Value]:
    return dict(PRESETS.get(slug, {}))


def preset_buttons() -> list[PresetButton]:
    return [
        PresetButton(slug, *LABELS[slug], json.dumps(values)) for slug, values in PRESETS.items()
    ]
