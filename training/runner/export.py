"""Makes a version into a whole model of its own: `python export.py <spec.json>`.

The spec: {"args": LLaMA-Factory's export arguments without the folder, "events_path", "output",
"expected_bytes", "gguf": {"converter", "name"} or null}. LLaMA-Factory merges the adapter and
writes safetensors, tokenizer and a Modelfile for Ollama; with "gguf" the converter of llama.cpp
then makes one file of it. Steps of the progress are KiB on the disk. The folder appears complete or
not at all.
"""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from events import EventLog
from model_files import Refused, check_folder
from performing import leave, perform

TELL_EVERY_S = 0.5
KIB = 1024


def bytes_in(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


class Teller(threading.Thread):
    """How much of what is expected has been written; never all of it before the end."""

    def __init__(self, folder: Path, expected_bytes: int, events: EventLog) -> None:
        super().__init__(daemon=True)
        self._folder, self._events = folder, events
        self._whole = max(1, expected_bytes // KIB)
        self._is_over = threading.Event()

    def run(self) -> None:
        while not self._is_over.wait(TELL_EVERY_S):
            step = min(bytes_in(self._folder) // KIB, self._whole - 1)
            self._events.write("progress", step=step, max_steps=self._whole)

    def close(self) -> None:
        self._is_over.set()
        self.join()


def merge(args: dict[str, Any], folder: Path) -> None:
    """Raises Refused where it cannot be done, and what LLaMA-Factory raises."""
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", DISABLE_VERSION_CHECK="1")
    from llamafactory.train.tuner import export_model

    try:
        export_model(args | {"export_dir": str(folder)})
    except ValueError as error:
        if "quantized" in str(error):
            raise Refused("unmergeable", str(error)) from error
        raise
    check_folder(folder, [folder.resolve()])


def to_gguf(merged: Path, folder: Path, converter: str, name: str) -> None:
    """Raises Refused with the last words of the converter."""
    target = folder / f"{name}.gguf"
    command = [sys.executable, converter, str(merged), "--outfile", str(target)]
    run = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    sys.stdout.write(run.stdout + run.stderr)
    if run.returncode != 0 or not target.is_file():
        words = (run.stderr.strip() or run.stdout.strip() or "no file was written").splitlines()
        raise Refused("no_gguf", words[-1][:300])
    modelfile = merged / "Modelfile"
    if modelfile.is_file():
        text = modelfile.read_text(encoding="utf-8").replace("FROM .", f"FROM ./{target.name}", 1)
        (folder / "Modelfile").write_text(text, encoding="utf-8")


def export(spec: dict[str, Any], events: EventLog) -> None:
    expected = int(spec["expected_bytes"])
    events.write("progress", step=0, max_steps=max(1, expected // KIB))
    output = Path(spec["output"])
    draft = output.with_name(f".{output.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    merged = draft / "merged"
    merged.mkdir(parents=True)
    teller = Teller(draft, expected, events)
    teller.start()
    try:
        merge(spec["args"], merged)
        done = merged
        if spec.get("gguf"):
            done = draft / "gguf"
            done.mkdir()
            to_gguf(merged, done, spec["gguf"]["converter"], spec["gguf"]["name"])
    finally:
        teller.close()
    shutil.rmtree(output, ignore_errors=True)
    done.rename(output)
    shutil.rmtree(draft, ignore_errors=True)
    size = bytes_in(output)
    events.write("progress", step=size // KIB, max_steps=max(1, size // KIB))
    events.write("finished", path=str(output), size_bytes=size)


if __name__ == "__main__":
    leave(perform(Path(sys.argv[1]), export))
