"""The one error that API code raises on purpose."""

from collections.abc import Mapping, Sequence

Fields = Mapping[str, Sequence[str]]


class ApiError(Exception):
    """Becomes `{"error": {"code", "message", "fields"?}}` with `status`.

    `code` is a stable snake_case word for programs, `message` is translated for people.
    """

    def __init__(self, status: int, code: str, message: str, fields: Fields | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.fields = fields
