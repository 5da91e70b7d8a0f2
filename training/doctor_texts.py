"""What the doctor's notes say to people: what was seen, what it usually means, what helps."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from training.models import Note, NoteKind
from training.templatetags.training_text import duration, short

# The verbs that a note offers, in order, as far as the state of the job allows them.
ACTIONS: dict[str, tuple[str, ...]] = {
    NoteKind.NAN: ("stop",),
    NoteKind.JUMP: ("pause", "stop"),
    NoteKind.FLAT: ("pause", "stop"),
    NoteKind.RISING: ("keep_best", "pause", "stop"),
    NoteKind.GPU_IDLE: ("pause",),
    NoteKind.STALLED: ("stop",),
}


@dataclass(frozen=True)
class Remark:
    """A note in words."""

    note: Note
    title: str
    text: str
    advice: str

    @property
    def actions(self) -> tuple[str, ...]:
        return ACTIONS.get(self.note.kind, ())

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.note.pk,
            "kind": self.note.kind,
            "step": self.note.step,
            "at": self.note.at.timestamp(),
            "title": self.title,
            "text": self.text,
            "advice": self.advice,
            "actions": list(self.actions),
        }


def remark_of(note: Note) -> Remark:
    words = _words()
    text, advice = words.get(note.kind, ("%(step)s", ""))
    facts = {"step": f"{note.step:,}"} | {k: _shown(k, v) for k, v in note.facts.items()}
    return Remark(note, str(NoteKind(note.kind).label), text % facts, advice)


def _shown(name: str, value: Any) -> str:
    if name in ("seconds", "usual_s"):
        return duration(value)
    if name == "best_step":
        return f"{value:,}"
    return short(value)


def _words() -> dict[str, tuple[str, str]]:
    """kind -> what was seen, what helps."""
    return {
        NoteKind.NAN: (
            _("At step %(step)s “%(name)s” became infinite or undefined."),
            _(
                "From here on nothing is learned. Stop it, and start a clone with a lower "
                "learning rate, with gradient clipping (max_grad_norm), or in bf16 instead of "
                "fp16."
            ),
        ),
        NoteKind.JUMP: (
            _("At step %(step)s the loss went up from about %(before)s to %(after)s and stayed."),
            _(
                "Often the learning rate is too high or a stretch of the data is unlike the rest. "
                "If it does not come down again soon, pause it, and go on with a clone that has a "
                "lower learning rate or a longer warm-up."
            ),
        ),
        NoteKind.FLAT: (
            _("By step %(step)s the loss has hardly moved: %(first)s at first, %(last)s lately."),
            _(
                "The learning rate may be too low, or the model may already know what the data "
                "says. Look at the sample answers; if they do not change either, try a clone with "
                "a learning rate a few times as high."
            ),
        ),
        NoteKind.RISING: (
            _(
                "The evaluation loss was best at step %(best_step)s (%(best)s) and has risen to "
                "%(last)s since."
            ),
            _(
                "The model begins to learn the examples by heart. You can keep its best "
                "checkpoint instead of the last one, and train fewer epochs next time."
            ),
        ),
        NoteKind.GPU_IDLE: (
            _("The GPU has done next to nothing (%(percent)s %%) for %(seconds)s."),
            _(
                "Something else is the bottleneck, mostly the reading of data. A larger batch or "
                "more workers for loading data (dataloader_num_workers) may help."
            ),
        ),
        NoteKind.STALLED: (
            _("No step has ended for %(seconds)s; usually one takes %(usual_s)s."),
            _(
                "The process may wait for a disk, for another process, or for memory. Look at the "
                "end of the log; if nothing moves there either, stop it: a clone goes on from "
                "nothing, a resumed one from its last checkpoint."
            ),
        ),
    }
