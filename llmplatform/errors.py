"""The one error that API code raises on purpose."""

from collections.abc import Mapping, Sequence

Fields = Mapping[str, Sequence[str]]


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
