"""Settings of the test suite: the same code, a folder of its own, fast password hashing."""

import atexit
import os
import shutil
import tempfile

os.environ["PLATFORM_DATA"] = tempfile.mkdtemp(prefix="llmplatform-test-")
os.environ.pop("CSRF_TRUSTED_ORIGINS", None)

from llmplatform.settings import *  # noqa: F403
from llmplatform.settings import (
    CACHES,
    CHANNEL_LAYERS,
    DATABASES,
    LOGGING,
    PLATFORM_DATA,
    REDIS_URL,
    STORAGES,
)

# Before the suite registers anything of its own, so that it runs after all of that.
atexit.register(shutil.rmtree, PLATFORM_DATA, ignore_errors=True)
ALLOWED_HOSTS = ["testserver", "127.0.0.1", "localhost"]
PASSWORD_HASHERS = ["accounts.hashers.FastBCryptHasher"]
CELERY_TASK_ALWAYS_EAGER = True
# Tests of the library begin with an empty one.
PROMPT_PRESETS = False
CELERY_TASK_EAGER_PROPAGATES = True
STORAGES = STORAGES | {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
}
LOGGING = LOGGING | {"root": {"handlers": ["console"], "level": "WARNING"}}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file, so that threads and child processes see the same rows.
    DATABASES["default"]["TEST"] = {"NAME": PLATFORM_DATA / "test.sqlite3"}
if REDIS_URL:
    # A database of its own for each process of the suite: clearing the cache empties all of it.
    _worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    _redis = f"{REDIS_URL.rsplit('/', 1)[0]}/{8 + _worker}"
    REDIS_URL = _redis
    CACHES["default"]["LOCATION"] = _redis
    CHANNEL_LAYERS["default"]["CONFIG"]["hosts"] = [_redis]
