"""Failures in OpenAI's shape: `{"error": {"message", "type", "param", "code"}}`."""

from collections.abc import Mapping
from typing import Any

from django.utils import translation

from providers.errors import (
    ContextTooLong,
    Filtered,
    NoSuchModel,
    Overloaded,
    ProviderError,
    RateLimited,
    TimedOut,
    Unavailable,
)

INVALID_REQUEST = "invalid_request_error"
# Where OpenAI has a word for it, its SDKs and their users know that word.
_CODES: dict[type[ProviderError], str] = {
    ContextTooLong: "context_length_exceeded",
    Filtered: "content_filter",
    NoSuchModel: "model_not_found",
    RateLimited: "rate_limit_exceeded",
}
_WORTH_A_RETRY = (RateLimited, Overloaded, Unavailable, TimedOut)


class GatewayError(Exception):
    """An answer that is not the one asked for. `record_code` goes into the call record."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        kind: str = INVALID_REQUEST,
        headers: Mapping[str, str] | None = None,
        record_code: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.kind = kind
        self.headers = dict(headers or {})
        self.record_code = record_code or code or "bad_request"

    def body(self) -> dict[str, Any]:
        return {
            "error": {
                "message": self.message,
                "type": self.kind,
                "param": self.param,
                "code": self.code,
            }
        }


def bad_request(
    message: str, *, param: str | None = None, code: str | None = None, status: int = 400
) -> GatewayError:
    return GatewayError(status, message, param=param, code=code)


def no_such_model(name: str) -> GatewayError:
    shown = name if len(name) <= 200 else f"{name[:200]}…"
    return GatewayError(
        404,
        f"The model '{shown}' does not exist or this key may not use it.",
        code="model_not_found",
        param="model",
    )


def unavailable(message: str, *, retry_after_s: int = 5) -> GatewayError:
    return GatewayError(
        503,
        message,
        kind="api_error",
        code="service_unavailable",
        headers={"retry-after": str(retry_after_s)},
    )


def from_provider(error: ProviderError) -> GatewayError:
    """The provider's own words stay out: several of them echo part of the key."""
    headers = {"x-should-retry": "true" if isinstance(error, _WORTH_A_RETRY) else "false"}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(max(1, round(error.retry_after_s)))
    with translation.override("en"):
        message = str(error.advice)
    kinds = {429: "rate_limit_error"}
    fallback = INVALID_REQUEST if error.status < 500 else "api_error"
    return GatewayError(
        error.status,
        message,
        kind=kinds.get(error.status, fallback),
        code=_CODES.get(type(error), error.code),
        headers=headers,
        record_code=error.code,
    )
