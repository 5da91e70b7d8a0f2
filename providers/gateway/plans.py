"""What a name stands for, and in which order its models are tried."""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from providers.gateway.errors import GatewayError
from providers.gateway.health import Health
from providers.gateway.route import Route

# Now and then another one goes first, or a model that was slow once would never be measured again.
EXPLORE = 0.05


@dataclass(frozen=True)
class Member:
    """`replicas` are as good as its route. `cost`: USD for a million tokens, three of input to one
    of output; None: unknown."""

    route: Route
    weight: int = 1
    cost: float | None = None
    replicas: tuple[Route, ...] = ()

    def spread(self, draw: Callable[[], float]) -> Sequence[Route]:
        """Its route and that one's replicas, another one first each time."""
        if not self.replicas:
            return (self.route,)
        return sorted((self.route, *self.replicas), key=lambda _route: draw())


@dataclass(frozen=True)
class Plan:
    """`alias` is empty where the name is a model's own; such a call is sent to it alone, or to one
    of its replicas.

    `rounds`: how often all members are tried at most. An alias says so itself, with a model's own
    name its connection does.
    """

    members: tuple[Member, ...]
    alias: str = ""
    strategy: str = "order"
    rounds: int = 1

    def that_pass(self, check: Callable[[Route], None]) -> "Plan":
        """Without the members that `check` refuses; where it refuses all, its first refusal."""
        refusals: dict[int, GatewayError] = {}
        for member in self.members:
            try:
                check(member.route)
            except GatewayError as refusal:
                refusals[member.route.model_pk] = refusal
        if not refusals:
            return self
        if len(refusals) == len(self.members):
            raise next(iter(refusals.values()))
        return self.only(lambda route: route.model_pk not in refusals)

    def only(self, is_fit: Callable[[Route], bool]) -> "Plan":
        """Of the members those that fit. Empty plans are possible."""
        fit = tuple(member for member in self.members if is_fit(member.route))
        return Plan(fit, self.alias, self.strategy, self.rounds)

    def order(self, health: Health, draw: Callable[[], float] = random.random) -> Sequence[Route]:
        """Those that may be tried now, best first; where all of them rest, the one that rests
        least: a call that may succeed is better than a refusal."""
        if len(self.members) == 1 and not self.members[0].replicas:
            return (self.members[0].route,)
        ranked = [route for each in self._ranked(health, draw) for route in each.spread(draw)]
        ready = [route for route in ranked if health.may_try(route.model_pk)]
        if ready or not ranked:
            return ready
        return [min(ranked, key=lambda route: health.wait_s(route.model_pk))]

    def _ranked(self, health: Health, draw: Callable[[], float]) -> Iterable[Member]:
        if self.strategy == "weight":
            # Each comes first with a chance of its weight, and so on among those that are left.
            return sorted(self.members, key=lambda m: draw() ** (1 / m.weight), reverse=True)
        if self.strategy == "cost":
            unknown = float("inf")
            return sorted(self.members, key=lambda m: unknown if m.cost is None else m.cost)
        if self.strategy == "latency":
            if draw() < EXPLORE:
                return sorted(self.members, key=lambda m: draw())
            # Those that nobody has measured go first.
            return sorted(self.members, key=lambda m: health.of(m.route.model_pk).ttft_s or 0.0)
        return self.members
