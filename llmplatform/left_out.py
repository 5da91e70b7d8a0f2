"""What libraries import in passing and the web process does not use: 8 MB."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Whoever imports one of them does it in a `try` and goes on without.
TRIED = (
    # unfold, for fields that no model here has; psycopg comes with it, whatever the database is.
    "django.contrib.postgres.fields",
    # httpcore, which asks again when a connection speaks HTTP/2.
    "h2",
)


@contextmanager
def left_out() -> Iterator[None]:
    """For the time of importing; who asks later gets them."""
    absent = [name for name in TRIED if name not in sys.modules]
    modules: dict[str, object] = sys.modules  # type: ignore[assignment]
    # What an import makes of it: ImportError.
    modules.update(dict.fromkeys(absent))
    try:
        yield
    finally:
        for name in absent:
            del modules[name]
