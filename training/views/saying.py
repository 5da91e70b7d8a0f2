"""What stands against a wish is said on the page that follows, whatever that is."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from training.errors import StateConflict


@contextmanager
def refusals_said(request: HttpRequest) -> Iterator[None]:
    """Goes on behind the block when what is in it was refused."""
    try:
        yield
    except StateConflict as error:
        messages.error(request, error.message)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
