"""What a shim is made of: less than the platform, and links that agree with it."""

import os
import subprocess
import sys
import uuid

from django.conf import settings
from django.urls import reverse

WORKER = """
import sys
sys.argv[:] = ["/somewhere/celery/__main__.py", "-A", "llmplatform", "worker"]
import django
django.setup()
import accounts.tasks, chat.tasks, training.tasks
assert not {"unfold", "ninja", "reportlab"} & sys.modules.keys()
"""
SCRIPT = """
import sys, uuid
from training.shim.__main__ import set_up
set_up()
from django.urls import reverse
import training.shim.supervision
assert not {"unfold", "ninja", "numpy", "reportlab"} & sys.modules.keys()
named = [("training:detail", uuid.UUID(int=1)), ("models:detail", 1), ("datasets:detail", 1)]
for name, value in named:
    print(reverse(name, args=[value]))
"""


def run(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=settings.BASE_DIR,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "llmplatform.settings"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_shim_needs_neither_console_nor_api_and_links_to_the_same_pages() -> None:
    wanted = (("training:detail", uuid.UUID(int=1)), ("models:detail", 1), ("datasets:detail", 1))
    assert run(SCRIPT).split() == [reverse(name, args=[value]) for name, value in wanted]


def test_a_worker_needs_neither_console_nor_api() -> None:
    run(WORKER)
