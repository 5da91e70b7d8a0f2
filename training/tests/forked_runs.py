"""Runs of the runner without its imports: loads LLaMA-Factory once, then forks for every spec.

Executed by the training environment: a line on stdin is the path of a run's spec, of one for
count_tokens.py (.count), or of a folder for a model that sees (.model), for which "<pid>" is
answered, and "<pid> <exit code>" when that has ended. What is imported beforehand changes no number
of a run.
"""

import os
import sys
import threading
from pathlib import Path

RUNNER = Path(__file__).resolve().parent.parent / "runner"
sys.path.insert(0, str(RUNNER))

import callbacks  # noqa: E402, F401  # loaded before the forks
import count_tokens  # noqa: E402
import mirror  # noqa: E402, F401
import run  # noqa: E402
import tiny_vision  # noqa: E402
from llamafactory.train.tuner import run_exp  # noqa: E402, F401

SCRIPTS = {".json": run.main, ".count": count_tokens.main, ".model": tiny_vision.main}


def in_child(spec: Path) -> None:
    log = os.open(spec.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    code = 1
    try:
        code = SCRIPTS[spec.suffix](spec) or 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def tell(text: str) -> None:
    os.write(1, text.encode() + b"\n")


def main() -> None:
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            in_child(Path(line.strip()))
        tell(str(pid))
        _pid, status = os.waitpid(pid, 0)
        tell(f"{pid} {os.waitstatus_to_exitcode(status)}")


if __name__ == "__main__":
    assert threading.active_count() == 1, "a fork would lose the other threads"
    tell("ready")
    main()
