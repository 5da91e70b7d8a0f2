"""What a connection may be: its address, its key and how it signs in. ValidationErrors are keyed by
field."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from llmplatform.text import enumerated
from providers.addresses import is_allowed, problem_with_url

ENDPOINTS = ("/chat/completions", "/completions", "/embeddings", "/messages", "/models")
STYLES = ("basic", "body", "query")
MOST_CHARS = {"token_url": 500, "client_id": 300, "scope": 500, "style": 10}
MODEL_ID_MAX = 200
CLIENT_ID_MISSING = gettext_lazy("Enter the client id that the provider gave you.")


def all_of(*checks: Callable[[], object]) -> None:
    """Runs every check; one ValidationError with what all of them found."""
    problems: dict[str, Any] = {}
    for check in checks:
        try:
            check()
        except ValidationError as error:
            problems = error.update_error_dict(problems)
    if problems:
        raise ValidationError(problems)


def check_url(url: str, field: str = "base_url") -> None:
    if "{" in url:
        raise ValidationError({field: [_("Fill in what is in braces.")]})
    problem = problem_with_url(url)
    if problem == "credentials":
        raise ValidationError({field: [_("Leave out passwords, “?” and “#”.")]})
    if problem is not None:
        raise ValidationError({field: [_("Enter a complete address such as https://…/v1.")]})
    if field == "base_url" and urlsplit(url).path.rstrip("/").endswith(ENDPOINTS):
        text = _("End the address before the name of the endpoint, such as https://…/v1.")
        raise ValidationError({field: [text]})
    host = (urlsplit(url).hostname or "").strip("[]")
    host = "127.0.0.1" if host == "localhost" or host.endswith(".localhost") else host
    is_literal = host.replace(".", "").isdigit() or ":" in host
    if is_literal and not is_allowed(host, allow_private=settings.ALLOW_PRIVATE_PROVIDER_URLS):
        text = _("This address is not allowed. ALLOW_PRIVATE_PROVIDER_URLS=1 allows internal ones.")
        if settings.ALLOW_PRIVATE_PROVIDER_URLS:
            text = _("This address is never allowed.")
        raise ValidationError({field: [text]})


def checked_key(text: str) -> str:
    """What can go into a header; people copy the word before it, too."""
    key = text.strip().removeprefix("Bearer ").strip()
    if not key.isascii() or not key.isprintable():
        raise ValidationError(
            {"api_key": [_("A key has letters, digits and signs of ASCII only.")]}
        )
    return key


def checked_model_id(text: str) -> str:
    """Without spaces around it. Slashes and colons inside are good: many have them."""
    model_id = text.strip()
    if not model_id:
        problem = _("Enter the id as the provider writes it.")
    elif len(model_id) > MODEL_ID_MAX:
        problem = _("A model id has at most %(most)d characters, this one has %(count)d.")
        problem %= {"most": MODEL_ID_MAX, "count": len(model_id)}
    elif not model_id.isprintable():
        problem = _("A model id has no invisible or control characters. Type it anew.")
    elif len(model_id.split()) > 1:
        problem = _("A model id has no spaces inside. “%(first)s” is followed by one here.")
        problem %= {"first": model_id.split()[0]}
    elif ".." in model_id.replace("\\", "/").split("/"):
        problem = _("A model id has no “..” between slashes. Enter it as the provider writes it.")
    else:
        return model_id
    raise ValidationError({"model_id": [problem]})


def checked_oauth(given: Any) -> dict[str, str]:
    """Empty where nothing is set: then the key itself is sent."""
    if not isinstance(given, Mapping):
        raise ValidationError({"oauth": [_("Enter a JSON object.")]})
    found = {name: str(given.get(name) or "").strip() for name in MOST_CHARS}
    unknown = sorted(given.keys() - MOST_CHARS.keys())
    if unknown:
        text = _("There is no field named “%(name)s”.") % {"name": unknown[0]}
        raise ValidationError({"oauth": [text]})
    found["style"] = found["style"] or STYLES[0]
    if not any(found[name] for name in ("token_url", "client_id", "scope")):
        return {}
    all_of(
        lambda: check_url(found["token_url"], "token_url"),
        lambda: _check_texts(found),
    )
    return found


def _check_texts(oauth: Mapping[str, str]) -> None:
    problems: dict[str, list[str]] = {}
    if not oauth["client_id"]:
        problems["client_id"] = [str(CLIENT_ID_MISSING)]
    if oauth["style"] not in STYLES:
        choices = {"choices": enumerated(STYLES)}
        problems["style"] = [_("Choose one of: %(choices)s.") % choices]
    for name, most in MOST_CHARS.items():
        is_plain = oauth[name].isascii() and oauth[name].isprintable()
        if name not in problems and (not is_plain or len(oauth[name]) > most):
            problems[name] = [
                _("Use letters, digits and signs of ASCII only, at most %(most)d.") % {"most": most}
            ]
    if problems:
        raise ValidationError(problems)
