"""From the name a caller writes to the deployment that answers.

A name is that of an alias, a `model_id` where only one visible model has it, or
`provider/model_id`. Where two visible providers share a name, `provider#<id>/model_id` tells them
apart. Somebody's own alias comes before the company's, and both before a model of the same name.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from llmplatform.encryption import KeyUnreadable
from providers.changes import models_changed
from providers.gateway.authentication import Caller
from providers.gateway.errors import GatewayError, bad_request, no_such_model
from providers.gateway.health import Health
from providers.gateway.health_rows import resting
from providers.gateway.plans import Member, Plan
from providers.gateway.route import Route
from providers.gateway.snapshot import Read, Refreshed, in_database
from providers.models import Alias, Provider, ProviderModel, Strategy
from providers.prices import blended_costs
from providers.types import Target

logger = logging.getLogger(__name__)
# By the primary key of the model that they are replicas of.
Replicas = Mapping[int, tuple[Route, ...]]


class Catalogue:
    """The models one caller may use, and their names. `replicas`: by the model's key."""

    def __init__(
        self,
        routes: Iterable[Route],
        aliases: Iterable[Plan] = (),
        replicas: Replicas = MappingProxyType({}),
    ) -> None:
        self.routes = list(routes)
        self._replicas = replicas
        self.aliases = {plan.alias: plan for plan in aliases}
        self._by_id: dict[str, list[Route]] = defaultdict(list)
        self._by_qualified: dict[str, list[Route]] = defaultdict(list)
        self._plans: dict[str, Plan] = {}
        self._by_unique = {route.unique: route for route in self.routes}
        for route in self.routes:
            self._by_id[route.model_id].append(route)
            self._by_qualified[route.qualified].append(route)

    def plan(self, name: str) -> Plan:
        """Raises GatewayError where nothing or more than one thing has this name."""
        found = self.aliases.get(name)
        if found is None:
            found = self._plans.get(name)
        if found is None:
            route = self.resolve(name)
            rounds = 1 + route.target.patience.retries
            member = Member(route, replicas=self._replicas.get(route.model_pk, ()))
            found = self._plans[name] = Plan((member,), rounds=rounds)
        return found

    def resolve(self, name: str) -> Route:
        """Raises GatewayError where no model or more than one has this name."""
        if name in self._by_unique:
            return self._by_unique[name]
        found = self._by_qualified.get(name) or self._by_id.get(name) or []
        if not found:
            raise no_such_model(name)
        if len(found) > 1:
            raise _ambiguous(name, [self._longer_name(route) for route in found])
        return found[0]

    def name_of(self, route: Route) -> str:
        """The shortest name that `resolve` takes back to `route`."""
        is_shadowed = route.model_id in self._by_qualified or route.model_id in self.aliases
        if len(self._by_id[route.model_id]) == 1 and not is_shadowed:
            return route.model_id
        return self._longer_name(route)

    def _longer_name(self, route: Route) -> str:
        return route.qualified if len(self._by_qualified[route.qualified]) == 1 else route.unique


def _ambiguous(name: str, names: list[str]) -> GatewayError:
    return bad_request(
        f"Several models are named '{name}'. Write one of: {', '.join(sorted(names))}.",
        param="model",
        code="ambiguous_model",
    )


class Directory:
    """Every usable route of the platform, and each caller's view of it."""

    def __init__(
        self,
        routes: Iterable[Route],
        aliases: Iterable[tuple[int | None, Plan]] = (),
        replicas: Replicas = MappingProxyType({}),
    ) -> None:
        self._replicas = replicas
        self._shared: list[Route] = []
        self._personal: dict[int, list[Route]] = defaultdict(list)
        # The company's first: of two equal names the later one counts.
        self._aliases = sorted(aliases, key=lambda each: each[0] is not None)
        for route in routes:
            if route.owner_id is None:
                self._shared.append(route)
            else:
                self._personal[route.owner_id].append(route)
        self._owners: set[int | None] = {owner_id for owner_id, _plan in self._aliases}
        self._owners.update(self._personal)
        self._views: dict[tuple[int | None, frozenset[str]], Catalogue] = {}

    def for_caller(self, caller: Caller) -> Catalogue:
        """Shared routes and the caller's own, as far as the key allows."""
        owner_id = caller.user_id if caller.user_id in self._owners else None
        view = self._views.get((owner_id, caller.allowed))
        if view is None:
            own = self._personal.get(owner_id, []) if owner_id is not None else []
            routes = [r for r in [*own, *self._shared] if _is_allowed(r, caller.allowed)]
            aliases = self._visible(owner_id, caller.allowed, [*own, *self._shared])
            view = Catalogue(routes, aliases, self._replicas)
            self._views[owner_id, caller.allowed] = view
        return view

    def _visible(
        self, owner_id: int | None, allowed: frozenset[str], usable: list[Route]
    ) -> Iterable[Plan]:
        """Aliases with what of their models the caller may use. A key that is limited to models
        may use an alias if it names it, or then those of its models that it names."""
        known = {route.target.model_pk for route in usable}
        for alias_owner, plan in self._aliases:
            if alias_owner not in (None, owner_id):
                continue
            is_named = not allowed or plan.alias in allowed
            fit = plan.only(
                lambda r, whole=is_named: (
                    r.model_pk in known  # type: ignore[misc]
                    and (whole or _is_allowed(r, allowed))
                )
            )
            if fit.members:
                yield fit


def _is_allowed(route: Route, allowed: frozenset[str]) -> bool:
    return not allowed or bool(allowed & {route.model_id, route.qualified, route.unique})


def load_directory() -> Directory:
    routes, replicas = _load_routes()
    by_pk = {route.model_pk: route for route in routes}
    return Directory(routes, _load_aliases(by_pk, replicas), replicas)


def _load_aliases(routes: dict[int, Route], replicas: Replicas) -> list[tuple[int | None, Plan]]:
    found = []
    rows = Alias.objects.filter(is_enabled=True)
    for alias in rows.prefetch_related("members__model__provider"):
        usable = [row for row in alias.members.all() if row.model_id in routes]
        is_cheapest = alias.strategy == Strategy.COST
        costs = blended_costs([row.model for row in usable]) if is_cheapest else {}
        members = tuple(
            Member(
                *(routes[row.model_id], row.weight, costs.get(row.model_id)),
                replicas=replicas.get(row.model_id, ()),
            )
            for row in usable
        )
        plan = Plan(members, alias.name, alias.strategy, 1 + alias.retries)
        found.append((alias.owner_id, plan))
    return found


def _load_routes() -> tuple[list[Route], Replicas]:
    """Those with names of their own, and the replicas behind them."""
    providers = {row.pk: row for row in Provider.objects.filter(is_enabled=True)}
    targets = {pk: _target(row) for pk, row in providers.items()}
    routes, behind = [], defaultdict(list)
    stand_ins = []
    for model in ProviderModel.objects.answering().order_by("provider__name", "model_id"):
        provider, target = providers.get(model.provider_id), targets.get(model.provider_id)
        if provider is None or target is None:
            continue
        route = Route(
            target=replace(
                target, model_id=model.model_id, model_pk=model.pk, defaults=model.defaults
            ),
            main_type=model.main_type,
            types=tuple(str(each) for each in model.types or ()),
            system_prompt=model.system_prompt,
            owner_id=provider.owner_id,
            created=int(provider.created_at.timestamp()),
        )
        if model.replica_of_id is not None:
            behind[model.replica_of_id].append(route)
            continue
        routes.append(route)
        if model.answers_as_id is not None:
            stand_ins.append((model.pk, model.answers_as_id))
    replicas = {pk: tuple(found) for pk, found in behind.items()}
    replicas |= {pk: replicas[other] for pk, other in stand_ins if other in replicas}
    return routes, replicas


def _target(provider: Provider) -> Target | None:
    try:
        return provider.target()
    except KeyUnreadable:
        logger.warning("the credential of provider %s cannot be decrypted", provider.pk)
        return None


def directory_snapshot(health: Health, in_thread: Read = in_database) -> Refreshed[Directory]:
    """Changes in this process are in it at once. With every renewal `health` learns what other
    processes have found."""

    def read() -> tuple[Directory, list[tuple[int, str, float]]]:
        return load_directory(), resting()

    async def load() -> Directory:
        directory, rows = await in_thread(read)
        for model_pk, reason, wait_s in rows:
            health.rests(model_pk, reason=reason, for_s=wait_s)
        return directory

    snapshot = Refreshed(load)
    models_changed.connect(snapshot.expire)
    return snapshot
