"""Make a virtual environment and install a requirements file into it, saying what happens.

Usage: setup_venv.py <folder> <requirements file>. Standard library only: it runs on a bare Python.
"""

import importlib.util
import shutil
import subprocess
import sys
import time
from pathlib import Path

FREE_BYTES_NEEDED = 1024**3


def fail(problem: str, remedy: str) -> None:
    sys.exit(f"\n{problem}\n  Remedy: {remedy}")


def check_machine(folder: Path) -> None:
    if sys.version_info < (3, 11):  # noqa: UP036  # whatever Python `make` was given
        found = sys.version.split()[0]
        fail(
            f"Python 3.11 or newer is needed; this is {found}.",
            "install python3.11, then: make run PYTHON=python3.11",
        )
    if importlib.util.find_spec("ensurepip") is None:
        fail(
            "This Python cannot make virtual environments.", "Debian: apt-get install python3-venv"
        )
    free = shutil.disk_usage(folder.parent).free
    if free < FREE_BYTES_NEEDED:
        fail(
            f"Only {free // 1024**2} MB are free; the web environment needs 1 GB.", "free some disk"
        )


def main(folder: Path, requirements: Path) -> None:
    check_machine(folder)
    started = time.monotonic()
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"Making {folder} …", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    print(f"Installing {requirements} …", flush=True)
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check"]
    command += ["--progress-bar", "on", "--quiet", "--requirement", str(requirements)]
    if subprocess.run(command, check=False).returncode != 0:
        fail(
            "Installing the packages failed (see above).",
            "check that the package registry is reachable, then run the same command again",
        )
    print(f"{requirements} installed in {time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
