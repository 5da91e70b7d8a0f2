"""What training refuses on purpose."""

from django.utils.translation import gettext as _


class StateConflict(Exception):
    """A verb that the state does not allow. `action` and `state` are words for programs."""

    def __init__(self, action: str, state: str, why: str = "") -> None:
        super().__init__(f"{action} is not possible while {state}")
        self.action, self.state, self.why = action, state, why

    @property
    def message(self) -> str:
        return self.why or _("This is not possible in the present state.")


class NoCheckpoint(StateConflict):
    """There is nothing to keep yet."""

    @property
    def message(self) -> str:
        return _(
            "There is no complete checkpoint with an evaluation yet. They are saved every "
            "save_steps steps, and only the last save_total_limit ones are kept."
        )


class Unbuildable(Exception):
    """The configuration cannot be run; `reason` is a Reason, the text says why."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail
