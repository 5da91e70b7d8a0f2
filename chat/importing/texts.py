"""What an import says to a person, from the codes that its row keeps."""

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

Values = Mapping[str, Any]
NO_FILE: dict[str, Callable[[], str]] = {
    "empty": lambda: _("The file is empty."),
    "no_chats": lambda: _("This is no export of chats: neither a ZIP nor JSON."),
    "json": lambda: _("The JSON breaks off or is wrong at line %(line)s, column %(column)s."),
    "deep": lambda: _("At line %(line)s the JSON is nested too deeply."),
    "encoding": lambda: _("At line %(line)s the file is no UTF-8 text."),
    "zip_broken": lambda: _("The ZIP is damaged."),
    "zip_without": lambda: _("The ZIP holds no JSON file with chats."),
    "zip_locked": lambda: _("The ZIP is protected by a password."),
    "zip_files": lambda: _("The ZIP holds more than %(limit)s files."),
    "unpacked": lambda: _("Unpacked, the chats are larger than %(limit_gb)s GB."),
    "disk": lambda: _("Reading or writing failed. Try again later."),
    "broke_off": lambda: _("It broke off several times, and was given up."),
    "internal": lambda: _("Something went wrong. It has been logged."),
}
REASONS: dict[str, Callable[[], str]] = {
    "unknown": lambda: _("This is no conversation of ChatGPT, Open WebUI or this platform."),
    "empty": lambda: _("Nothing was said in it."),
    "long": lambda: _("It has more than %(limit)s messages."),
    "large": lambda: _("It is larger than %(limit_mb)s MB."),
    "deleted": lambda: _("It is among your deleted chats. Restore it there."),
}
STATES: dict[str, Callable[[], str]] = {
    "new": lambda: _("new"),
    "grown": lambda: _("goes on"),
    "known": lambda: _("here already"),
}
SOURCES = {"chatgpt": "ChatGPT", "openwebui": "Open WebUI"}


def problem(code: str, values: Values) -> str:
    return NO_FILE.get(code, NO_FILE["internal"])() % dict(values)


def reason(code: str, values: Values) -> str:
    return REASONS.get(code, REASONS["unknown"])() % dict(values)


def state(code: str) -> str:
    return STATES[code]() if code in STATES else ""


def source(code: str) -> str:
    return SOURCES.get(code) or _("this platform")


def left_out(counts: Values) -> list[str]:
    """What does not come along, in words."""
    images, files, tools = (int(counts.get(name, 0)) for name in ("images", "files", "tools"))
    found = []
    if images:
        found.append(ngettext("%(count)s image", "%(count)s images", images) % {"count": images})
    if files:
        found.append(ngettext("%(count)s file", "%(count)s files", files) % {"count": files})
    if tools:
        text = ngettext("%(count)s use of a tool", "%(count)s uses of tools", tools)
        found.append(text % {"count": tools})
    return found
