"""Several processes of one run: who this is, and how they decide together.

Without RANK in the environment a run is one process, and all of this costs nothing.
"""

import os
from typing import Any


def rank() -> int:
    return int(os.environ.get("RANK", "0"))


def world() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


def agree(number: int) -> int:
    """The greatest that any of them said; all of them must ask."""
    if world() == 1:
        return number
    import torch

    distributed: Any = torch.distributed
    device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
    said = torch.tensor([number], device=device)
    distributed.all_reduce(said, op=distributed.ReduceOp.MAX)
    return int(said.item())


def wait_for_all() -> None:
    if world() > 1:
        agree(0)


def allow_cpu_devices() -> None:
    """Checkpoints of processes without a GPU name `cpu:0`, which torch itself cannot load."""
    if world() == 1:
        return
    import torch

    def place(storage: Any, location: str) -> Any:
        return storage if location.startswith("cpu:") else None

    torch.serialization.register_package(5, lambda storage: None, place)
