"""SwanLab as a mirror of the run. Nothing that happens in here may end the training."""

import signal
from typing import Any

from events import EventLog
from transformers import TrainerCallback

CLOSE_WITHIN_S = 30


def _too_long(*_: Any) -> None:
    raise TimeoutError(f"not finished within {CLOSE_WITHIN_S} s")


class SwanLabMirror(TrainerCallback):
    """Forwards to SwanLab's own callback; after its first error it falls silent and says so."""

    def __init__(self, spec: dict[str, Any], events: EventLog) -> None:
        self._spec, self._events = spec, events
        self._inner: Any = None
        self._is_silent = False

    def _begin(self) -> Any:
        from swanlab.integration.transformers import SwanLabCallback

        return SwanLabCallback(
            project=self._spec["project"],
            experiment_name=self._spec["experiment"],
            log_dir=self._spec["logdir"],
            mode=self._spec.get("mode", "local"),
        )

    def _forward(self, hook: str, *args: Any, **kwargs: Any) -> None:
        if self._is_silent:
            return
        try:
            if self._inner is None:
                self._inner = self._begin()
            getattr(self._inner, hook)(*args, **kwargs)
            if hook == "on_train_begin":
                self._tell()
        except Exception as error:  # noqa: BLE001  # whatever the mirror does, the run goes on
            self._is_silent = True
            self._events.write("swanlab", error=f"{type(error).__name__}: {error}"[:500])

    def _tell(self) -> None:
        import swanlab

        run = swanlab.get_run()
        try:
            url = run.url
        except ValueError:  # only online runs have one
            url = None
        mode = str(getattr(run, "mode", self._spec.get("mode", "local")))
        self._events.write(
            "swanlab", run_id=run.id, mode=mode, logdir=self._spec["logdir"], url=url
        )

    def close(self, is_success: bool) -> None:
        """Mark the SwanLab run as ended; a paused run ends here and a new one follows."""
        if self._inner is None or self._is_silent:
            return
        state = "success" if is_success else "aborted"
        # In this thread, because SwanLab restores signal handlers; an upload that hangs must not
        # hold the run, hence the alarm.
        signal.signal(signal.SIGALRM, _too_long)
        signal.setitimer(signal.ITIMER_REAL, CLOSE_WITHIN_S)
        try:
            import swanlab

            swanlab.finish(state=state)
        except Exception as error:  # noqa: BLE001
            self._events.write("swanlab", error=f"{type(error).__name__}: {error}"[:500])
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._forward("on_train_begin", args, state, control, **kwargs)

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._forward("on_log", args, state, control, **kwargs)

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._forward("on_evaluate", args, state, control, **kwargs)
