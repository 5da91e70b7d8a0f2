"""Which checkpoint of an output folder a run can go on from. Standard library only.

A checkpoint counts once it is complete: the trainer writes `trainer_state.json` last, and every
file is there. LLaMA-Factory itself would take the highest number, half-written or not.
"""

import json
import re
from pathlib import Path

NAME = re.compile(r"checkpoint-(\d+)")
NEEDED = ("trainer_state.json", "scheduler.pt", "training_args.bin")
# One of them: the trainer's own, FSDP's, DeepSpeed's pointer to its folder.
OPTIMIZERS = ("optimizer.pt", "optimizer.bin", "latest")
WEIGHTS = ("*.safetensors", "pytorch_model_fsdp.bin")


def checkpoint_step(folder: Path, processes: int = 1) -> int | None:
    """The step of a complete checkpoint of so many processes, or None."""
    found = NAME.fullmatch(folder.name)
    if found is None or any(not (folder / name).is_file() for name in NEEDED):
        return None
    has_optimizer = any((folder / name).is_file() for name in OPTIMIZERS)
    has_weights = any(True for name in WEIGHTS for _file in folder.glob(name))
    random_states = len(list(folder.glob("rng_state*.pth")))
    if not has_optimizer or not has_weights or random_states < processes:
        return None
    try:
        state = json.loads((folder / "trainer_state.json").read_text())
    except (OSError, ValueError):
        return None
    step = int(found[1])
    return step if state.get("global_step") == step else None


def newest_complete_checkpoint(output_dir: Path, processes: int = 1) -> Path | None:
    """The complete checkpoint with the highest step below `output_dir`, or None."""
    folders = Path(output_dir).glob("checkpoint-*")
    steps = {folder: checkpoint_step(folder, processes) for folder in folders}
    complete = {folder: step for folder, step in steps.items() if step is not None}
    return max(complete, key=lambda folder: complete[folder], default=None)
