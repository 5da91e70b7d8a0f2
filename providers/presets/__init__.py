"""Every provider somebody can pick, as data: the facts of `docs/adding-a-provider.md`."""

from providers.presets.chinese import CHINESE
from providers.presets.international import AGGREGATORS, INTERNATIONAL
from providers.presets.local import APPLICATIONS, LOCAL, OTHERS
from providers.presets.preset import Address, KnownModel, Preset, Section

ALL_PRESETS: tuple[Preset, ...] = (
    *OTHERS,
    *CHINESE,
    *INTERNATIONAL,
    *AGGREGATORS,
    *LOCAL,
    *APPLICATIONS,
)

__all__ = ["ALL_PRESETS", "Address", "KnownModel", "Preset", "Section"]
