"""One log line an event: control characters escaped, anything that looks like a secret masked."""

import logging
import re

SECRET = re.compile(
    r"(?i)(bearer\s+|api[-_]?key[\"'=:\s]+|password[\"'=:\s]+|token[\"'=:\s]+)[^\s\"',&]{6,}"
    r"|(?<![A-Za-z0-9])(sk|pk|llmp)[-_][A-Za-z0-9._-]{8,}"
)


def masked(text: str) -> str:
    return SECRET.sub(lambda found: (found.group(1) or "") + "***", text)


class LineFormatter(logging.Formatter):
    """`2026-11-24T10:00:00 INFO logger message`; newlines of a message can't forge a line."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:
        escaped = record.message.encode("unicode_escape").decode("ascii", "replace")
        if record.message.isprintable():
            escaped = record.message
        record.message = masked(escaped)
        return super().formatMessage(record)

    def formatException(self, ei: object) -> str:
        return masked(super().formatException(ei))  # type: ignore[arg-type]
