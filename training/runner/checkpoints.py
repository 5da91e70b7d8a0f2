"""Which checkpoint of an output folder a run can go on from. Standard library only.

A checkpoint counts once it is complete: the trainer writes `trainer_state.json` last, and every
file is there. LLaMA-Factory itself would take the highest number, half-written or not.
"""

import json
import re
from pathlib import Path

NAME = re.compile(r"checkpoint-(\d+)")
NEEDED = ("trainer_state.json", "optimizer.pt", "scheduler.pt", "training_args.bin")


def checkpoint_step(folder: Path) -> int | None:
    """The step of a complete checkpoint, or None."""
    found = NAME.fullmatch(folder.name)
    if found is None or any(not (folder / name).is_file() for name in NEEDED):
        return None
    has_weights = any(folder.glob("*.safetensors"))
    has_random_state = any(folder.glob("rng_state*.pth"))
    if not has_weights or not has_random_state:
        return None
    try:
        state = json.loads((folder / "trainer_state.json").read_text())
    except (OSError, ValueError):
        return None
    step = int(found[1])
    return step if state.get("global_step") == step else None


def newest_complete_checkpoint(output_dir: Path) -> Path | None:
    """The complete checkpoint with the highest step below `output_dir`, or None."""
    steps = {folder: checkpoint_step(folder) for folder in Path(output_dir).glob("checkpoint-*")}
    complete = {folder: step for folder, step in steps.items() if step is not None}
    return max(complete, key=lambda folder: complete[folder], default=None)
