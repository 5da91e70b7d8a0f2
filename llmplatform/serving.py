"""Static files from the ASGI process: hashed names, cached for a year, compressed copies."""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from servestatic import ServeStaticASGI

Application = Callable[..., Awaitable[Any]]
HASHED = re.compile(r"\.[0-9a-f]{12}\.")


def with_static(application: Application) -> Application:
    """`application` with STATIC_ROOT served in front of it; without the folder, as it is."""
    root = Path(settings.STATIC_ROOT)
    if not root.is_dir():
        return application
    served: Application = ServeStaticASGI(
        application,
        root=str(root),
        prefix="/static/",
        max_age=60,
        immutable_file_test=lambda path, url: HASHED.search(url) is not None,
    )
    return served
