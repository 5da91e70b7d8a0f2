"""Which pages may open sockets."""

from typing import Any
from urllib.parse import ParseResult

from channels.security.websocket import OriginValidator
from django.conf import settings


class SocketOrigins(OriginValidator):
    """Pages of this platform, and programs: a browser always sends an Origin, a program need not.

    The cookie of a person's browser is thereby never of use to another site.
    """

    def __init__(self, application: Any) -> None:
        super().__init__(application, settings.ALLOWED_HOSTS)

    def valid_origin(self, parsed_origin: ParseResult | None) -> bool:
        return parsed_origin is None or bool(self.validate_origin(parsed_origin))
