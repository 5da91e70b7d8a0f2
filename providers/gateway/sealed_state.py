"""What a provider wants back with an assistant message, as a text that a client keeps for us.

Encrypted with the platform's own keys: a client can neither read nor change nor invent it.
"""

from typing import Any

import orjson

from llmplatform.encryption import KeyUnreadable, decrypt, encrypt
from providers.types import ProviderState

FORMAT = "llmp-state-1"
# Told apart from what Anthropic itself seals, which is base64 without a dot.
PREFIX = "llmp."


def seal(state: ProviderState) -> str:
    row = [FORMAT, state.kind, state.provider_id, state.family, state.data]
    return PREFIX + encrypt(orjson.dumps(row).decode())


def is_sealed(text: Any) -> bool:
    return isinstance(text, str) and text.startswith(PREFIX)


def unseal(text: Any) -> ProviderState | None:
    """None for everything that `seal` did not make: the call must work without it."""
    if not is_sealed(text) or not text.isascii():
        return None
    try:
        row = orjson.loads(decrypt(text.removeprefix(PREFIX)))
    except (KeyUnreadable, ValueError):
        return None
    if not isinstance(row, list) or len(row) != 5 or row[0] != FORMAT:
        return None
    return ProviderState(row[1], row[2], row[3], row[4])
