"""What an administrator may set apart at one connection: checked before it is saved."""

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from providers.auth import auth_of
from providers.types import Profile

PLAIN = Profile()
TYPES: dict[str, type] = {field.name: type(getattr(PLAIN, field.name)) for field in fields(PLAIN)}
# They say who is calling or where the body ends: never for a person to set.
NEVER_HEADERS = {
    *("authorization", "x-api-key", "api-key", "x-goog-api-key", "host", "cookie", "te", "upgrade"),
    *("content-length", "content-type", "transfer-encoding", "connection", "expect", "trailer"),
}
PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%{}/-]*(\?[A-Za-z0-9._~=&-]*)?")
CHOICES = {
    "thinking": re.compile(r"|adaptive"),
    "max_tokens_field": re.compile(r"|max_tokens|max_completion_tokens"),
    "api_version": re.compile(r"[A-Za-z0-9.-]{0,40}"),
    "app_mode": re.compile(r"chat|advanced-chat|agent|agent-chat|completion|workflow"),
}


def check_profile(profile: Any) -> None:
    """ValidationError keyed by `profile`. Paths stay on the host that the key is for."""
    if not isinstance(profile, Mapping):
        raise ValidationError({"profile": [_("Enter a JSON object.")]})
    for check in (_wrong_name, _wrong_path, _wrong_header, _wrong_auth):
        problem = check(profile)
        if problem:
            raise ValidationError({"profile": [problem]})


def _wrong_name(profile: Mapping[str, Any]) -> str:
    for name, value in profile.items():
        if name not in TYPES:
            return _("There is no difference named “%(name)s”.") % {"name": name}
        if not isinstance(value, TYPES[name]):
            return _("“%(name)s” has the wrong type.") % {"name": name}
    for name, pattern in CHOICES.items():
        if not pattern.fullmatch(profile.get(name, getattr(PLAIN, name))):
            return _("“%(name)s” has a value that is not known.") % {"name": name}
    return ""


def _wrong_path(profile: Mapping[str, Any]) -> str:
    for path in profile.get("paths", {}).values():
        is_path = isinstance(path, str) and PATH.fullmatch(path) is not None
        if not is_path or path.startswith("//") or ".." in path:
            return _("A path starts with a slash and stays on the provider's host.")
    return ""


def _wrong_header(profile: Mapping[str, Any]) -> str:
    for name, value in profile.get("headers", {}).items():
        is_text = isinstance(value, str) and value.isascii() and value.isprintable()
        if not is_text or name.lower() in NEVER_HEADERS or not name.replace("-", "").isalnum():
            return _("“%(name)s” is no header that can be set.") % {"name": name}
    return ""


def _wrong_auth(profile: Mapping[str, Any]) -> str:
    try:
        auth_of(profile.get("auth") or "none")
    except ValueError:
        return _("There is no such way to send a key.")
    return ""


def check_extra_body(extra_body: Any) -> None:
    if not isinstance(extra_body, Mapping):
        raise ValidationError({"extra_body": [_("Enter a JSON object.")]})
    taken = {"model", "messages", "stream"} & extra_body.keys()
    if taken:
        text = _("“%(name)s” belongs to each request.") % {"name": sorted(taken)[0]}
        raise ValidationError({"extra_body": [text]})


def check_drop_params(drop_params: Any) -> None:
    is_list = isinstance(drop_params, list) and all(isinstance(each, str) for each in drop_params)
    if not is_list or {"model", "messages", "stream"} & set(drop_params):
        raise ValidationError({"drop_params": [_("Enter names of parameters.")]})
