"""The side bar: one literal list, in four groups. Only pages that exist are listed."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class Entry:
    label: str | Promise
    url_name: str
    icon: str
    admins_only: bool = False


@dataclass(frozen=True)
class Group:
    label: str | Promise
    entries: tuple[Entry, ...]


GROUPS: tuple[Group, ...] = (
    Group(
        _("Work"),
        (
            Entry(_("Chat"), "chat:index", "chat"),
            Entry(_("Compare"), "compare:index", "compare"),
            Entry(_("Prompts"), "prompts:list", "prompt"),
            Entry(_("Knowledge"), "knowledge:list", "knowledge"),
        ),
    ),
    Group(
        _("Build"),
        (
            Entry(_("Feedback"), "feedback:mine", "thumb"),
            Entry(_("Datasets"), "datasets:list", "dataset"),
            Entry(_("Training"), "training:list", "training"),
            Entry(_("Models"), "models:list", "model"),
            Entry(_("Queue"), "queue:list", "clock"),
            Entry(_("Nodes"), "nodes:list", "node"),
        ),
    ),
    Group(
        _("Connect"),
        (
            Entry(_("Providers"), "providers:list", "provider"),
            Entry(_("Dify"), "dify:list", "spark"),
            Entry(_("Keys"), "accounts:key-list", "key"),
        ),
    ),
    Group(
        _("Insight"),
        (
            Entry(_("Usage"), "usage", "usage"),
            Entry(_("Console"), "admin:index", "gauge", admins_only=True),
        ),
    ),
)
