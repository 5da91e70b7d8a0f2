"""The web process begins small: what only some of its work needs comes with that work."""

import os
import subprocess
import sys
from pathlib import Path

from django.conf import settings

SCRIPT = """
import sys
import llmplatform.asgi
unused = {"numpy", "redis", "channels_redis", "psycopg", "django.contrib.postgres.fields", "h2"}
unused |= {"qdrant_client", "qdrant_edge", "reportlab", "pypdfium2", "rjieba", "prompt_toolkit"}
assert not unused & sys.modules.keys(), unused & sys.modules.keys()

from llmplatform.schemas import Answer
unbuilt = [each for each in Answer.__subclasses__() if not each.__pydantic_complete__]
assert len(unbuilt) > 100, len(unbuilt)

# Who needs them gets them.
from llmplatform.arrays import np
assert np.arange(3).sum() == 3 and "numpy" in sys.modules
import h2.connection, redis, django.contrib.postgres.fields
"""


def test_a_web_process_on_embedded_defaults_loads_little(tmp_path: Path) -> None:
    env = {
        "DJANGO_SETTINGS_MODULE": "llmplatform.settings",
        "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
        "PLATFORM_DATA": str(tmp_path),
        "REDIS_URL": "",
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        cwd=settings.BASE_DIR,
        env=os.environ | env,
        check=False,
    )
    assert done.returncode == 0, done.stderr
