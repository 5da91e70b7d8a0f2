"""The dialects that can be spoken. One entry each."""

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
