"""`python -m llmplatform.background worker QUEUE …` and `… beat`: what Celery's commands of these
names run, without the shell for people that Celery's command line loads, a sixth of their memory.
"""

import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path

# The web process checks everything, and the checks would load what no worker needs.
os.environ["CELERY_SKIP_CHECKS"] = "true"

from llmplatform.celery import app

LOG_LEVEL = "WARNING"


def work(queues: Sequence[str]) -> int:
    worker = app.Worker(queues=queues, loglevel=LOG_LEVEL, quiet=True)
    # What is loaded by now stays; the collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    worker.start()
    return int(worker.exitcode or 0)


def main(part: str, *queues: str) -> int:
    if part == "worker":
        return work(queues)
    Path(app.conf.beat_schedule_filename).parent.mkdir(parents=True, exist_ok=True)
    app.Beat(loglevel=LOG_LEVEL, quiet=True).run()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
