"""Model makers outside China, and services that resell many vendors."""

from django.utils.translation import gettext_lazy as _

from providers.presets.preset import Address, Preset, Section

COMPLETION_TOKENS = {"max_tokens_field": "max_completion_tokens"}

INTERNATIONAL = (
    Preset(
        "openai",
        "openai",
        "OpenAI",
        Section.GLOBAL,
        (Address("https://api.openai.com/v1"),),
        profile={**COMPLETION_TOKENS, "embedding_batch": 256},
    ),
    Preset(
        "azure",
        "azure",
        _("Azure OpenAI (Microsoft)"),
        Section.GLOBAL,
        (
            Address("https://{resource}.openai.azure.com/openai/v1", _("Current API")),
            Address("https://{resource}.services.ai.azure.com/openai/v1", "Foundry"),
            Address(
                "https://{resource}.openai.azure.com/openai/deployments/{deployment}",
                _("Dated API"),
            ),
        ),
        key_note=_("A key of the resource. It lists base models; calls name a deployment."),
        profile={**COMPLETION_TOKENS, "embedding_batch": 256},
    ),
    Preset(
        "anthropic",
        "anthropic",
        _("Anthropic (Claude)"),
        Section.GLOBAL,
        (Address("https://api.anthropic.com"),),
    ),
    Preset(
        "gemini",
        "gemini",
        _("Google Gemini"),
        Section.GLOBAL,
        (Address("https://generativelanguage.googleapis.com/v1beta"),),
    ),
    Preset(
        "mistral",
        "openai",
        "Mistral AI",
        Section.GLOBAL,
        (
            Address("https://api.mistral.ai/v1"),
            Address("https://codestral.mistral.ai/v1", "Codestral"),
        ),
        # Unknown fields are 422 there, and these are unknown.
        profile={"include_usage": False, "max_tokens_field": "max_tokens"},
        drop_params=("stream_options", "max_completion_tokens"),
    ),
    Preset(
        "groq",
        "openai",
        "Groq",
        Section.GLOBAL,
        (Address("https://api.groq.com/openai/v1"),),
        profile=COMPLETION_TOKENS,
    ),
    Preset("xai", "openai", "xAI (Grok)", Section.GLOBAL, (Address("https://api.x.ai/v1"),)),
    Preset(
        "cohere",
        "cohere",
        "Cohere",
        Section.GLOBAL,
        (Address("https://api.cohere.com"),),
    ),
    Preset(
        "perplexity",
        "openai",
        "Perplexity",
        Section.GLOBAL,
        (Address("https://api.perplexity.ai"),),
        profile={
            "include_usage": False,
            "paths": {"models": "/v1/models", "embeddings": "/v1/embeddings"},
        },
        drop_params=("tools", "tool_choice"),
    ),
)

AGGREGATORS = (
    Preset(
        "openrouter",
        "openai",
        "OpenRouter",
        Section.AGGREGATOR,
        (Address("https://openrouter.ai/api/v1"),),
        profile={"include_usage": False, "paths": {"models": "/models?output_modalities=all"}},
    ),
    Preset(
        "together",
        "openai",
        "Together AI",
        Section.AGGREGATOR,
        (Address("https://api.together.ai/v1"),),
    ),
    Preset(
        "fireworks",
        "openai",
        "Fireworks AI",
        Section.AGGREGATOR,
        (Address("https://api.fireworks.ai/inference/v1"),),
    ),
    Preset(
        "nvidia",
        "openai",
        _("NVIDIA NIM"),
        Section.AGGREGATOR,
        (
            Address("https://integrate.api.nvidia.com/v1", _("Cloud")),
            Address("http://localhost:8000/v1", _("Self-hosted")),
        ),
        key_note=_("The key begins with nvapi-."),
    ),
    Preset(
        "litellm",
        "openai",
        _("LiteLLM Proxy"),
        Section.AGGREGATOR,
        (Address("http://localhost:4000/v1"),),
    ),
)
