"""The process that makes tokens (runner/tokens.py), for whoever asks for them (tokens.py)."""

import logging
import os
import subprocess
from pathlib import Path

from django.conf import settings

from training.shim import locks
from training.shim.process import PASSED_ON

logger = logging.getLogger(__name__)

RUNNER = Path(__file__).resolve().parent / "runner" / "tokens.py"


def requests_folder() -> Path:
    return Path(settings.MEDIA_ROOT) / "tokens"


def start_answering() -> None:
    """A process that answers and leaves when nobody asks any more; none beside another."""
    folder = requests_folder()
    folder.mkdir(parents=True, exist_ok=True)
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    try:
        with locks.take(folder / "answering.lock") as lock, (folder / "log.txt").open("wb") as log:
            child = subprocess.Popen(
                [str(settings.TRAINING_PYTHON), str(RUNNER), str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment | {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"},
                pass_fds=[lock.fileno()],
                start_new_session=True,
            )
            locks.name_holder(lock, child.pid)
    except locks.Held:
        return
    logger.info("tokens are made by process %d", child.pid)
