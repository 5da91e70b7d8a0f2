"""Answers of the OpenAI dialect on their way through, without IO: bytes in, bytes out.

What a chunk says is read in passing (usage, the end, an error); it is written anew only where
fields are missing that the official SDKs rely on. LLaMA-Factory's chunks, for one, have no `object`
and no `created`.
"""

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from providers.adapters.openai import read_usage
from providers.errors import InvalidAnswer
from providers.gateway.compose import DONE, Identity, event, usage_body
from providers.gateway.forwarding import ForwardedEvents, in_one_line, read_answer
from providers.gateway.records import Call
from providers.tokens import text_parts
from providers.types import Usage

STREAM, WHOLE = "chat.completion.chunk", "chat.completion"
PLAIN_CHUNK = frozenset(
    (
        *("id", "object", "created", "model", "choices", "usage"),
        *("system_fingerprint", "service_tier", "obfuscation"),
    )
)
# Of a JSON string that needs no decoding but UTF-8.
UNESCAPED = re.compile(rb'[^"\\\x00-\x1f]+')
PLAIN_CHOICE = frozenset(("index", "delta", "finish_reason", "logprobs"))
PLAIN_DELTA = frozenset(("content", "role"))


def _usage_of(chunk: Mapping[str, Any]) -> Usage | None:
    """In the chunk, or where Moonshot and Groq put it."""
    if chunk.get("usage"):
        return read_usage(chunk["usage"])
    for choice in chunk.get("choices") or ():
        if isinstance(choice, dict) and choice.get("usage"):
            return read_usage(choice["usage"])
    groq = chunk.get("x_groq")
    return read_usage(groq.get("usage")) if isinstance(groq, dict) else None


def _text_of(part: Mapping[str, Any]) -> str:
    thought = part.get("reasoning_content") or part.get("reasoning")
    text = "".join(text_parts(part.get("content")))
    return text + thought if isinstance(thought, str) else text


def _note(chunk: Mapping[str, Any], part_name: str, call: Call) -> bool:
    """Counts what a chunk brings; whether it ends a choice."""
    has_end = False
    for choice in chunk.get("choices") or ():
        if not isinstance(choice, dict):
            continue
        part = choice.get(part_name)
        if isinstance(part, dict):
            text = _text_of(part)
            if text or part.get("tool_calls"):
                call.note_text(text)
        has_end = has_end or bool(choice.get("finish_reason"))
    return has_end


def _is_complete(body: Mapping[str, Any], kind: str, part_name: str) -> bool:
    if body.get("object") != kind or not body.get("id") or not body.get("model"):
        return False
    choices = body.get("choices")
    return (
        isinstance(body.get("created"), int)
        and isinstance(choices, list)
        and all(isinstance(c, dict) and "index" in c and part_name in c for c in choices)
    )


def _completed(
    body: dict[str, Any], identity: Identity, kind: str, part_name: str
) -> dict[str, Any]:
    """`body` with what is missing filled in."""
    named = {"id": body.get("id") or identity.id, "object": kind}
    named["created"] = body["created"] if isinstance(body.get("created"), int) else identity.created
    named["model"] = body.get("model") or identity.model
    choices = []
    for position, choice in enumerate(body.get("choices") or ()):
        if isinstance(choice, dict):
            known = {"index": position, part_name: {}, "finish_reason": None}
            choices.append(known | {k: v for k, v in choice.items() if v is not None})
    return body | named | {"choices": choices}


class Mould:
    """What surrounds the word in the events of one stream. As a rule nothing else differs between
    them, and an event that fits needs no parser."""

    def __init__(self) -> None:
        self._head = self._tail = self._chunk_tail = b""

    def raw_word(self, data: bytes) -> bytes:
        """In UTF-8, where `data` is one event with its blank line that fits; empty for all else."""
        return _between(data, self._head, self._tail) if self._head else b""

    def raw_word_in_chunk(self, data: bytes) -> bytes:
        """As `raw_word`, with the frame of one whole chunk of HTTP around it.

        Its size has two or three digits, and is what is left of `data`.
        """
        digits = 2 if len(data) < 0x106 else 3
        if not self._head or data[digits : digits + 1] != b"\r":
            return b""
        size = len(data) - digits - 4
        return _between(data, b"%x\r\n%b" % (size, self._head), self._chunk_tail)

    def word(self, event_bytes: bytes) -> str | None:
        """As `plain_word`."""
        raw = self.raw_word(event_bytes + b"\n\n")
        if raw:
            return raw.decode()
        word = plain_word(event_bytes)
        if word is not None:
            self._fit(event_bytes, word.encode())
        return word

    def _fit(self, event_bytes: bytes, word: bytes) -> None:
        for mark in (b'"content":"', b'"content": "'):
            head, found, rest = event_bytes.partition(mark)
            if found and rest.startswith(word + b'"') and mark not in rest:
                self._head, self._tail = head + mark, rest[len(word) :] + b"\n\n"
                self._chunk_tail = self._tail + b"\r\n"


def _between(data: bytes, head: bytes, tail: bytes) -> bytes:
    """What needs no decoding but UTF-8 between the two; empty where `data` is something else."""
    if data.startswith(head) and data.endswith(tail):
        raw = data[len(head) : -len(tail)]
        if UNESCAPED.fullmatch(raw) and (raw.isascii() or _is_utf8(raw)):
            return raw
    return b""


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def plain_word(event_bytes: bytes) -> str | None:
    """The text of an event that is complete and brings text alone; None for every other one."""
    if event_bytes[:6] != b"data: " or b"\n" in event_bytes:
        return None
    try:
        chunk = orjson.loads(event_bytes[6:])
        if not chunk.keys() <= PLAIN_CHUNK or chunk.get("usage") or chunk["object"] != STREAM:
            return None
        [choice] = chunk["choices"]
        delta, created = choice["delta"], chunk["created"]
        is_whole = chunk["id"] and chunk["model"] and "index" in choice
        if not is_whole or type(created) is not int or choice.get("finish_reason") is not None:
            return None
        if not choice.keys() <= PLAIN_CHOICE or not delta.keys() <= PLAIN_DELTA:
            return None
        word = delta["content"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return word if type(word) is str and word else None


class ForwardedStream(ForwardedEvents):
    END_MARK = "[DONE]"

    def __init__(self, identity: Identity, call: Call, *, wants_usage: bool) -> None:
        super().__init__(call)
        self._identity = identity
        self._wants_usage = wants_usage
        self._is_at_event = True
        self._mould = Mould()

    def feed(self, data: bytes) -> bytes:
        if self._is_at_event:
            raw = self._mould.raw_word(data)
            if raw:
                self._call.note_utf8(raw)
                self._bad = 0
                return data
            if data[-3:] == b"}\n\n" and self._is_plain(data):
                return data
        found = super().feed(data)
        self._is_at_event = not self.is_over and self._decoder.is_between_events
        return found

    def word_in_chunk(self, data: bytes) -> bytes:
        return self._mould.raw_word_in_chunk(data) if self._is_at_event else b""

    def _is_plain(self, data: bytes) -> bool:
        """Whether all of it is whole events that bring a word and nothing else, as nearly every
        read of a stream is: then it is passed on as it came."""
        words: list[str] = []
        for piece in data[:-2].split(b"\n\n"):
            word = self._mould.word(piece)
            if word is None:
                return False
            words.append(word)
        self._call.note_text("".join(words))
        self._is_begun, self._bad = True, 0
        return True

    def finish(self) -> bytes:
        rest = super().finish()
        if self._wants_usage and self._call.usage is None:
            usage, is_estimated = self._call.final_usage()
            body = self._identity.body(STREAM) | {"choices": []}
            rest += event(body | {"usage": usage_body(usage, is_estimated=is_estimated)})
        return rest + DONE

    def _object(self, chunk: dict[str, Any], payload: str) -> bytes:
        usage = _usage_of(chunk)
        if usage is not None:
            self._call.usage = usage
        if chunk.get("choices"):
            self._is_begun = True
            self._has_end = _note(chunk, "delta", self._call) or self._has_end
        elif usage is not None and not self._wants_usage:
            return b""  # asked for by us, not by the caller
        if _is_complete(chunk, STREAM, "delta"):
            return b"data: " + in_one_line(payload).encode() + b"\n\n"
        return event(_completed(chunk, self._identity, STREAM, "delta"))


def forwarded_answer(body: bytes, identity: Callable[[], Identity], call: Call) -> bytes:
    """A whole answer, passed on; `identity` only where it says nothing of its own. Raises
    ProviderError."""
    answer = read_answer(body)
    if not isinstance(answer.get("choices"), list) or not answer["choices"]:
        raise InvalidAnswer("no choices")
    call.usage = _usage_of(answer)
    if call.first is None:
        call.first = time.monotonic()
    if not call.is_counted:
        _note(answer, "message", call)
    if call.usage is not None and _is_complete(answer, WHOLE, "message"):
        return body
    answer = _completed(answer, identity(), WHOLE, "message")
    if call.usage is None:  # some clients read the counts of every answer
        usage, is_estimated = call.final_usage()
        answer["usage"] = usage_body(usage, is_estimated=is_estimated)
    return orjson.dumps(answer)
