"""The one error that API code raises on purpose, and the shape of all."""

from collections.abc import Mapping, Sequence
from typing import Any

Fields = Mapping[str, Sequence[str]]


def error_body(code: str, message: str, fields: Fields | None = None) -> dict[str, Any]:
    """What every refusal of the API looks like."""
    error: dict[str, Any] = {"code": code, "message": message}
    if fields:
        error["fields"] = fields
    return {"error": error}


class ApiError(Exception):
    """Becomes `{"error": {"code", "message", "fields"?}}` with `status`.

    `code` is a stable snake_case word for programs, `message` is translated for people.
    `retry_after_s` is the header `Retry-After` of a 429.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        fields: Fields | None = None,
        *,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.fields = fields
        self.retry_after_s = retry_after_s
