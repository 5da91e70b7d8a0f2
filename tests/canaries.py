"""Secrets that are planted, and the search for them in everything that is shown or kept."""

import base64
import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from django.apps import apps
from django.core import serializers

from llmplatform.logs import LineFormatter
from tests.routes import text_of
from tests.sources import APPS

PIECE = 12


def forms_of(secret: str) -> set[str]:
    """The secret and what careless code makes of it: encoded, escaped, turned round, and every
    piece that is long enough to help somebody."""
    pieces = {secret[at : at + PIECE] for at in range(len(secret) - PIECE + 1)}
    return pieces | {
        secret,
        quote(secret),
        json.dumps(secret)[1:-1],
        base64.b64encode(secret.encode()).decode().rstrip("="),
        secret[::-1],
    }


@dataclass
class Sinks:
    """Everything that was shown or kept, by where."""

    seen: dict[str, str] = field(default_factory=dict)

    def take(self, response: Any) -> Any:
        request = response.request
        name = f"{request['REQUEST_METHOD']} {request['PATH_INFO']} {len(self.seen)}"
        self.seen[name] = text_of(response) + str(response.headers)
        return response

    def leaks(self, secret: str) -> list[str]:
        forms = forms_of(secret)
        return [name for name, text in self.seen.items() if any(form in text for form in forms)]


def rows_of_the_database() -> str:
    """Every row of every table, as a copy of the database would show it."""
    return "\n".join(
        serializers.serialize("json", model._default_manager.all())
        for app in APPS
        for model in apps.get_app_config(app).get_models()
    )


@contextmanager
def written_log() -> Iterator[io.StringIO]:
    """What the platform's own handler would have written, at the most talkative level."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(LineFormatter())
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.removeHandler(handler)
    root.setLevel(before)
