"""Which models answer: a circuit for each, learned from the calls of this process.

closed     calls go through; failures in a row are counted
open       nothing is sent until `retry_at`, then one call may try
half_open  that call is under way: it closes the circuit, or opens it for twice as long
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from providers.errors import ProviderError, RateLimited
from providers.retrying import HOPELESS

FAILURES_TO_OPEN = 5
FIRST_REST_S, LONGEST_REST_S = 30.0, 600.0
RATE_LIMIT_REST_S = 5.0
# A probe whose call never ends must not rest the model for ever.
PROBE_S = 120.0
NEW_WEIGHT = 0.2


@dataclass
class Circuit:
    """`ttft_s` is a moving average; None until the first answer."""

    state: str = "closed"
    failures: int = 0
    reason: str = ""
    retry_at: float = 0.0
    rest_s: float = FIRST_REST_S
    ttft_s: float | None = None


class Health:
    """Circuits by the primary key of the model. `changed` is told the key of each that opens or
    closes."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        changed: Callable[[int], None] = lambda _pk: None,
    ) -> None:
        self._clock = clock
        self._changed = changed
        self.circuits: dict[int, Circuit] = {}

    def of(self, model_pk: int) -> Circuit:
        circuit = self.circuits.get(model_pk)
        if circuit is None:
            circuit = self.circuits[model_pk] = Circuit()
        return circuit

    def may_try(self, model_pk: int) -> bool:
        circuit = self.circuits.get(model_pk)
        return circuit is None or circuit.state == "closed" or circuit.retry_at <= self._clock()

    def wait_s(self, model_pk: int) -> float:
        """Until the next try may be made."""
        circuit = self.circuits.get(model_pk)
        return 0.0 if circuit is None else max(0.0, circuit.retry_at - self._clock())

    def begin(self, model_pk: int) -> None:
        """A call is being sent. Where the circuit is open, it is the one that tries."""
        circuit = self.circuits.get(model_pk)
        if circuit is not None and circuit.state != "closed":
            circuit.state, circuit.retry_at = "half_open", self._clock() + PROBE_S

    def succeeded(self, model_pk: int, ttft_s: float | None) -> None:
        circuit = self.of(model_pk)
        if ttft_s is not None:
            known = circuit.ttft_s
            circuit.ttft_s = ttft_s if known is None else known + NEW_WEIGHT * (ttft_s - known)
        if circuit.failures or circuit.state != "closed":
            was_open = circuit.state != "closed"
            circuit.state, circuit.failures, circuit.reason = "closed", 0, ""
            circuit.retry_at, circuit.rest_s = 0.0, FIRST_REST_S
            if was_open:
                self._changed(model_pk)

    def failed(self, model_pk: int, error: ProviderError) -> None:
        """What the caller did wrong says nothing about the model."""
        if error.status < 500 and not isinstance(error, (RateLimited, *HOPELESS)):
            self.withdrawn(model_pk)
            return
        circuit = self.of(model_pk)
        circuit.failures += 1
        circuit.reason = error.code
        if isinstance(error, RateLimited):
            self._open(model_pk, circuit, error.retry_after_s or RATE_LIMIT_REST_S)
        elif circuit.state == "half_open":
            circuit.rest_s = min(circuit.rest_s * 2, LONGEST_REST_S)
            self._open(model_pk, circuit, circuit.rest_s)
        elif circuit.failures >= FAILURES_TO_OPEN or isinstance(error, HOPELESS):
            self._open(model_pk, circuit, circuit.rest_s)

    def withdrawn(self, model_pk: int) -> None:
        """The call ended without telling anything: somebody else may try at once."""
        circuit = self.circuits.get(model_pk)
        if circuit is not None and circuit.state == "half_open":
            circuit.state, circuit.retry_at = "open", self._clock()

    def rests(self, model_pk: int, *, reason: str, for_s: float) -> None:
        """Another process has found it failing."""
        circuit = self.of(model_pk)
        if circuit.state == "closed" and for_s > 0:
            circuit.state, circuit.reason = "open", reason
            circuit.retry_at = self._clock() + for_s

    def _open(self, model_pk: int, circuit: Circuit, rest_s: float) -> None:
        circuit.state = "open"
        circuit.retry_at = self._clock() + min(rest_s, LONGEST_REST_S)
        self._changed(model_pk)
