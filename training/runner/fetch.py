"""Brings a model from a hub: `python fetch.py <spec.json>`.

The spec: {"hub": "huggingface" | "modelscope", "repo_id", "revision", "output": folder,
"events_path"}. Addresses and tokens come in the environment. What could run code is refused before
the weights are fetched; the folder appears complete, checked and loadable, or not at all. Steps of
the progress are KiB. An attempt that was cut short leaves its parts beside the folder, and the next
one goes on from them.
"""

import hashlib
import json
import os
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import Any

from events import EventLog
from hubs import Listing, listing_of
from model_files import Refused, check_folder, check_names, is_fetched, read_config
from performing import leave, perform
from transfer import RemoteFile, Transfer

TELL_EVERY_S = 0.5
SPARE_BYTES = 200 * 1024**2
KIB = 1024


def say(text: str) -> None:
    """Into the log."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def digest_of(files: list[RemoteFile]) -> str:
    """Changes whenever anything of the model has changed on the hub."""
    rows = sorted((file.name, file.size, file.sha256 or file.blob_sha1) for file in files)
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def staging_of(output: Path, files: list[RemoteFile]) -> Path:
    """Where parts wait. Those of an older state of the model are thrown away."""
    staging = output.with_name(f".{output.name}.{digest_of(files)[:12]}")
    for old in output.parent.glob(f".{output.name}.*"):
        if old != staging:
            shutil.rmtree(old, ignore_errors=True)
    staging.mkdir(parents=True, exist_ok=True)
    return staging


class Teller(threading.Thread):
    """Says how far a transfer is, twice a second."""

    def __init__(self, transfer: Transfer, events: EventLog) -> None:
        super().__init__(daemon=True)
        self._transfer, self._events = transfer, events
        self._is_over = threading.Event()

    def tell(self) -> None:
        step, whole = (-(-size // KIB) for size in (self._transfer.received, self._transfer.total))
        self._events.write("progress", step=step, max_steps=whole)

    def run(self) -> None:
        while not self._is_over.wait(TELL_EVERY_S):
            self.tell()

    def close(self) -> None:
        self._is_over.set()
        self.join()
        self.tell()


def bring(staging: Path, files: list[RemoteFile], events: EventLog) -> None:
    transfer = Transfer(staging, files, on_retry=say)
    transfer.look()
    missing = transfer.total - transfer.received
    if missing + SPARE_BYTES > shutil.disk_usage(staging).free:
        raise Refused("disk_full", str(missing))
    teller = Teller(transfer, events)
    teller.tell()
    teller.start()
    try:
        transfer.run()
    finally:
        teller.close()


def fetch(spec: dict[str, Any], events: EventLog) -> None:
    """Raises Refused, and what the hub's client raises."""
    started, output = time.monotonic(), Path(spec["output"])
    found: Listing = listing_of(spec["hub"], spec["repo_id"], spec["revision"])
    check_names(file.name for file in found.files)
    files = [file for file in found.files if is_fetched(file.name)]
    left_out = sorted(file.name for file in found.files if not is_fetched(file.name))
    if left_out:
        say(f"not needed, left there: {', '.join(left_out[:50])}")
    staging = staging_of(output, files)
    small = [file for file in files if file.name.endswith(".json")]
    Transfer(staging, small).run()
    read_config(staging)
    bring(staging, files, events)
    wanted = {file.name for file in files}
    for extra in [file for file in staging.rglob("*") if file.is_file()]:
        if extra.relative_to(staging).as_posix() not in wanted:
            extra.unlink()
    check_folder(staging, [staging.resolve()])
    from model_check import check_loads

    check_loads(staging)
    if output.exists():
        shutil.rmtree(output)
    staging.rename(output)
    say(f"done in {time.monotonic() - started:.0f} s")
    events.write("finished", path=str(output), commit=found.commit, digest=digest_of(files))


if __name__ == "__main__":
    os.environ.update(
        HF_HUB_DISABLE_TELEMETRY="1", HF_HUB_DISABLE_PROGRESS_BARS="1", HF_HUB_DISABLE_XET="1"
    )
    os.environ.setdefault("MODELSCOPE_API_TOKEN", "")  # else it looks for one of this account's
    leave(perform(Path(sys.argv[1]), fetch))
