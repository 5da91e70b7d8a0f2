"""Providers and their models, what those cost, names for several of them, and every call."""

from providers.models.aliases import Alias, AliasMember, CircuitState, ModelHealth, Strategy
from providers.models.connections import Kind, Provider, ProviderModel
from providers.models.ledger import (
    FAILED,
    KEY_ENDED,
    NAMES_NO_MODEL,
    REFUSED,
    UNKNOWN_COST,
    CallRecord,
    Charged,
    CostSource,
)
from providers.models.prices import Currency, ModelPrice, OwnPrice, Rated

__all__ = [
    "FAILED",
    "KEY_ENDED",
    "NAMES_NO_MODEL",
    "REFUSED",
    "UNKNOWN_COST",
    "Alias",
    "AliasMember",
    "CallRecord",
    "Charged",
    "CircuitState",
    "CostSource",
    "Currency",
    "Kind",
    "ModelHealth",
    "ModelPrice",
    "OwnPrice",
    "Provider",
    "ProviderModel",
    "Rated",
    "Strategy",
]
