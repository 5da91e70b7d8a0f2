"""Which failures another try may mend, and how long to wait before it."""

import random
from collections.abc import Sequence

from providers.errors import (
    Authentication,
    Conflict,
    Forbidden,
    InvalidAnswer,
    NoMoney,
    NoSuchModel,
    ProviderError,
    TimedOut,
)

# What no second try mends: a person has to.
HOPELESS = (Authentication, Forbidden, NoMoney, NoSuchModel)
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 8.0


def may_help(error: ProviderError) -> bool:
    """Whether another model could answer where this one did not."""
    return error.status >= 500 or error.status == 429 or isinstance(error, HOPELESS)


def may_pass(error: ProviderError) -> bool:
    """Whether the same model could answer a little later. After a timeout nobody waits again."""
    is_lasting = isinstance(error, (*HOPELESS, TimedOut, InvalidAnswer, Conflict))
    return may_help(error) and not is_lasting


def pause_s(round_number: int, errors: Sequence[ProviderError]) -> float | None:
    """Grows, with some chance in it; what a provider asks for counts. None: too long to wait."""
    wanted = FIRST_PAUSE_S * 2**round_number * (0.5 + random.random() / 2)
    asked = [error.retry_after_s for error in errors if error.retry_after_s is not None]
    if len(asked) == len(errors):
        wanted = max(wanted, min(asked))
    return wanted if wanted <= LONGEST_PAUSE_S else None
