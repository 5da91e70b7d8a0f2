"""What a shim is made of: less than the platform, and links that agree with it."""

import os
import subprocess
import sys
import uuid
from pathlib import Path

from django.conf import settings
from django.urls import reverse

# What only some tasks and kinds of work need, and would be half of the memory.
HEAVY = (
    'HEAVY = {"unfold", "ninja", "reportlab", "numpy", "PIL", "httpx", "redis", "jwt", '
    '"rest_framework", "cryptography", "prompt_toolkit", "providers.services"}'
)
WORKER = """
import importlib.util, sys
sys.argv[0] = importlib.util.find_spec("llmplatform.background").origin
from llmplatform import background
background.app.loader.import_default_modules()
background.app.Worker(queues=["celery"])
assert not HEAVY & sys.modules.keys(), HEAVY & sys.modules.keys()
"""
QUIET = (
    WORKER
    + """
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
settings.MIGRATION_MODULES = {app.label: None for app in apps.get_app_configs()}
call_command("migrate", run_syncdb=True, verbosity=0)
for entry in background.app.conf.beat_schedule.values():
    background.app.tasks[entry["task"]].apply(args=entry.get("args", ()), throw=True)
    assert not HEAVY & sys.modules.keys(), (entry["task"], HEAVY & sys.modules.keys())
"""
)
SCRIPT = """
import sys, uuid
from training.shim.__main__ import set_up
set_up()
from django.urls import reverse
import training.shim.supervision
HEAVY |= {"celery", "channels"}
assert not HEAVY & sys.modules.keys(), HEAVY & sys.modules.keys()
print(reverse("training:detail", args=[uuid.UUID(int=1)]))
assert "training.views" not in sys.modules
"""


def run(script: str, **env: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", f"{HEAVY}\n{script}"],
        capture_output=True,
        text=True,
        cwd=settings.BASE_DIR,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "llmplatform.settings"} | env,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_shim_loads_little_and_links_to_the_same_page() -> None:
    assert run(SCRIPT).strip() == reverse("training:detail", args=[uuid.UUID(int=1)])


def test_a_worker_loads_little() -> None:
    run(WORKER)


def test_a_worker_without_work_stays_as_small(tmp_path: Path) -> None:
    """Every periodic task has run once, on an empty database."""
    run(QUIET, DATABASE_URL=f"sqlite:///{tmp_path}/db.sqlite3", REDIS_URL="")
