"""Names that people give to what they make."""

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from llmplatform.text import validate_name

NAME_MAX_CHARS = 100


def checked_name(name: str, *, field: str = "name") -> str:
    """Without spaces around it. ValidationError keyed by `field`."""
    name = name.strip()
    try:
        validate_name(name)
    except ValidationError as error:
        raise ValidationError({field: error.messages}) from error
    if len(name) > NAME_MAX_CHARS:
        raise ValidationError({field: [_("The name is longer than 100 characters.")]})
    return name
