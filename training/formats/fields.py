"""Checks of single fields that all formats share."""

import json
import re
from collections.abc import Mapping
from typing import Any

import orjson

from llmplatform.text import UNSTORABLE
from training.formats.fates import MEDIA
from training.formats.problems import Problem, short, type_name

Record = Mapping[str, Any]
MAX_DEPTH = 32
MAX_PLACEHOLDERS = 20
PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z_]\w{0,39})\s*\}\}")


def text_of(record: Record, field: str, shown: str = "") -> str:
    """A string that every database can keep; absent and null are `missing_field`."""
    value = record.get(field)
    shown = shown or field
    if value is None:
        raise Problem("missing_field", field=shown)
    if not isinstance(value, str):
        raise Problem("wrong_type", field=shown, expected="string", found=type_name(value))
    if found := UNSTORABLE.search(value):
        kind = "zero" if found.group() == "\0" else "surrogate"
        raise Problem("unstorable", field=shown, kind=kind)
    return value


def filled_text(record: Record, field: str, shown: str = "") -> str:
    value = text_of(record, field, shown)
    if not value.strip():
        raise Problem("empty", field=shown or field)
    return value


def optional_text(record: Record, field: str) -> str:
    return "" if record.get(field) is None else text_of(record, field)


def refuse_media(record: Record) -> None:
    """The models trained here read text and see pictures. A column that is empty does no harm."""
    for name in MEDIA:
        if record.get(name):
            raise Problem("media", field=name)


def flag_of(record: Record, *fields: str) -> bool:
    """The first of `fields` that is there; it must be true or false."""
    field = next((name for name in fields if record.get(name) is not None), "")
    if not field:
        raise Problem("missing_field", field=fields[0])
    value = record[field]
    if not isinstance(value, bool):
        raise Problem("wrong_type", field=field, expected="boolean", found=type_name(value))
    return value


def list_of(record: Record, field: str) -> list[Any]:
    value = record.get(field)
    if value is None:
        raise Problem("missing_field", field=field)
    if not isinstance(value, list):
        raise Problem("wrong_type", field=field, expected="list", found=type_name(value))
    return value


def _depth_is_fine(value: object, left: int = MAX_DEPTH) -> bool:
    if left == 0:
        return False
    children: list[object] = []
    if isinstance(value, dict):
        children = list(value.values())
    elif isinstance(value, list):
        children = value
    return all(_depth_is_fine(child, left - 1) for child in children)


def json_text(value: object, problem: Problem) -> str:
    """`value` as JSON; `problem` where JSON has no word for it (NaN)."""
    if not _depth_is_fine(value):
        raise Problem("too_deep")
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise problem from error


def loaded(text: str, problem: Problem) -> Any:
    """The JSON value in `text`, or `problem`."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise problem from error
    if not _depth_is_fine(value):
        raise Problem("too_deep")
    return value


def tools_of(record: Record) -> str:
    """The tools as JSON text, "" for none. Given as text or as a list.

    A tool without parameters gets empty ones: some of the trainer's templates read them and stop
    the whole run where they are missing.
    """
    value = record.get("tools")
    if value in (None, "", [], {}):
        return ""
    wrong = Problem("tools_invalid")
    tools = loaded(text_of(record, "tools"), wrong) if isinstance(value, str) else value
    if isinstance(value, str) and tools in ([], {}):
        return value
    if not isinstance(tools, list):
        raise wrong
    completed = [_complete_tool(tool) for tool in tools]
    text = value if completed == tools and isinstance(value, str) else json_text(completed, wrong)
    if UNSTORABLE.search(text):
        raise Problem("unstorable", field="tools", kind="zero")
    return text


def _complete_tool(tool: object) -> Record:
    if not isinstance(tool, dict):
        raise Problem("tools_invalid")
    if tool.get("type") == "function":
        return {**tool, "function": _complete_function(tool.get("function"))}
    return _complete_function(tool)


def _complete_function(function: object) -> Record:
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise Problem("tools_invalid")
    parameters = function.get("parameters") or {}
    properties = parameters.get("properties", {}) if isinstance(parameters, dict) else None
    if not isinstance(properties, dict):
        raise Problem("tools_invalid")
    if not all(isinstance(value, dict) for value in properties.values()):
        raise Problem("tools_invalid")
    if "properties" in parameters:
        return function
    return {**function, "parameters": {"type": "object", **parameters, "properties": {}}}


def check_call(text: str, turn: int) -> None:
    """A function call is a JSON object (or list of them) with `name` and `arguments`."""
    wrong = Problem("call_invalid", turn=turn)
    value = loaded(text, wrong)
    calls = value if isinstance(value, list) else [value]
    for call in calls:
        if not isinstance(call, dict) or not isinstance(call.get("name"), str):
            raise wrong
        if not isinstance(call.get("arguments"), dict):
            raise wrong
    if not calls:
        raise wrong


def placeholders_in(text: str) -> set[str]:
    return set(PLACEHOLDER.findall(text)) if "{{" in text else set()


def role_text(value: object) -> str:
    """A role as it stands in the file, for messages."""
    return short(value) if isinstance(value, str) else type_name(value)
