"""Why a document could not be made searchable, and what to do, in the reader's language."""

from collections.abc import Mapping

from django.utils.translation import gettext as _

from knowledge.reading import problems as reading


def explained(code: str, params: Mapping[str, object]) -> str:
    """Of the error, or a note, of a document."""
    text = _texts().get(code)
    return text % params if text is not None else reading.explained(code, params)


def _texts() -> dict[str, str]:
    return {
        "broke_off": _(
            "The work on it broke off several times. Try again, or ask an administrator."
        ),
        "disk": _("Reading or writing failed: %(why)s. Try again, or ask an administrator."),
        "internal": _("Something went wrong here. It has been logged; try again later."),
        "embedding_failed": _("The embedding model did not answer: %(why)s"),
    }
