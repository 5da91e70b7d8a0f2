"""What chat refuses, for the edges to translate."""

from django.utils.translation import gettext as _


class StillAnswering(Exception):
    """The session has a running answer; one at a time."""


class WrongState(Exception):
    """A batch comparison whose state does not allow this."""

    def __init__(self, action: str, state: str) -> None:
        super().__init__(f"cannot {action} what is {state}")
        self.action = action
        self.state = state

    @property
    def message(self) -> str:
        return _("That is not possible any more; here is how it stands now.")
