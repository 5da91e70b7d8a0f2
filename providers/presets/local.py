"""Servers of one's own, applications, and what fits none of the others."""

from django.utils.translation import gettext_lazy as _

from providers.presets.preset import Address, Preset, Section

OPTIONAL_KEY = _("Only where the server asks for one.")

LOCAL = (
    Preset(
        "ollama",
        "ollama",
        "Ollama",
        Section.LOCAL,
        (
            Address("http://localhost:11434", _("Self-hosted")),
            Address("https://ollama.com", _("Cloud")),
        ),
        key_note=OPTIONAL_KEY,
        needs_key=False,
    ),
    Preset(
        "vllm",
        "openai",
        "vLLM",
        Section.LOCAL,
        (Address("http://localhost:8000/v1"),),
        key_note=OPTIONAL_KEY,
        needs_key=False,
    ),
    Preset(
        "lmstudio",
        "openai",
        "LM Studio",
        Section.LOCAL,
        (Address("http://localhost:1234/v1"),),
        key_note=OPTIONAL_KEY,
        needs_key=False,
    ),
    Preset(
        "xinference",
        "openai",
        "Xinference (Xorbits)",
        Section.LOCAL,
        (Address("http://localhost:9997/v1"),),
        key_note=OPTIONAL_KEY,
        needs_key=False,
    ),
    Preset(
        "llamafactory",
        "openai",
        "LLaMA-Factory API",
        Section.LOCAL,
        (Address("http://localhost:8000/v1"),),
        key_note=OPTIONAL_KEY,
        needs_key=False,
        # It ignores the flag and never reports usage in a stream.
        profile={"include_usage": False},
    ),
)

APPLICATIONS = (
    Preset(
        "dify",
        "dify",
        _("Dify application"),
        Section.APPLICATION,
        (
            Address("https://api.dify.ai/v1", _("Cloud")),
            Address("http://{host}/v1", _("Self-hosted")),
        ),
        key_note=_("The key of one app (app-…); every app is a connection of its own."),
    ),
)

OTHERS = (
    Preset(
        "custom",
        "openai",
        _("Any OpenAI-compatible service"),
        Section.OTHER,
        first_name="",
    ),
    Preset(
        "echo",
        "echo",
        _("Echo (no network, for trying out)"),
        Section.OTHER,
        needs_key=False,
        # Everybody sees it, in either language, and programs write it: Echo/echo.
        first_name="Echo",
    ),
)
