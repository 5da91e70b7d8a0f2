"""Failures in Anthropic's shape: a type of `error`, the `error` itself, the `request_id`."""

from typing import Any

from providers.gateway.errors import INVALID_REQUEST, GatewayError

_KINDS = {
    **{401: "authentication_error", 402: "billing_error", 403: "permission_error"},
    **{404: "not_found_error", 405: INVALID_REQUEST, 413: "request_too_large"},
    **{429: "rate_limit_error", 504: "timeout_error", 529: "overloaded_error"},
}
OVERLOADED = 529


def status_of(error: GatewayError) -> int:
    """Anthropic has a status of its own for being busy, and its SDK an exception."""
    return OVERLOADED if error.code == "overloaded" else error.status


def error_body(error: GatewayError, request_id: str) -> dict[str, Any]:
    status = status_of(error)
    fallback = INVALID_REQUEST if status < 500 else "api_error"
    shown = {"type": _KINDS.get(status, fallback), "message": error.message}
    return {"type": "error", "error": shown, "request_id": request_id}
