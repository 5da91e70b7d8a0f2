"""The same conversation in another chat format. Only where the trainer then reads the same."""

import json
from collections.abc import Iterable
from typing import Any

from training.formats.conversations import OPENAI, RESULT_SEPARATOR, SHAREGPT, Dialect
from training.formats.layouts import Layout, Record, Turn
from training.formats.pictures import COLUMN

CHAT_FORMATS = ("alpaca", "sharegpt", "openai")
SAID = ("user", "assistant")


class Lossy(Exception):
    """The format has no place for something that this record says."""


def converted(turns: Iterable[Turn], format: str) -> dict[str, Any]:
    """A record in `format` (one of CHAT_FORMATS), as people write it. Raises Lossy."""
    said = list(turns)
    heads = {turn.speaker: turn.text for turn in said if turn.speaker in ("system", "tools")}
    spoken = [turn for turn in said if turn.speaker not in heads]
    if format == "alpaca":
        return _alpaca(heads, spoken)
    if format == "sharegpt":
        return _sharegpt(heads, spoken)
    return _openai(heads, spoken)


def rewritten(layout: Layout, record: Record, format: str) -> dict[str, Any]:
    """A stored record in another format, with its pictures. Raises Lossy."""
    pictures = {COLUMN: record[COLUMN]} if COLUMN in record else {}
    return converted(layout.turns(record), format) | pictures


def _alpaca(heads: dict[str, str], spoken: list[Turn]) -> dict[str, Any]:
    if "tools" in heads or any(turn.speaker not in SAID for turn in spoken):
        raise Lossy
    texts = [turn.text for turn in spoken]
    *earlier, question, answer = texts
    if not question.strip():
        raise Lossy
    record: dict[str, Any] = {"instruction": question, "input": "", "output": answer}
    if "system" in heads:
        record["system"] = heads["system"]
    if earlier:
        record["history"] = [list(pair) for pair in zip(earlier[::2], earlier[1::2], strict=True)]
    return record


def _names(dialect: Dialect) -> dict[str, str]:
    return {meant: role for role, meant in dialect.speakers.items()}


def _sharegpt(heads: dict[str, str], spoken: list[Turn]) -> dict[str, Any]:
    names = _names(SHAREGPT)
    turns = [{"from": names[turn.speaker], "value": turn.text} for turn in spoken]
    return {"conversations": turns, **heads}


def _openai(heads: dict[str, str], spoken: list[Turn]) -> dict[str, Any]:
    messages: list[dict[str, Any]] = []
    if "system" in heads:
        messages.append({"role": "system", "content": heads["system"]})
    calls: list[str] = []
    for number, turn in enumerate(spoken):
        if turn.speaker == "call":
            message, calls = _calls(turn.text, number)
            messages.append(message)
        elif turn.speaker == "result":
            messages += _results(turn.text, calls)
        else:
            messages.append({"role": _names(OPENAI)[turn.speaker], "content": turn.text})
    record: dict[str, Any] = {"messages": messages}
    if "tools" in heads:
        record["tools"] = json.loads(heads["tools"])
    return record


def _calls(text: str, number: int) -> tuple[dict[str, Any], list[str]]:
    """A function-call turn as OpenAI's `tool_calls`, and their ids."""
    called = json.loads(text)
    called = called if isinstance(called, list) else [called]
    ids = [f"call_{number}_{n}" for n in range(len(called))]
    calls = [
        {
            "id": name,
            "type": "function",
            "function": {
                "name": each["name"],
                "arguments": json.dumps(each["arguments"], ensure_ascii=False),
            },
        }
        for name, each in zip(ids, called, strict=True)
    ]
    return {"role": "assistant", "content": None, "tool_calls": calls}, ids


def _results(text: str, ids: list[str]) -> list[dict[str, Any]]:
    """One message for each call; where they do not match, the first takes it all."""
    parts = text.split(RESULT_SEPARATOR)
    if len(parts) != len(ids):
        parts = [text]
    names = ids or [""]
    return [
        {"role": "tool", "content": part, **({"tool_call_id": name} if name else {})}
        for part, name in zip(parts, names, strict=False)
    ]
