"""An application behind Dify's API: chatbot, agent, chatflow, text generator or workflow.

One key is one application, so its model list has one row. `Profile.app_mode` is the `mode` that
GET /info tells. An application remembers its conversation by an id, which comes back as the
provider's state; without it, earlier messages go in front of the question.

A key for knowledge (`dataset-…`) opens no application but Dify's knowledge bases: its mode is
KNOWLEDGE, and it has no models.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from providers.adapters.answers import read_object
from providers.adapters.base import HttpAdapter
from providers.adapters.dify_reading import AGENTS, DifyReader
from providers.adapters.messages import Turn, kept_parameters, renamed, turns
from providers.errors import BadRequest, NotSupported
from providers.types import ChatRequest, HttpRequest, ListedModel, Target

DEFAULT_USER = "llmplatform"
PASSED = ("conversation_id", "auto_generate_name", "workflow_id")
MODES = (*AGENTS, "chat", "advanced-chat", "completion", "workflow")
KNOWLEDGE, KNOWLEDGE_KEY = "knowledge", "dataset-"
PATHS = {"workflow": "workflow", "completion": "completion"}
STOPS = {"workflow": "/workflows/tasks", "completion": "/completion-messages"}
# What it is to run an application without anybody's question.
WITHOUT_QUESTION = ("workflow", "completion")


class DifyAdapter(HttpAdapter):
    paths = {
        "chat": "/chat-messages",
        "completion": "/completion-messages",
        "workflow": "/workflows/run",
        "models": "/info",
    }

    def chat(self, target: Target, request: ChatRequest) -> HttpRequest:
        parameters = kept_parameters(target, request)
        found = turns(target, request)
        mode = target.profile.app_mode
        if mode == KNOWLEDGE:
            raise NotSupported("a key for knowledge opens no application")
        body: dict[str, Any] = {"inputs": inputs_of(target, parameters)}
        body["user"] = user_of(target, parameters)
        body["response_mode"] = "streaming" if request.is_stream else "blocking"
        files = [*request.uploaded, *(_file(each.url) for each in _images(found) if each.url)]
        if len(files) < len(_images(found)):
            raise BadRequest("the application takes images by address only")
        if files:
            body["files"] = files
        if mode != "workflow":
            conversation_id = _conversation_id(found)
            if conversation_id:
                body["conversation_id"] = conversation_id
            body |= renamed(parameters, {name: name for name in PASSED})
            body["query"] = _query(found, is_known=bool(body.get("conversation_id")))
        extra = {name: value for name, value in target.extra_body.items() if name != "inputs"}
        url = self.url(target, PATHS.get(mode, "chat"))
        return self.chat_post(replace(target, extra_body=extra), url, body)

    def reader(self, *, is_stream: bool, target: Target | None = None) -> DifyReader:
        return DifyReader(is_stream=is_stream, target=target)

    def models(self, target: Target) -> HttpRequest:
        if target.profile.app_mode == KNOWLEDGE:
            return self.ask(target, "GET", "/datasets", query={"page": "1", "limit": "1"})
        return self.get(target, "models")

    def read_models(self, body: bytes) -> list[ListedModel]:
        answer = read_object(body)
        if isinstance(answer.get("data"), list):
            return []
        mode = str(answer.get("mode") or "chat")
        name = str(answer.get("name") or mode)
        return [ListedModel(name[:200], ("chat",), evidence="metadata", name=name)]

    def read_app_mode(self, body: bytes) -> str:
        """For `Profile.app_mode`, from the same answer as the model list; empty where it says
        nothing that is known."""
        mode = read_object(body).get("mode")
        return mode if mode in MODES else ""

    def ask(
        self,
        target: Target,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str] | None = None,
    ) -> HttpRequest:
        """Any call of the API; ids in `path` have to be quoted."""
        url = target.base_url.rstrip("/") + path + (f"?{urlencode(query)}" if query else "")
        return self._signed(target, method, url, b"" if body is None else orjson.dumps(body))

    def stop(self, target: Target, *, task_id: str, user: str) -> HttpRequest:
        path = STOPS.get(target.profile.app_mode, "/chat-messages")
        task = quote(task_id, safe="")
        return self.ask(target, "POST", f"{path}/{task}/stop", {"user": user})

    def upload(
        self, target: Target, *, name: str, media_type: str, content: bytes, user: str
    ) -> HttpRequest:
        """multipart/form-data, whose parts a name cannot break."""
        boundary = uuid.uuid4().hex
        plain = "".join(each for each in name if each.isprintable() and each not in '"\\') or "file"
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="user"\r\n\r\n{user}\r\n'
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{plain}"\r\n'
            f"Content-Type: {media_type}\r\n\r\n"
        )
        body = head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
        request = self.ask(target, "POST", "/files/upload")
        kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        return replace(request, body=body, headers={**request.headers, **kind})


def user_of(target: Target, parameters: Mapping[str, Any]) -> str:
    """Who asks, as Dify is told: whoever says to be somebody else stays within the person here, so
    that nobody reaches another one's conversations and files."""
    named = str(parameters.get("user") or "")
    return "/".join(each for each in (target.end_user, named) if each) or DEFAULT_USER


def inputs_of(target: Target, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the connection, where the caller gives no others."""
    usual, given = target.extra_body.get("inputs"), parameters.get("inputs")
    return {
        **(usual if isinstance(usual, Mapping) else {}),
        **(given if isinstance(given, Mapping) else {}),
    }


def _images(found: Sequence[Turn]) -> list[Any]:
    return [image for turn in found[-1:] for image in turn.images]


def _file(url: str) -> dict[str, str]:
    return {"type": "image", "transfer_method": "remote_url", "url": url}


def _conversation_id(found: Sequence[Turn]) -> str:
    ids = (turn.said.get("conversation_id") for turn in reversed(found))
    return next((str(each) for each in ids if each), "")


def _query(found: Sequence[Turn], *, is_known: bool) -> str:
    if not found:
        return ""
    earlier = [turn for turn in found[:-1] if turn.text]
    if is_known or not earlier:
        return found[-1].text
    lines = [f"{turn.role}: {turn.text}" for turn in (*earlier, found[-1])]
    return "\n\n".join(lines)
