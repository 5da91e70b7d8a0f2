"""How a key is shown to a provider, without IO.

`Profile.auth` names the way: "bearer", "header:<name>", "query:<name>", "jwt" (Zhipu's signed
token) or "none". OAuth2 client credentials come before these: the token that they get takes the
key's place in the Target and goes out as "bearer" or "query:access_token".
"""

import base64
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Protocol
from urllib.parse import quote, urlencode

import jwt
import orjson

from providers.errors import Authentication, InvalidAnswer
from providers.types import ClientCredentials, HttpRequest


class Auth(Protocol):
    def sign(self, request: HttpRequest, key: str) -> HttpRequest: ...


@dataclass(frozen=True)
class Bearer:
    def sign(self, request: HttpRequest, key: str) -> HttpRequest:
        headers = {**request.headers, "Authorization": f"Bearer {key}"}
        return HttpRequest(request.method, request.url, headers, request.body)


@dataclass(frozen=True)
class Header:
    name: str

    def sign(self, request: HttpRequest, key: str) -> HttpRequest:
        return replace(request, headers={**request.headers, self.name: key})


@dataclass(frozen=True)
class QueryKey:
    """Ends up in logs on the way: only for providers that have nothing else."""

    name: str

    def sign(self, request: HttpRequest, key: str) -> HttpRequest:
        separator = "&" if "?" in request.url else "?"
        return replace(request, url=f"{request.url}{separator}{urlencode({self.name: key})}")


@dataclass(frozen=True)
class SignedToken:
    """Zhipu: a key `<id>.<secret>` becomes a JWT, HS256, times in milliseconds."""

    now_s: Callable[[], float] = time.time
    lifetime_ms: int = 210_000

    def sign(self, request: HttpRequest, key: str) -> HttpRequest:
        return Bearer().sign(request, self.token(key))

    def token(self, key: str) -> str:
        """Raises Authentication when the key has another form."""
        key_id, dot, secret = key.partition(".")
        if not (key_id and dot and secret):
            raise Authentication("not <id>.<secret>")
        now_ms = round(self.now_s() * 1000)
        payload = {"api_key": key_id, "exp": now_ms + self.lifetime_ms, "timestamp": now_ms}
        # `typ` None leaves it out, as the vendor's own library does.
        headers = {"sign_type": "SIGN", "typ": None}
        return jwt.encode(payload, secret, algorithm="HS256", headers=headers)


@dataclass(frozen=True)
class Anonymous:
    def sign(self, request: HttpRequest, key: str) -> HttpRequest:
        return request


def auth_of(name: str) -> Auth:
    """Raises ValueError for a way that is not known."""
    way, _colon, argument = name.partition(":")
    if argument and way in ("header", "query"):
        return Header(argument) if way == "header" else QueryKey(argument)
    plain: dict[str, Auth] = {"bearer": Bearer(), "jwt": SignedToken(), "none": Anonymous()}
    if name not in plain:
        raise ValueError(f"unknown way to show a key: {name}")
    return plain[name]


@dataclass(frozen=True)
class Token:
    """`usable_until_s` is a time of the cache's clock."""

    value: str = field(repr=False)
    usable_until_s: float


def token_request(credentials: ClientCredentials) -> HttpRequest:
    form = {"grant_type": "client_credentials"}
    form |= {"scope": credentials.scope} if credentials.scope else {}
    secret = {"client_id": credentials.client_id, "client_secret": credentials.client_secret}
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
    }
    if credentials.style == "query":
        url = f"{credentials.token_url}?{urlencode(form | secret)}"
        return HttpRequest("POST", url, headers)
    if credentials.style == "body":
        form |= secret
    else:
        pair = ":".join(quote(each, safe="") for each in secret.values())
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return HttpRequest("POST", credentials.token_url, headers, urlencode(form).encode())


def read_token(body: bytes, *, now_s: float) -> Token:
    """Raises Authentication when the provider gives none, InvalidAnswer for no JSON."""
    try:
        answer = orjson.loads(body)
    except ValueError as error:
        raise InvalidAnswer("not JSON") from error
    if not isinstance(answer, dict):
        raise InvalidAnswer("not an object")
    value, lifetime_s = answer.get("access_token"), answer.get("expires_in")
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or not value:
        raise Authentication("no token")
    # Some servers write the number as text.
    if isinstance(lifetime_s, str) and lifetime_s.isascii() and lifetime_s.isdigit():
        lifetime_s = int(lifetime_s[:12])
    if isinstance(lifetime_s, bool) or not isinstance(lifetime_s, int | float):
        lifetime_s = 300
    # Renewed early, so that none runs out between here and there.
    return Token(value, now_s + lifetime_s - min(3600, lifetime_s / 10))


class TokenCache:
    """Tokens by provider and credentials: a changed secret asks anew. Bounded."""

    MAX_TOKENS = 1000

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tokens: dict[Hashable, Token] = {}

    def get(self, key: Hashable) -> str | None:
        token = self._tokens.get(key)
        return token.value if token and self._clock() < token.usable_until_s else None

    def put(self, credentials: ClientCredentials, body: bytes) -> str:
        """Keeps the token in the answer to `token_request(credentials)` and gives it."""
        token = read_token(body, now_s=self._clock())
        while len(self._tokens) >= self.MAX_TOKENS:
            self._tokens.pop(next(iter(self._tokens)), None)
        self._tokens[credentials] = token
        return token.value

    def forget(self, key: Hashable, value: str) -> None:
        """After the provider refused it; a newer one stays."""
        token = self._tokens.get(key)
        if token is not None and token.value == value:
            self._tokens.pop(key, None)
