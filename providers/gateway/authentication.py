"""Who is calling: personal keys, checked in memory against rows that are seconds old."""

import time
from collections.abc import Collection, MutableMapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from accounts.access import find_key
from accounts.models import LIMITS, ApiKey
from accounts.services import keys_changed
from providers.gateway.errors import GatewayError
from providers.gateway.exchange import Exchange
from providers.gateway.limits.holders import Holder, holder_of, holders_of
from providers.gateway.snapshot import Read, Refreshed, in_database

KEYS_KEPT = 10_000
FORGET_AFTER_S = 60.0
# A key revoked in another process is refused within a second: the oldest row that is used, plus the
# time to read a new one. In this process it is refused at once.
REFRESH_AFTER_S, USABLE_FOR_S = 0.5, 0.8
REFUSED_FOR_S = 3.0
# Databases limit how many values one query may name.
CHUNK = 500


@dataclass(frozen=True)
class Caller:
    """A live personal key and its active user. `allowed` empty: every model the user may use.

    `holders`: the key and the user as far as they have limits, None where neither has.
    """

    key_id: int
    user_id: int
    allowed: frozenset[str]
    holders: tuple[Holder, ...] | None
    expires_at: float | None

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= time.time()


def invalid_key(message: str) -> GatewayError:
    return GatewayError(
        401, message, code="invalid_api_key", headers={"www-authenticate": "Bearer"}
    )


def read_token(exchange: Exchange) -> str:
    """The key of `Authorization: Bearer` or `x-api-key`. Raises GatewayError.

    Two different keys are refused: which one counts must not depend on who reads the request.
    """
    found = [value.decode("latin-1").strip() for value in exchange.headers(b"x-api-key")]
    for value in exchange.headers(b"authorization"):
        scheme, _space, token = value.decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            raise invalid_key("Send the key as 'Authorization: Bearer <key>'.")
        found.append(token.strip())
    if len(found) > 1 and len(set(found)) > 1:
        raise invalid_key("The request holds two different keys.")
    if not found or not found[0]:
        raise invalid_key("No key was given. Send a personal key: 'Authorization: Bearer <key>'.")
    return found[0]


# A row is read several times a second: plain values cost a fifth of a model's instance.
_VALUES = (
    *("pk", "user_id", "allowed_models", "expires_at"),
    *LIMITS,
    *(f"user__limits__{name}" for name in LIMITS),
)


def _caller(row: Sequence[Any]) -> Caller:
    key_id, user_id, allowed, expires_at, *limits = row
    own, users = limits[: len(LIMITS)], limits[len(LIMITS) :]
    return Caller(
        key_id=key_id,
        user_id=user_id,
        allowed=frozenset(str(name) for name in allowed or ()),
        holders=holders_of(holder_of("key", key_id, own), holder_of("user", user_id, users)),
        expires_at=expires_at.timestamp() if expires_at else None,
    )


def find_caller(token: str) -> Caller | None:
    key = find_key(token)
    return load_callers([key.pk]).get(key.pk) if key is not None else None


def load_callers(key_ids: Sequence[int]) -> dict[int, Caller]:
    """Those of `key_ids` that are live now."""
    found: dict[int, Caller] = {}
    for start in range(0, len(key_ids), CHUNK):
        rows = ApiKey.objects.live().filter(pk__in=key_ids[start : start + CHUNK]).order_by()
        found |= {row[0]: _caller(row) for row in rows.values_list(*_VALUES)}
    return found


@dataclass
class _Seen:
    key_id: int
    used_at: float


class Keyring:
    """Tokens that were good once are known by the SHA-256 of their whole text; the rows behind
    them are read again together. Memory is bounded whatever is sent."""

    def __init__(self, read: Read = in_database) -> None:
        self._read = read
        self._seen: dict[bytes, _Seen] = {}
        self._refused: dict[bytes, float] = {}
        # None: was asked for and is not live.
        self._callers: Refreshed[dict[int, Caller | None]] = Refreshed(
            self._load, refresh_after_s=REFRESH_AFTER_S, usable_for_s=USABLE_FOR_S
        )
        # Ids of keys that are read again though nobody shows them: their calls run.
        self.in_use: Collection[int] = ()
        keys_changed.connect(self._forget)

    def _forget(self, **_signal: Any) -> None:
        """A key, its user or their limits have changed in this process; from any thread."""
        self._callers.expire()

    def known(self, token: str) -> Caller | None:
        """The live key with this text, where that is known without waiting."""
        seen = self._seen.get(_digest(token))
        callers = None if seen is None else self._callers.known()
        if seen is None or callers is None:
            return None
        seen.used_at = time.monotonic()
        caller = callers.get(seen.key_id)
        return None if caller is None or caller.is_expired else caller

    async def caller(self, token: str) -> Caller | None:
        """The live key with this text, or None."""
        digest = _digest(token)
        if not digest:
            return None
        now = time.monotonic()
        seen = self._seen.get(digest)
        caller = None
        if seen is not None:
            seen.used_at = now
            caller = (await self._callers.get()).get(seen.key_id)
        elif self._refused.get(digest, 0.0) > now:
            return None
        if caller is None:
            caller = await self._look_up(token, digest)
        return None if caller is None or caller.is_expired else caller

    async def ended(self, key_ids: Collection[int]) -> set[int]:
        """Those that are not live any more. One that is `in_use` only since the last reading is not
        among them before the next. Raises DatabaseError."""
        callers = await self._callers.get()
        ended = set()
        for key_id in key_ids:
            caller = callers.get(key_id)
            if key_id in callers and (caller is None or caller.is_expired):
                ended.add(key_id)
        return ended

    async def _look_up(self, token: str, digest: bytes) -> Caller | None:
        caller = await in_database(find_caller, token)
        now = time.monotonic()
        if caller is None:
            self._seen.pop(digest, None)
            _make_room(self._refused)
            self._refused[digest] = now + REFUSED_FOR_S
            return None
        _make_room(self._seen)
        self._seen[digest] = _Seen(caller.key_id, now)
        callers = await self._callers.get()
        if callers.get(caller.key_id) is None:
            callers[caller.key_id] = caller
        return caller

    async def _load(self) -> dict[int, Caller | None]:
        oldest = time.monotonic() - FORGET_AFTER_S
        self._seen = {key: row for key, row in self._seen.items() if row.used_at > oldest}
        key_ids = sorted({row.key_id for row in self._seen.values()}.union(self.in_use))
        live = await self._read(load_callers, key_ids)
        return {key_id: live.get(key_id) for key_id in key_ids}


def _digest(token: str) -> bytes:
    """Empty for what is no key."""
    if len(token) > 200 or not token.isascii():
        return b""
    return sha256(token.encode()).digest()


def _make_room(entries: MutableMapping[bytes, Any]) -> None:
    if len(entries) >= KEYS_KEPT:
        for digest in list(entries)[: KEYS_KEPT // 10]:
            del entries[digest]
