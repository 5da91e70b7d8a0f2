"""Redis, as tests reach it."""

import socket
from collections.abc import Callable
from contextlib import suppress

import pytest

from providers.gateway.limits.shared import RedisStore

# Below those that the processes of the suite have for themselves and empty (settings_test.py).
URL = "redis://127.0.0.1:6379/7"
MakeRedis = Callable[[], RedisStore]


def _is_listening() -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", 6379), timeout=1):
        return True
    return False


needs_redis = pytest.mark.skipif(not _is_listening(), reason="no Redis on this machine")
