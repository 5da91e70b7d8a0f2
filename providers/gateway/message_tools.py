"""Anthropic's tools, thinking and formats as OpenAI's parameters."""

from collections.abc import Mapping
from typing import Any

from providers.gateway.errors import bad_request

CHOICES = {"auto": "auto", "any": "required", "none": "none"}
# Up to how many tokens of thought an effort is meant; more is "high".
EFFORTS = ((2048, "low"), (8192, "medium"))


def tool_parameters(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Raises GatewayError (400)."""
    tools = raw.get("tools")
    if not tools:
        return {}
    if not isinstance(tools, list):
        raise bad_request("'tools' must be a list.", param="tools")
    found: dict[str, Any] = {"tools": [_tool(tool) for tool in tools]}
    choice = raw.get("tool_choice")
    if not isinstance(choice, Mapping):
        return found
    kind = choice.get("type")
    if kind == "tool":
        function = {"name": str(choice.get("name") or "")}
        found["tool_choice"] = {"type": "function", "function": function}
    elif isinstance(kind, str) and kind in CHOICES:
        found["tool_choice"] = CHOICES[kind]
    if choice.get("disable_parallel_tool_use") is True:
        found["parallel_tool_calls"] = False
    return found


def _tool(tool: Any) -> dict[str, Any]:
    kind = tool.get("type", "custom") if isinstance(tool, Mapping) else None
    if kind not in ("custom", None) or not isinstance(tool, Mapping):
        raise bad_request(
            f"This model has no tool of the type '{str(kind)[:100]}'; only Anthropic runs it.",
            param="tools",
        )
    function = {"name": str(tool.get("name") or "")}
    if tool.get("description"):
        function["description"] = tool["description"]
    empty = {"type": "object", "properties": {}}
    parameters = tool.get("input_schema") or empty
    return {"type": "function", "function": {**function, "parameters": parameters}}


def effort_of(raw: Mapping[str, Any]) -> str:
    """How long to think, or "" where nothing was asked for."""
    thinking, config = raw.get("thinking"), raw.get("output_config")
    stated = config.get("effort") if isinstance(config, Mapping) else None
    if isinstance(stated, str) and stated:
        return stated
    kind = thinking.get("type") if isinstance(thinking, Mapping) else None
    if kind != "enabled":
        return "medium" if kind == "adaptive" else ""
    budget = thinking.get("budget_tokens") if isinstance(thinking, Mapping) else None
    if not isinstance(budget, int):
        return "medium"
    return next((effort for most, effort in EFFORTS if budget <= most), "high")


def response_format(raw: Mapping[str, Any]) -> dict[str, Any]:
    config = raw.get("output_config")
    wanted = config.get("format") if isinstance(config, Mapping) else None
    if not isinstance(wanted, Mapping) or wanted.get("type") != "json_schema":
        return {}
    schema = {"name": "answer", "schema": wanted.get("schema") or {}, "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}
