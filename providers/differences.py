"""What an administrator may set apart at one connection: checked before it is saved, and every
problem is named at once."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from llmplatform.text import enumerated
from providers.auth import auth_of
from providers.types import Profile

PLAIN = Profile()
TYPES: dict[str, Any] = {field.name: type(getattr(PLAIN, field.name)) for field in fields(PLAIN)}
TYPE_WORDS = {
    str: gettext_lazy("a text in quotes"),
    bool: gettext_lazy("true or false"),
    int: gettext_lazy("a whole number of at least 0"),
    dict: gettext_lazy("an object in braces"),
}
# They say who is calling or where the body ends: never for a person to set.
NEVER_HEADERS = {
    *("authorization", "x-api-key", "api-key", "x-goog-api-key", "host", "cookie", "te", "upgrade"),
    *("content-length", "content-type", "transfer-encoding", "connection", "expect", "trailer"),
}
PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%{}/-]*(\?[A-Za-z0-9._~=&-]*)?")
PATHS = ("chat", "embeddings", "rerank", "models", "completion", "workflow")
WORDS = {
    "thinking": ("adaptive",),
    "max_tokens_field": ("max_tokens", "max_completion_tokens"),
    "app_mode": ("chat", "agent-chat", "agent", "advanced-chat", "completion", "workflow"),
}
API_VERSION = re.compile(r"[A-Za-z0-9.-]{0,40}")
OF_EACH_REQUEST = ("messages", "model", "stream")
MOST_DROPPED, MOST_EXTRA_CHARS = 50, 20_000
MOST_TEXTS = 10_000


@dataclass(frozen=True)
class Difference:
    """One row of what the form explains: `values` in words, `example` as JSON."""

    name: str
    values: str | Promise
    example: str


DIFFERENCES = (
    Difference(
        "max_tokens_field",
        gettext_lazy("max_tokens or max_completion_tokens: how the limit of an answer is called"),
        '{"max_tokens_field": "max_completion_tokens"}',
    ),
    Difference(
        "include_usage",
        gettext_lazy("true or false; false where stream_options is refused"),
        '{"include_usage": false}',
    ),
    Difference(
        "paths",
        gettext_lazy("Other paths on the same host for chat, embeddings, rerank, models"),
        '{"paths": {"chat": "/v2/chat"}}',
    ),
    Difference(
        "headers",
        gettext_lazy("Fixed headers; none that carries a key or describes the body"),
        '{"headers": {"X-Project": "42"}}',
    ),
    Difference(
        "auth",
        gettext_lazy("bearer, header:NAME, query:NAME, jwt or none"),
        '{"auth": "header:X-Key"}',
    ),
    Difference(
        "api_version",
        gettext_lazy("A version, for Azure's dated API"),
        '{"api_version": "2024-10-21"}',
    ),
    Difference(
        "thinking",
        gettext_lazy("adaptive, for Anthropic models that decide how long they think"),
        '{"thinking": "adaptive"}',
    ),
    Difference(
        "starts_in_think",
        gettext_lazy("true where a chat template writes the opening <think> itself"),
        '{"starts_in_think": true}',
    ),
    Difference(
        "app_mode",
        gettext_lazy("For Dify: chat, agent-chat, agent, advanced-chat, completion or workflow"),
        '{"app_mode": "workflow"}',
    ),
    Difference(
        "embedding_batch",
        gettext_lazy("How many texts an embedding model takes at once"),
        '{"embedding_batch": 16}',
    ),
)


def check_profile(profile: Any) -> None:
    """ValidationError keyed by `profile`. Paths stay on the host that the key is for."""
    if not isinstance(profile, Mapping):
        raise ValidationError({"profile": [_("Enter a JSON object.")]})
    problems = [problem for name in profile for problem in _problems(name, profile[name])]
    if problems:
        raise ValidationError({"profile": problems})


def _problems(name: str, value: Any) -> Iterator[str]:
    if name not in TYPES:
        known = {"name": name, "known": enumerated(TYPES)}
        yield _("There is no difference named “%(name)s”. Known are: %(known)s.") % known
    elif not _is_of_type(value, TYPES[name]):
        wanted = {"name": name, "wanted": TYPE_WORDS[TYPES[name]]}
        yield _("“%(name)s” must be %(wanted)s.") % wanted
    elif name in WORDS and value and value not in WORDS[name]:
        yield _unknown_value(name, enumerated(WORDS[name]))
    elif name == "api_version" and not API_VERSION.fullmatch(value):
        yield _unknown_value(name, "2024-10-21")
    elif name == "auth" and not _is_auth(value):
        yield _unknown_value(name, "bearer, header:X-Key, query:key, jwt, none")
    elif name == "paths":
        yield from _wrong_paths(value)
    elif name == "headers":
        yield from _wrong_headers(value)


def _is_of_type(value: Any, wanted: type) -> bool:
    if wanted is int:
        return type(value) is int and 0 <= value <= MOST_TEXTS
    return isinstance(value, wanted)


def _unknown_value(name: str, allowed: str) -> str:
    shown = {"name": name, "allowed": allowed}
    return _("“%(name)s” has a value that is not known. Allowed: %(allowed)s.") % shown


def _wrong_paths(paths: Mapping[str, Any]) -> Iterator[str]:
    for name, path in paths.items():
        if name not in PATHS:
            known = {"name": name, "known": enumerated(PATHS)}
            yield _("There is no path named “%(name)s”. Known are: %(known)s.") % known
        is_path = isinstance(path, str) and PATH.fullmatch(path) is not None
        if not is_path or path.startswith("//") or ".." in path:
            text = _("The path “%(name)s” must start with a slash and stay on the provider's host.")
            yield text % {"name": name}


def is_header_name(name: str) -> bool:
    """Whether a person may set it, or have the key sent in it."""
    is_word = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    return is_word and len(name) <= 100


def _wrong_headers(headers: Mapping[str, Any]) -> Iterator[str]:
    for name, value in headers.items():
        is_text = isinstance(value, str) and value.isascii() and value.isprintable()
        if not is_text or name.lower() in NEVER_HEADERS or not is_header_name(name):
            yield _("“%(name)s” is no header that can be set.") % {"name": name}


# They say where a body ends or which host is meant: no key goes there.
NEVER_KEY_HEADERS = NEVER_HEADERS - {"authorization", "x-api-key", "api-key", "x-goog-api-key"}


def _is_auth(value: str) -> bool:
    way, _colon, name = value.partition(":")
    if way == "header" and name.lower() in NEVER_KEY_HEADERS:
        return False
    try:
        auth_of(value or "none")
    except ValueError:
        return False
    return not name or is_header_name(name)


def check_extra_body(extra_body: Any) -> None:
    if not isinstance(extra_body, Mapping):
        raise ValidationError({"extra_body": [_("Enter a JSON object.")]})
    problems = _of_each_request(extra_body)
    if len(str(extra_body)) > MOST_EXTRA_CHARS:
        most = {"most": MOST_EXTRA_CHARS}
        problems.append(_("This is longer than %(most)d characters.") % most)
    if problems:
        raise ValidationError({"extra_body": problems})


def check_drop_params(drop_params: Any) -> None:
    is_list = isinstance(drop_params, list) and all(isinstance(each, str) for each in drop_params)
    if not is_list or not all(drop_params) or len(drop_params) > MOST_DROPPED:
        raise ValidationError({"drop_params": [_("Enter names of parameters.")]})
    problems = _of_each_request(drop_params)
    if problems:
        raise ValidationError({"drop_params": problems})


def _of_each_request(names: Any) -> list[str]:
    text = _("“%(name)s” belongs to each request.")
    return [text % {"name": name} for name in OF_EACH_REQUEST if name in names]
