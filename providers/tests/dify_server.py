"""A stand-in for Dify's API: applications of every mode, and knowledge bases.

Paths, bodies, events and endings are those of shared/facts (langgenius/dify-docs). What the real
one refuses, this one refuses, too: a call for another mode, somebody else's conversation or file, a
missing input, a query for knowledge that is too long.
"""

import asyncio
import json
import re
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import uvicorn

from conftest import free_port

CHATS = ("chat", "agent-chat", "advanced-chat", "agent")
KNOWLEDGE_KEY = "dataset-0123456789abcdef"
QUERY_MAX_CHARS = 250
USAGE = {
    "prompt_tokens": 30,
    "completion_tokens": 4,
    "total_tokens": 34,
    "total_price": "0.000038",
    "currency": "USD",
    "latency": 0.8,
}
RESOURCES = [
    {
        "position": 1,
        "dataset_id": "d1",
        "dataset_name": "Manual",
        "document_id": "doc1",
        "document_name": "manual.md",
        "segment_id": "s1",
        "score": 0.83,
        "content": "Two years.",
    }
]
FORM = [
    {"text-input": {"label": "City", "variable": "city", "required": True, "max_length": 48}},
    {"paragraph": {"label": "Notes", "variable": "notes", "required": False}},
    {
        "select": {
            "label": "Tone",
            "variable": "tone",
            "required": False,
            "options": ["formal", "friendly"],
            "default": "friendly",
        }
    },
    {"number": {"label": "Days", "variable": "days", "required": False}},
    {
        "file": {
            "label": "Picture",
            "variable": "picture",
            "required": False,
            "allowed_file_types": ["image"],
        }
    },
]


MULTIPART = (
    rb'name="user"\r\n\r\n(.*?)\r\n.*filename="(.*?)"\r\nContent-Type: (.*?)\r\n'
    rb"\r\n(.*)\r\n--"
)


class Refused(Exception):
    def __init__(self, status: int, code: str, message: str = "refused") -> None:
        super().__init__(code)
        self.status, self.code, self.message = status, code, message


@dataclass
class App:
    mode: str
    name: str = "Travel guide"
    form: list[dict[str, Any]] = field(default_factory=list)
    takes_images: bool = False

    @property
    def key(self) -> str:
        return f"app-{self.mode}-0123456789"


@dataclass
class Call:
    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    headers: Mapping[str, str]


class DifyServer:
    """`failures`: refusals of the next calls whose path begins so. While it `is_held`, an answer
    pauses after its first word until somebody stops it or leaves."""

    def __init__(self) -> None:
        self.apps = {app.key: app for app in map(App, (*CHATS, "workflow", "completion"))}
        self.calls: list[Call] = []
        self.failures: dict[str, Refused] = {}
        self.stopped: list[tuple[str, str]] = []
        self.feedbacks: list[tuple[str, dict[str, Any]]] = []
        self.files: dict[str, dict[str, Any]] = {}
        self.conversations: dict[str, tuple[str, list[str]]] = {}
        self.datasets = {"d1": "Manual", "d2": "Prices"}
        self.is_held = False
        self.ending = ""
        self._port = free_port()
        config = uvicorn.Config(
            self, host="127.0.0.1", port=self._port, log_level="critical", lifespan="off"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def app(self, mode: str, **changes: Any) -> App:
        """The application of that mode, with `changes`."""
        app = next(app for app in self.apps.values() if app.mode == mode)
        for name, value in changes.items():
            setattr(app, name, value)
        return app

    def called(self, path: str) -> list[Call]:
        return [call for call in self.calls if call.path == path]

    def start(self) -> None:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.02)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=10)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        raw = b""
        while True:
            event = await receive()
            raw += event.get("body", b"")
            if not event.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        path = scope["path"].removeprefix("/v1")
        query = {
            name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()
        }
        is_json = headers.get("content-type", "").startswith("application/json")
        body = json.loads(raw) if raw and is_json else raw
        call = Call(scope["method"], path, query, body, headers)
        self.calls.append(call)
        try:
            await self._respond(call, receive, send)
        except Refused as refusal:
            told = {"code": refusal.code, "message": refusal.message, "status": refusal.status}
            await _whole(send, refusal.status, told)

    async def _respond(self, call: Call, receive: Any, send: Any) -> None:
        for path, refusal in list(self.failures.items()):
            if call.path.startswith(path):
                del self.failures[path]
                raise refusal
        key = call.headers.get("authorization", "").removeprefix("Bearer ")
        if call.path.startswith("/datasets"):
            if key != KNOWLEDGE_KEY:
                raise Refused(401, "unauthorized", "Access token is invalid")
            await _whole(send, 200, self._knowledge(call))
            return
        app = self.apps.get(key)
        if app is None:
            raise Refused(401, "unauthorized", "Access token is invalid")
        if call.path in ("/chat-messages", "/completion-messages", "/workflows/run"):
            await self._run(app, call, receive, send)
            return
        status = 201 if call.path == "/files/upload" else 200
        await _whole(send, status, self._answer(app, call))

    def _answer(self, app: App, call: Call) -> Any:
        routes: dict[str, Callable[[App, Call], Any]] = {
            r"/info": self._info,
            r"/parameters": self._parameters,
            r"/files/upload": self._upload,
            r"/conversations": self._conversations,
            r"/messages/[^/]+/feedbacks": self._feedback,
            r"/(chat-messages|completion-messages|workflows/tasks)/[^/]+/stop": self._stop,
        }
        for pattern, answer in routes.items():
            if re.fullmatch(pattern, call.path):
                return answer(app, call)
        raise Refused(404, "not_found")

    def _info(self, app: App, call: Call) -> Any:
        told = {"name": app.name, "description": "Plans trips", "tags": [], "author_name": "Dora"}
        return told | {"mode": app.mode}

    def _parameters(self, app: App, call: Call) -> Any:
        methods = ["remote_url", "local_file"]
        image = {"enabled": app.takes_images, "number_limits": 3, "transfer_methods": methods}
        return {
            "opening_statement": "Where do you want to go?",
            "suggested_questions": ["To Bern", "To Basel"],
            "user_input_form": app.form,
            "file_upload": {"image": image},
            "system_parameters": {"file_size_limit": 15, "image_file_size_limit": 10},
        }

    def _upload(self, app: App, call: Call) -> Any:
        found = re.search(MULTIPART, call.body, re.DOTALL)
        if found is None:
            raise Refused(400, "no_file_uploaded")
        user, name, kind = (each.decode() for each in found.groups()[:3])
        content = found[4]
        if len(content) > 1_000_000:
            raise Refused(413, "file_too_large")
        if kind == "application/x-msdownload":
            raise Refused(415, "unsupported_file_type")
        file_id = str(uuid.uuid4())
        self.files[file_id] = {"user": user, "name": name, "kind": kind, "content": content}
        shown = {"id": file_id, "name": name, "size": len(content), "mime_type": kind}
        return shown | {"extension": name.rpartition(".")[2], "created_by": user, "created_at": 1}

    def _conversations(self, app: App, call: Call) -> Any:
        mine = [
            key for key, (user, _said) in self.conversations.items() if user == call.query["user"]
        ]
        rows = [{"id": key, "name": "New", "inputs": {}, "status": "normal"} for key in mine]
        return {"limit": 20, "has_more": False, "data": rows}

    def _feedback(self, app: App, call: Call) -> Any:
        if not call.body.get("user") or call.body.get("rating") not in ("like", "dislike", None):
            raise Refused(400, "invalid_param")
        self.feedbacks.append((call.path.split("/")[2], call.body))
        return {"result": "success"}

    def _stop(self, app: App, call: Call) -> Any:
        wanted = {"workflow": "workflows", "completion": "completion-messages"}
        if call.path.split("/")[1] != wanted.get(app.mode, "chat-messages"):
            raise Refused(400, "not_chat_app")
        if not call.body.get("user"):
            raise Refused(400, "invalid_param")
        self.stopped.append((call.path.split("/")[-2], call.body["user"]))
        return {"result": "success"}

    async def _run(self, app: App, call: Call, receive: Any, send: Any) -> None:
        body = call.body
        self._check(app, call.path, body)
        if body.get("response_mode") == "streaming":
            headers = [(b"content-type", b"text/event-stream")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            async for event in self._events(app, body, receive):
                text = "event: ping\n\n" if event is None else f"data: {json.dumps(event)}\n\n"
                await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
            await send({"type": "http.response.body", "body": b""})
            return
        if app.mode == "agent":
            raise Refused(400, "new_agent_streaming_only")
        if app.mode == "agent-chat":
            raise Refused(400, "invalid_param", "Agent Chat App does not support blocking mode")
        await _whole(send, 200, self._blocking(app, body))

    def _check(self, app: App, path: str, body: dict[str, Any]) -> None:
        wanted = {"workflow": "/workflows/run", "completion": "/completion-messages"}
        if path != wanted.get(app.mode, "/chat-messages"):
            raise Refused(400, "not_workflow_app" if path == "/workflows/run" else "not_chat_app")
        if not body.get("user") or not isinstance(body.get("inputs"), dict):
            raise Refused(400, "invalid_param")
        if app.mode in CHATS and not body.get("query"):
            raise Refused(400, "invalid_param", "query is required")
        for row in app.form:
            [wanted_field] = row.values()
            if wanted_field["required"] and not body["inputs"].get(wanted_field["variable"]):
                raise Refused(400, "invalid_param", f"{wanted_field['variable']} is required")
        files = [*body.get("files", ()), *body["inputs"].values()]
        for each in files:
            file_id = each.get("upload_file_id") if isinstance(each, dict) else None
            if file_id and self.files.get(file_id, {}).get("user") != body["user"]:
                raise Refused(400, "invalid_param", "Invalid upload file")
        conversation = body.get("conversation_id")
        if conversation and self.conversations.get(conversation, ("",))[0] != body["user"]:
            raise Refused(404, "not_found", "Conversation Not Exists.")

    def _conversation(self, body: dict[str, Any]) -> str:
        conversation: str = body.get("conversation_id") or str(uuid.uuid4())
        user, said = self.conversations.get(conversation, (body["user"], []))
        self.conversations[conversation] = (user, [*said, body["query"]])
        return conversation

    def _said(self, app: App, body: dict[str, Any], conversation: str) -> str:
        if app.mode in CHATS:
            return f"Answer {len(self.conversations[conversation][1])} to {body['query']}"
        return "Bern " + json.dumps(body["inputs"], ensure_ascii=False, sort_keys=True)

    def _blocking(self, app: App, body: dict[str, Any]) -> Any:
        conversation = self._conversation(body) if app.mode in CHATS else ""
        said, task = self._said(app, body, conversation), str(uuid.uuid4())
        if app.mode == "workflow":
            return {"task_id": task, "workflow_run_id": "w1", "data": _workflow_data(said)}
        ids = {"task_id": task, "message_id": str(uuid.uuid4()), "conversation_id": conversation}
        metadata = {"usage": USAGE, "retriever_resources": RESOURCES}
        return {"event": "message", "mode": app.mode, **ids, "answer": said, "metadata": metadata}

    async def _events(
        self, app: App, body: dict[str, Any], receive: Any
    ) -> AsyncIterator[dict[str, Any] | None]:
        """None is a ping."""
        conversation = self._conversation(body) if app.mode in CHATS else ""
        task, said = str(uuid.uuid4()), self._said(app, body, conversation)
        ids: dict[str, Any] = {"task_id": task, "created_at": 1795000000}
        if app.mode != "workflow":
            message = str(uuid.uuid4())
            ids |= {"id": message, "message_id": message}
        if conversation:
            ids["conversation_id"] = conversation
        flow = {"task_id": task, "workflow_run_id": "w1"}
        yield None
        if app.mode in ("workflow", "advanced-chat"):
            started = {"id": "w1", "workflow_id": "wf", "inputs": body["inputs"], "created_at": 1}
            yield ids | flow | {"event": "workflow_started", "data": started}
            yield flow | {"event": "node_started", "data": {"id": "n1", "title": "LLM", "index": 1}}
        if app.mode in ("agent", "agent-chat"):
            for event in _thoughts():
                yield ids | event
        first, _space, rest = said.partition(" ")
        yield self._piece(app, ids, f"{first} ")
        if self.is_held and not await self._until_stopped(task, receive):
            return
        if self.ending == "error":
            told = {"status": 400, "code": "provider_quota_exceeded", "message": "no credit"}
            yield ids | {"event": "error", **told}
            return
        yield self._piece(app, ids, rest)
        if app.mode == "agent":
            yield ids | {"event": "message", "answer": said}
        async for event in self._ending(app, ids, flow, said):
            yield event

    async def _ending(
        self, app: App, ids: dict[str, Any], flow: dict[str, Any], said: str
    ) -> AsyncIterator[dict[str, Any]]:
        if self.ending == "paused":
            yield flow | {"event": "human_input_required", "data": {"form": {}}}
            yield flow | {"event": "workflow_paused", "data": {"id": "w1"}}
            return
        failed = self.ending == "failed"
        if app.mode != "workflow" and not failed:
            metadata = {"usage": USAGE, "retriever_resources": RESOURCES}
            yield ids | {"event": "message_end", "metadata": metadata}
        if app.mode in ("workflow", "advanced-chat"):
            data = _workflow_data(said) | ({"status": "failed", "error": "boom"} if failed else {})
            yield flow | {"event": "workflow_finished", "data": data}
        if failed and app.mode == "advanced-chat":
            told = {"status": 400, "code": "completion_request_error", "message": "boom"}
            yield ids | {"event": "error", **told}

    @staticmethod
    def _piece(app: App, ids: dict[str, Any], text: str) -> dict[str, Any]:
        if app.mode == "workflow":
            data = {"text": text, "from_variable_selector": ["llm", "text"]}
            return {"event": "text_chunk", "task_id": ids["task_id"], "data": data}
        kind = "agent_message" if app.mode == "agent-chat" else "message"
        return ids | {"event": kind, "answer": text}

    async def _until_stopped(self, task: str, receive: Any) -> bool:
        """False where the client left: Dify goes on all the same, and tells nobody."""
        gone = asyncio.ensure_future(receive())
        while task not in [each for each, _user in self.stopped]:
            if gone.done() and gone.result()["type"] == "http.disconnect":
                return False
            if not self.is_held:
                break
            await asyncio.sleep(0.02)
        return True

    def _knowledge(self, call: Call) -> Any:
        if call.path == "/datasets":
            return self._listed(call.query)
        found = re.fullmatch(r"/datasets/([^/]+)/retrieve", call.path)
        if found is None or found[1] not in self.datasets:
            raise Refused(404, "not_found", "Dataset not found.")
        body, model = call.body, call.body.get("retrieval_model", {})
        required = ("search_method", "reranking_enable", "top_k", "score_threshold_enabled")
        is_whole = all(name in model for name in required)
        if not is_whole or not 0 < len(body.get("query", "")) <= QUERY_MAX_CHARS:
            raise Refused(400, "invalid_param")
        rows = [_record(found[1], number) for number in range(1, 4)]
        if model["score_threshold_enabled"]:
            rows = [row for row in rows if row["score"] >= model["score_threshold"]]
        return {"query": {"content": body["query"]}, "records": rows[: model["top_k"]]}

    def _listed(self, query: Mapping[str, str]) -> Any:
        page, limit = int(query.get("page", 1)), int(query.get("limit", 20))
        wanted = query.get("keyword", "").lower()
        rows = [
            {
                "id": key,
                "name": name,
                "description": f"All about {name}",
                "document_count": 3,
                "word_count": 1200,
                "embedding_available": name != "Prices",
            }
            for key, name in self.datasets.items()
            if wanted in name.lower()
        ]
        shown = rows[(page - 1) * limit : page * limit]
        more = page * limit < len(rows)
        return {"data": shown, "has_more": more, "limit": limit, "total": len(rows), "page": page}


def _workflow_data(said: str) -> dict[str, Any]:
    done = {"id": "w1", "workflow_id": "wf", "status": "succeeded", "error": None}
    return done | {"outputs": {"text": said, "days": 3}, "total_tokens": 34, "total_steps": 3}


def _thoughts() -> list[dict[str, Any]]:
    asked = {"tool": "get_weather", "tool_input": '{"get_weather": {"city": "Bern"}}'}
    thought = {"event": "agent_thought", "id": "th1", "position": 1, "thought": "The weather first"}
    file = {"event": "message_file", "id": "f1", "type": "image", "belongs_to": "assistant"}
    return [
        thought | asked | {"observation": ""},
        thought | asked | {"observation": '{"c": 11}'},
        file | {"url": "https://dify.test/files/f1.png"},
    ]


def _record(dataset: str, number: int) -> dict[str, Any]:
    document = {"id": "doc1", "data_source_type": "upload_file", "name": "manual.md"}
    segment = {
        "id": f"{dataset}-s{number}",
        "position": number,
        "document_id": "doc1",
        "content": f"Passage {number} of {dataset}",
        "answer": "Two years." if number == 1 else None,
        "document": document,
    }
    return {"segment": segment, "child_chunks": [], "score": 1 - number / 4}


async def _whole(send: Any, status: int, content: Any) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(content).encode()})
