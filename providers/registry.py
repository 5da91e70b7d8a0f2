"""What can be connected: the dialects there are, and the presets that speak one of them."""

from urllib.parse import urlsplit

from providers.adapters.anthropic import AnthropicAdapter
from providers.adapters.azure import AzureAdapter
from providers.adapters.base import Adapter
from providers.adapters.cohere import CohereAdapter
from providers.adapters.dify import DifyAdapter
from providers.adapters.echo import EchoAdapter
from providers.adapters.gemini import GeminiAdapter
from providers.adapters.ollama import OllamaAdapter
from providers.adapters.openai import OpenAIAdapter
from providers.adapters.responses import ResponsesAdapter
from providers.presets import ALL_PRESETS, Preset

ADAPTERS: dict[str, Adapter] = {
    "openai": OpenAIAdapter(),
    "azure": AzureAdapter(),
    "responses": ResponsesAdapter(),
    "anthropic": AnthropicAdapter(),
    "gemini": GeminiAdapter(),
    "ollama": OllamaAdapter(),
    "cohere": CohereAdapter(),
    "dify": DifyAdapter(),
    "echo": EchoAdapter(),
}


def offered(adapters: dict[str, Adapter]) -> tuple[Preset, ...]:
    """Presets whose dialect somebody has written."""
    return tuple(preset for preset in ALL_PRESETS if preset.kind in adapters)


PRESETS: tuple[Preset, ...] = offered(ADAPTERS)
BY_SLUG = {preset.slug: preset for preset in PRESETS}
_HOSTS = {
    host: preset.slug
    for preset in ALL_PRESETS
    for url in preset.base_urls
    if (host := urlsplit(url).hostname) and host != "localhost" and "{" not in url
}


def catalog_slug(preset: str, base_url: str) -> str:
    """Whose price list applies to a connection: that of its host where the host is known, else
    that of its preset. Empty: nobody's."""
    host = _HOSTS.get(urlsplit(base_url).hostname or "")
    return host or (preset if preset != "custom" else "")
