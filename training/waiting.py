"""Why something waits, as a code for programs and a sentence for the person who asks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from llmplatform.text import enumerated
from training.models import Workload


@dataclass(frozen=True)
class Waiting:
    """`code`: next, busy, kept, quota, no_node, node_away, draining, too_few, memory, storage,
    movers."""

    code: str
    values: dict[str, Any] = field(default_factory=dict)
    # Who is in the way.
    others: Sequence[Workload] = ()

    def text_for(self, owner_id: int | None) -> str:
        """Names only what belongs to that person; None: whatever it is."""
        if self.code in ("busy", "kept"):
            return self._others_text(owner_id)
        if self.code == "memory":
            sizes = {name: filesizeformat(size) for name, size in self.values.items()}
            return (
                _("It needs about %(needed)s of GPU memory, and the roomiest GPU has %(most)s.")
                % sizes
            )
        return _texts()[self.code] % self.values

    def _others_text(self, owner_id: int | None) -> str:
        own = [e.name for e in self.others if owner_id is None or e.owner_id == owner_id]
        strangers = len(self.others) - len(own)
        who = [f"“{name}”" for name in own[:3]]
        if len(own) > 3 and owner_id is None:
            who.append(_("%(n)d more") % {"n": len(own) - 3})
        elif len(own) > 3:
            who.append(
                ngettext("%(n)d more of yours", "%(n)d more of yours", len(own) - 3)
                % {"n": len(own) - 3}
            )
        if strangers:
            text = ngettext("a job of somebody else", "%(n)d jobs of other people", strangers)
            who.append(text % {"n": strangers})
        if self.code == "kept":
            return _("The free places are kept for %(who)s.") % {"who": enumerated(who)}
        return _("The places are taken by %(who)s.") % {"who": enumerated(who)}


def _texts() -> dict[str, str]:
    return {
        "next": _("A place is free: it starts in a moment."),
        "quota": _(
            "Your GPU hours of this month are used up (%(used).1f of %(limit)g). It starts next "
            "month, or when an administrator allows more."
        ),
        "movers": _("Other downloads and exports come first."),
        "no_node": _("No machine that can train answers at the moment."),
        "node_away": _("Its files are on %(node)s, which does not answer at the moment."),
        "draining": _("%(node)s takes nothing new: an administrator is emptying it."),
        "too_few": _(
            "It needs %(processes)d GPUs on each of %(nodes)d machines; the largest machine has "
            "%(most)d."
        ),
        "storage": _(
            "It needs %(nodes)d machines that share one storage, and there are not so many."
        ),
    }
