"""From the name a caller writes to the deployment that answers.

A name is a `model_id` where only one visible model has it, or `provider/model_id`. Where two
visible providers share a name, `provider#<id>/model_id` tells them apart.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import quote

from llmplatform.encryption import KeyUnreadable
from providers.gateway.authentication import Caller
from providers.gateway.errors import GatewayError, bad_request, no_such_model
from providers.gateway.snapshot import Refreshed, in_database
from providers.models import Provider, ProviderModel
from providers.types import Target

logger = logging.getLogger(__name__)

NO_CHAT = frozenset(
    ("embedding", "rerank", "moderation", "stt", "tts", "realtime", "video", "image")
)


@dataclass(frozen=True)
class Route:
    """One model of one provider, with everything a call needs."""

    target: Target
    main_type: str
    types: tuple[str, ...]
    system_prompt: str
    owner_id: int | None
    created: int

    @property
    def model_id(self) -> str:
        return self.target.model_id

    @property
    def qualified(self) -> str:
        return f"{self.target.provider_name}/{self.target.model_id}"

    @property
    def unique(self) -> str:
        return f"{self.target.provider_name}#{self.target.provider_id}/{self.target.model_id}"

    @property
    def header(self) -> str:
        """`qualified` as an ASCII header value."""
        return quote(self.qualified, safe=" !#$&'()*+,-./:;=?@[]^_`{|}~")

    def check_chat(self) -> None:
        if self.main_type in NO_CHAT:
            raise bad_request(
                f"'{self.model_id}' is of the type '{self.main_type}' and does not chat.",
                param="model",
                code="model_not_chat",
            )

    def check_type(self, wanted: str, *, code: str) -> None:
        if wanted != self.main_type and wanted not in self.types:
            raise bad_request(
                f"'{self.model_id}' is of the type '{self.main_type}', not '{wanted}'.",
                param="model",
                code=code,
            )


class Catalogue:
    """The models one caller may use, and their names."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = list(routes)
        self._by_id: dict[str, list[Route]] = defaultdict(list)
        self._by_qualified: dict[str, list[Route]] = defaultdict(list)
        self._by_unique = {route.unique: route for route in self.routes}
        for route in self.routes:
            self._by_id[route.model_id].append(route)
            self._by_qualified[route.qualified].append(route)

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
        is_shadowed = route.model_id in self._by_qualified
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

    def __init__(self, routes: Iterable[Route]) -> None:
        self._shared: list[Route] = []
        self._personal: dict[int, list[Route]] = defaultdict(list)
        for route in routes:
            if route.owner_id is None:
                self._shared.append(route)
            else:
                self._personal[route.owner_id].append(route)
        self._views: dict[tuple[int | None, frozenset[str]], Catalogue] = {}

    def for_caller(self, caller: Caller) -> Catalogue:
        """Shared routes and the caller's own, as far as the key allows."""
        owner_id = caller.user_id if caller.user_id in self._personal else None
        view = self._views.get((owner_id, caller.allowed))
        if view is None:
            own = self._personal[owner_id] if owner_id is not None else []
            view = Catalogue(r for r in [*own, *self._shared] if _is_allowed(r, caller.allowed))
            self._views[owner_id, caller.allowed] = view
        return view


def _is_allowed(route: Route, allowed: frozenset[str]) -> bool:
    return not allowed or bool(allowed & {route.model_id, route.qualified, route.unique})


def load_directory() -> Directory:
    providers = {row.pk: row for row in Provider.objects.filter(is_enabled=True)}
    targets = {pk: _target(row) for pk, row in providers.items()}
    routes = []
    for model in ProviderModel.objects.usable().order_by("provider__name", "model_id"):
        provider, target = providers.get(model.provider_id), targets.get(model.provider_id)
        if provider is None or target is None:
            continue
        routes.append(
            Route(
                target=replace(
                    target, model_id=model.model_id, model_pk=model.pk, defaults=model.defaults
                ),
                main_type=model.main_type,
                types=tuple(str(each) for each in model.types or ()),
                system_prompt=model.system_prompt,
                owner_id=provider.owner_id,
                created=int(provider.created_at.timestamp()),
            )
        )
    return Directory(routes)


def _target(provider: Provider) -> Target | None:
    try:
        return provider.target()
    except KeyUnreadable:
        logger.warning("the credential of provider %s cannot be decrypted", provider.pk)
        return None


def directory_snapshot() -> Refreshed[Directory]:
    async def load() -> Directory:
        return await in_database(load_directory)

    return Refreshed(load)
