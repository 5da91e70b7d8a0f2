"""What the trainer tells us, and how it learns that it should pause or stop."""

import importlib.metadata
import re
import resource
import threading
import time
from pathlib import Path
from typing import Any

import psutil
from control import PAUSE, STOP, Control
from events import EventLog
from gpus import gpus
from together import agree, wait_for_all, world
from transformers import TrainerCallback

PROGRESS_EVERY_S = 0.5
HARDWARE_EVERY_S = 5.0
PACKAGES = ("llamafactory", "torch", "transformers", "peft", "trl", "accelerate", "datasets")


class Paused(BaseException):
    """Raised once the checkpoint of a pause is complete; carries step and folder."""

    def __init__(self, step: int, checkpoint: Path) -> None:
        super().__init__(f"paused at step {step}")
        self.step, self.checkpoint = step, checkpoint


class Stopped(BaseException):
    def __init__(self, step: int) -> None:
        super().__init__(f"stopped at step {step}")
        self.step = step


class ControlCallback(TrainerCallback):
    """Pause at the end of a step, where resuming is exact, and leave as soon as it is saved.

    Leaving by exception skips what LLaMA-Factory does after training: a paused run must not look
    like a finished one.
    """

    def __init__(self, control: Control, events: EventLog) -> None:
        self._control, self._events = control, events
        self._is_pausing = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._control.begin()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        words = (None, PAUSE, STOP)
        asked = words[agree(words.index(self._control.asked()))]
        if asked == STOP:
            raise Stopped(state.global_step)
        if asked == PAUSE and state.global_step < state.max_steps:
            self._is_pausing = True
            control.should_save = True
        return control

    def on_substep_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        # Nothing is kept, so no need to end the step; several processes leave it together.
        if world() == 1 and self._control.asked() == STOP:
            raise Stopped(state.global_step)

    on_prediction_step = on_substep_end

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        wait_for_all()  # each writes a part of the checkpoint
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        self._events.write("checkpoint", step=state.global_step, path=str(folder))
        if self._is_pausing:
            raise Paused(state.global_step, folder)


class StoryCallback(TrainerCallback):
    """Progress and metrics as events; remembers how far the run came."""

    def __init__(self, events: EventLog, *, may_stop_early: bool = False) -> None:
        self._events = events
        self._may_stop_early, self._is_over = may_stop_early, False
        self._last_progress = 0.0
        self.step = 0
        self.max_steps = 0
        self.metrics: dict[str, float] = {}

    def on_train_begin(
        self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any
    ) -> None:
        self.step, self.max_steps = state.global_step, state.max_steps
        counts = [(p.numel(), p.requires_grad) for p in model.parameters()] if model else []
        self._events.write(
            "started",
            step=state.global_step,
            max_steps=state.max_steps,
            num_epochs=args.num_train_epochs,
            trainable_parameters=sum(count for count, trains in counts if trains),
            all_parameters=sum(count for count, _trains in counts),
            versions={name: importlib.metadata.version(name) for name in PACKAGES},
        )

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.step, self.max_steps = state.global_step, state.max_steps
        now = time.monotonic()
        is_last = state.global_step >= state.max_steps
        if is_last or now - self._last_progress >= PROGRESS_EVERY_S:
            self._last_progress = now
            self._progress(state)

    def _progress(self, state: Any) -> None:
        self._events.write(
            "progress", step=state.global_step, max_steps=state.max_steps, epoch=state.epoch
        )

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any
    ) -> None:
        if not state.is_world_process_zero or not logs:
            return
        numbers = {key: value for key, value in logs.items() if isinstance(value, int | float)}
        if "train_loss" in numbers:  # the summary at the end
            self.metrics |= numbers | {"train_loss": mean_loss(state.log_history)}
            return
        numbers.pop("train_runtime", None)
        if "train_tokens_per_second" in numbers:
            numbers["tokens_per_second"] = numbers.pop("train_tokens_per_second")
        self.metrics |= {k: v for k, v in numbers.items() if k in ("loss", "eval_loss")}
        if not self._is_over:  # LLaMA-Factory asks once more what it keeps: no point of the curve
            self._events.write("metrics", step=state.global_step, **numbers)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Not reached by a pause or a stop: fewer steps than planned are an early stop."""
        kept = re.search(r"checkpoint-(\d+)/?$", str(state.best_model_checkpoint))
        if args.load_best_model_at_end and kept:
            self._is_over = True
            self.metrics["kept_step"] = int(kept[1])
        if self._may_stop_early and state.global_step < state.max_steps:
            self.metrics["planned_steps"] = state.max_steps
            self.step = self.max_steps = state.global_step

    def is_complete(self) -> bool:
        return 0 < self.max_steps <= self.step

    def finish(self, runtime_s: float) -> None:
        """The last event of a run that reached its last step."""
        self._events.write(
            "finished",
            step=self.step,
            max_steps=self.max_steps,
            train_runtime_s=round(self.metrics.get("train_runtime", runtime_s), 3),
            metrics=self.metrics,
            **peaks(),
        )


def peaks() -> dict[str, int]:
    """The most memory this process has held; on a GPU what its tensors and their cache took."""
    import torch

    found = {"peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
    if torch.cuda.is_available():
        devices = range(torch.cuda.device_count())
        found["peak_gpu_bytes"] = max(map(torch.cuda.max_memory_reserved, devices), default=0)
    return found


def mean_loss(history: list[dict[str, float]]) -> float | None:
    """Over all steps, before a resume too; the trainer's own figure forgets those."""
    rows = [(row["step"], row["loss"]) for row in history if "loss" in row]
    total, before = 0.0, 0
    for step, loss in rows:
        total, before = total + loss * (step - before), step
    return total / before if before else None


class HardwareSampler(threading.Thread):
    """CPU, memory and GPU of this process while it trains."""

    def __init__(self, events: EventLog) -> None:
        super().__init__(daemon=True, name="hardware")
        self._events = events

    def run(self) -> None:
        process = psutil.Process()
        process.cpu_percent()
        while True:
            time.sleep(HARDWARE_EVERY_S)
            self._events.write(
                "hardware",
                cpu_percent=process.cpu_percent(),
                rss_bytes=process.memory_info().rss,
                gpus=gpus(),
            )
