"""Reads the body of a chat completion; refuses what must not reach a provider.

Only what the platform itself relies on is checked: everything else is the provider's to judge.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import orjson

from providers.addresses import is_allowed
from providers.gateway.errors import bad_request
from providers.gateway.route import Route
from providers.gateway.sealed_state import unseal
from providers.tokens import estimated_prompt_tokens
from providers.types import ChatRequest

# Some proxies let a caller redirect a request, and the stored key with it, by these.
FORBIDDEN = frozenset(
    (
        *("api_base", "base_url", "headers", "extra_headers", "organization", "api_key"),
        *("api_version", "azure_endpoint", "extra_query", "custom_llm_provider"),
    )
)
NUMBERS = ("temperature", "top_p", "presence_penalty", "frequency_penalty")
COUNTS = ("max_tokens", "max_completion_tokens", "n")
LONGEST = ("max_tokens", "max_completion_tokens")
MEDIA = ("image_url", "video_url", "audio_url")


@dataclass
class ChatBody:
    """`parameters` is the rest of the body, as it was sent."""

    model: str
    messages: list[dict[str, Any]]
    parameters: dict[str, Any]
    is_stream: bool
    wants_usage: bool

    @cached_property
    def prompt_tokens(self) -> int:
        return estimated_prompt_tokens(self.messages)

    def answer_tokens(self, route: Route) -> int | None:
        """Of all the answers that are asked for."""
        longest = longest_answer(self.parameters, route)
        return longest and longest * (self.parameters.get("n") or 1)

    def for_route(self, route: Route) -> ChatRequest:
        """With the model's own defaults where the caller said nothing."""
        parameters = {k: v for k, v in self.parameters.items() if v is not None}
        for name, value in route.target.defaults.items():
            names = LONGEST if name in LONGEST else (name,)
            if not any(each in parameters for each in names):
                parameters[name] = value
        messages = self.messages
        has_system = any(message["role"] in ("system", "developer") for message in messages)
        if route.system_prompt and not has_system:
            messages = [{"role": "system", "content": route.system_prompt}, *messages]
        return ChatRequest(route.model_id, messages, parameters, self.is_stream)

    def check(self, route: Route) -> None:
        route.check_chat()
        self.check_media(is_managed=route.target.is_managed)

    def check_media(self, *, is_managed: bool) -> None:
        """No local files and no internal addresses; a deployment of ours fetches nothing at all."""
        for position, message in enumerate(self.messages):
            for part in message["content"] if isinstance(message.get("content"), list) else ():
                for name in MEDIA:
                    if name in part:
                        check_media_url(part[name], is_managed, f"messages[{position}].content")


def read_json_body(raw: bytes) -> dict[str, Any]:
    """An object without names that a caller may not set. Raises GatewayError (400)."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"The body is not valid JSON in UTF-8: {error.msg}.") from error
    if not isinstance(body, dict):
        raise bad_request("The body must be a JSON object.")
    if not FORBIDDEN.isdisjoint(body):
        name = min(FORBIDDEN & body.keys())
        raise bad_request(f"'{name}' may not be set by a request.", param=name)
    return body


def read_chat_body(raw: bytes) -> ChatBody:
    """Raises GatewayError (400)."""
    body = read_json_body(raw)
    model = read_model(body.pop("model", None))
    messages = _messages(body.pop("messages", None))
    is_stream = read_flag(body.pop("stream", None), "stream")
    options = body.pop("stream_options", None)
    if options is not None and not isinstance(options, Mapping):
        raise bad_request("'stream_options' must be an object.", param="stream_options")
    wants = read_flag((options or {}).get("include_usage"), "stream_options.include_usage")
    check_numbers(body)
    check_shapes(body)
    return ChatBody(model, messages, body, is_stream, wants)


def read_model(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise bad_request("'model' must name a model.", param="model")
    if not value.isprintable():
        raise bad_request("The name of a model has no control characters.", param="model")
    return value


def read_flag(value: Any, name: str) -> bool:
    if value is not None and not isinstance(value, bool):
        raise bad_request(f"'{name}' must be true or false.", param=name)
    return bool(value)


def _messages(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not value:
        raise bad_request("'messages' must be a list with at least one message.", param="messages")
    for position, message in enumerate(value):
        where = f"messages[{position}]"
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise bad_request(f"'{where}' must be an object with a role.", param=where)
        _check_content(message.get("content"), f"{where}.content")
        if "provider_state" in message:
            message["provider_state"] = unseal(message["provider_state"])
    return value


def _check_content(content: Any, where: str) -> None:
    if isinstance(content, list):
        if not all(isinstance(part, dict) for part in content):
            raise bad_request(f"'{where}' must be a list of objects.", param=where)
        if not all(isinstance(part.get("type", ""), str) for part in content):
            raise bad_request(f"The type of a part of '{where}' must be text.", param=where)
    elif content is not None and not isinstance(content, str):
        raise bad_request(f"'{where}' must be text, a list of parts, or null.", param=where)


def longest_answer(parameters: Mapping[str, Any], route: Route) -> int | None:
    """In tokens: what the caller allows, else what the model's page says. None: nobody says."""
    given = (values.get(name) for values in (parameters, route.target.defaults) for name in LONGEST)
    return next((int(value) for value in given if value is not None), None)


def check_numbers(body: Mapping[str, Any]) -> None:
    for name, value in body.items():
        if value is None:
            continue
        if name in NUMBERS and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise bad_request(f"'{name}' must be a number.", param=name)
        if name in COUNTS and (type(value) is not int or value < 1):
            raise bad_request(f"'{name}' must be a whole number of at least 1.", param=name)


def check_shapes(body: Mapping[str, Any]) -> None:
    """What several dialects take apart must be what it is in OpenAI's."""
    stop = body.get("stop")
    if stop is not None and not isinstance(stop, str) and not _is_list_of(stop, str):
        raise bad_request("'stop' must be a text or a list of texts.", param="stop")
    tools = body.get("tools")
    if tools is not None and not _is_list_of(tools, dict):
        raise bad_request("'tools' must be a list of objects.", param="tools")
    form = body.get("response_format")
    if form is not None and not isinstance(form, dict):
        raise bad_request("'response_format' must be an object.", param="response_format")


def _is_list_of(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(each, kind) for each in value)


def check_media_url(value: Any, is_managed: bool, where: str) -> None:
    url = value.get("url") if isinstance(value, Mapping) else value
    if isinstance(url, str) and url.startswith("data:"):
        return
    if is_managed:
        raise bad_request("This model takes images as data: URLs only.", param=where)
    if not isinstance(url, str) or not _is_public_url(url):
        raise bad_request("An image must be a data: URL or a public https address.", param=where)


def _is_public_url(url: str) -> bool:
    """Names are left to whoever fetches them; it is not us."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not host:
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host != "localhost"
    return is_allowed(host, allow_private=False)
