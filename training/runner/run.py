"""One LLaMA-Factory run: `python run.py <spec.json>`, executed by the training environment.

The spec: {"args": LLaMA-Factory's own arguments, typed; "events_path"; "control_path";
"sample_prompts"?: answered at each evaluation}. Exit code 0: global step reached max steps; 75:
paused; 76: stopped; 1: failed. events.py has the events it writes. With RANK and WORLD_SIZE in the
environment it is one of several processes, of which all but the first tell only of failures.
"""

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

from control import PAUSE, Control, Interrupted
from events import EventLog
from performing import leave, tell_failure
from together import allow_cpu_devices, rank, world

EXIT_PAUSED, EXIT_STOPPED, EXIT_FAILED = 75, 76, 1
QUIET = {
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "DISABLE_VERSION_CHECK": "1",
}
OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


def check_model_path(model: str) -> bool:
    """Whether the model is a local folder; a path that isn't there is said at once.

    Otherwise the hub would be asked for it, for most of a minute.
    """
    if Path(model).is_dir():
        return True
    if Path(model).is_absolute() or model.startswith((".", "~")):
        raise FileNotFoundError(f"Failed to load model: {model} does not exist")
    return False


def train(spec: dict[str, Any], control: Control, events: EventLog) -> None:
    """Raises Paused, Stopped, Interrupted, and whatever LLaMA-Factory raises."""
    args = {"disable_tqdm": True} | spec["args"]
    if check_model_path(str(args.get("model_name_or_path", ""))):
        os.environ.update(OFFLINE)
    from callbacks import ControlCallback, HardwareSampler, StoryCallback
    from llamafactory.train.tuner import run_exp
    from sampling import SampleCallback

    control.prepare()
    allow_cpu_devices()
    story = StoryCallback(events, may_stop_early=bool(args.get("early_stopping_steps")))
    is_first = rank() == 0
    if is_first:
        HardwareSampler(events).start()
    # One process alone cannot ask a model that is shared out among several.
    is_whole = not ({"deepspeed", "fsdp"} & args.keys())
    prompts = spec.get("sample_prompts") if is_first and is_whole else None
    callbacks = [story, SampleCallback(prompts or [], events), ControlCallback(control, events)]
    started, is_success = time.monotonic(), False
    try:
        run_exp(args=args, callbacks=callbacks)
        is_success = story.is_complete()
    finally:
        control.begin()
    if not is_success:
        raise RuntimeError(f"the training ended at step {story.step} of {story.max_steps}")
    story.finish(time.monotonic() - started)


def tell_interrupted(spec: dict[str, Any], control: Control, events: EventLog) -> int:
    """Nothing was trained yet, so a pause goes on from where this attempt was to begin."""
    checkpoint = spec["args"].get("resume_from_checkpoint") or None
    found = re.search(r"checkpoint-(\d+)/?$", str(checkpoint))
    step = int(found[1]) if found else 0
    if world() > 1 and control.asked_by_file() is None:
        text = "another process of this run has ended"
        events.write("failed", kind="killed", error_type="Interrupted", message=text)
        return EXIT_FAILED
    if control.asked() == PAUSE:
        events.write("paused", step=step, checkpoint=checkpoint)
        return EXIT_PAUSED
    events.write("stopped", step=step)
    return EXIT_STOPPED


def outcome(error: BaseException, events: EventLog) -> int:
    """Tell how a run ended that did not reach its last step; the exit code."""
    name = type(error).__name__
    if name == "Paused":
        events.write("paused", step=error.step, checkpoint=str(error.checkpoint))
        return EXIT_PAUSED
    if name == "Stopped":
        events.write("stopped", step=error.step)
        return EXIT_STOPPED
    tell_failure(error, events)
    return EXIT_FAILED


def main(spec_path: Path) -> int:
    spec = json.loads(spec_path.read_text(encoding="utf-8"))
    control = Control(Path(spec["control_path"]))
    control.listen()
    told = frozenset({"failed"}) if rank() else None
    events = EventLog(Path(spec["events_path"]), only=told)
    events.write("loading")
    os.environ.update(QUIET)
    try:
        train(spec, control, events)
    except (Interrupted, KeyboardInterrupt):
        return tell_interrupted(spec, control, events)
    except BaseException as error:  # noqa: BLE001  # the last line of defence: say why, then leave
        return outcome(error, events)
    return 0


if __name__ == "__main__":
    leave(main(Path(sys.argv[1])))
