"""Every provider somebody can pick, as data: the facts of `docs/adding-a-provider.md`."""

from urllib.parse import urlsplit

from providers.presets.chinese import CHINESE
from providers.presets.international import AGGREGATORS, INTERNATIONAL
from providers.presets.local import APPLICATIONS, LOCAL, OTHERS
from providers.presets.preset import Address, KnownModel, Preset, Section

PRESETS: tuple[Preset, ...] = (
    *OTHERS,
    *CHINESE,
    *INTERNATIONAL,
    *AGGREGATORS,
    *LOCAL,
    *APPLICATIONS,
)
BY_SLUG = {preset.slug: preset for preset in PRESETS}
_HOSTS = {
    host: preset.slug
    for preset in PRESETS
    for url in preset.base_urls
    if (host := urlsplit(url).hostname) and host != "localhost" and "{" not in url
}


def catalog_slug(preset: str, base_url: str) -> str:
    """Whose price list applies to a connection: that of its host where the host is known, else
    that of its preset. Empty: nobody's."""
    host = _HOSTS.get(urlsplit(base_url).hostname or "")
    return host or (preset if preset != "custom" else "")


__all__ = ["BY_SLUG", "PRESETS", "Address", "KnownModel", "Preset", "Section", "catalog_slug"]
