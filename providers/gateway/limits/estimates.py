"""What a call may take, as far as that can be known before it begins."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from providers.types import Usage

# A usual answer, where neither the caller nor the model's page names a longest one.
USUAL_ANSWER_TOKENS = 1000
# No model says more, whatever is asked for.
LONGEST_ANSWER_TOKENS = 1_000_000


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that may answer, and the longest answer it would give; None: nobody says."""

    model_pk: int
    answer_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """`prompt_tokens` of the request, and every model that its name may stand for, which only
    budgets ask for."""

    prompt_tokens: int = 0
    candidates: Callable[[], Sequence[Candidate]] = tuple

    def usage_of(self, candidate: Candidate) -> Usage:
        """Of the longest answer."""
        answer = candidate.answer_tokens
        answer = USUAL_ANSWER_TOKENS if answer is None else min(answer, LONGEST_ANSWER_TOKENS)
        return Usage(prompt_tokens=self.prompt_tokens, completion_tokens=answer)


NOTHING = Estimate()
