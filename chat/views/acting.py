"""Actions of pages that may be refused."""

from collections.abc import Callable

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.access import current_user
from chat import attachments
from chat.errors import StillAnswering
from chat.models import Attachment
from llmplatform.encryption import KeyUnreadable


def is_partial(request: HttpRequest) -> bool:
    """From a page with scripts, which shows what is new by its socket."""
    return "HX-Request" in request.headers


def files_with(request: HttpRequest) -> tuple[list[Attachment], list[str]]:
    """What goes with a question, and why something cannot."""
    user, ids = current_user(request), request.POST.getlist("attachments")
    try:
        uploaded = request.FILES.getlist("files")
        return attachments.chosen(owner=user, ids=ids, files=uploaded), []
    except ValidationError as error:
        return attachments.waiting(user, ids), list(error.messages)


def refusals(action: Callable[[], object], *, busy: str) -> list[str]:
    """Do it; why it was refused, in words, and empty where it was done. `busy`: what to say while
    an answer is being written."""
    try:
        action()
    except ValidationError as error:
        return list(error.messages)
    except StillAnswering:
        return [busy]
    except KeyUnreadable:
        return [_("The provider's stored key cannot be read.")]
    return []
