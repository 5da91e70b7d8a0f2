"""What an application is, in words."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

MODE_NAMES: dict[str, str | Promise] = {
    "chat": _("Chatbot"),
    "agent-chat": _("Agent"),
    "agent": _("New Agent"),
    "advanced-chat": _("Chatflow"),
    "completion": _("Text generator"),
    "workflow": _("Workflow"),
    "knowledge": _("Knowledge"),
}


def mode_name(mode: str) -> str:
    return str(MODE_NAMES.get(mode, mode))
