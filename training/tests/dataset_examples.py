"""Records that the dataset tests share: good ones of every layout, bad ones with their reason."""

from typing import Any

CALL = '{"name": "add", "arguments": {"a": 1}}'
TOOL = {"name": "add", "description": "d", "parameters": {"type": "object", "properties": {}}}


def chat(*turns: tuple[str, Any]) -> list[dict[str, Any]]:
    return [{"from": role, "value": text} for role, text in turns]


def messages(*turns: tuple[str, Any]) -> list[dict[str, Any]]:
    return [{"role": role, "content": text} for role, text in turns]


ASKED = chat(("human", "q"), ("gpt", "a"))
ASKED_OPENAI = messages(("user", "q"), ("assistant", "a"))

# format -> records that are kept, with every spelling the format knows
GOOD: dict[str, list[dict[str, Any]]] = {
    "alpaca": [
        {"instruction": "q", "output": "a"},
        {"instruction": "q", "input": "more", "output": "a", "system": "s"},
        {"instruction": "", "input": "only here", "output": "a", "system": None},
        {"instruction": "q", "input": None, "output": "a", "history": [["q1", "a1"], ["q2", "a2"]]},
        {"instruction": "q", "output": "a", "history": []},
        {"instruction": "我是 {{name}} 😀", "output": "好"},
    ],
    "sharegpt": [
        {"conversations": ASKED},
        {"conversations": chat(("system", "s"), ("human", "q"), ("gpt", "a")), "system": "t"},
        {"conversations": ASKED * 3, "system": "s", "tools": ""},
        {
            "conversations": chat(
                ("human", "q"), ("function_call", CALL), ("observation", ""), ("gpt", "a")
            ),
            "tools": [{"name": "add"}, {"type": "function", "function": TOOL}],
        },
        {"conversations": chat(("human", "q"), ("function_call", f"[{CALL}, {CALL}]"))},
    ],
    "openai": [
        {"messages": ASKED_OPENAI},
        {"messages": messages(("system", "s"), ("user", "q"), ("assistant", "a"))},
        {"conversations": ASKED_OPENAI},
        {
            "messages": messages(
                ("user", [{"type": "text", "text": "q"}, {"type": "text", "text": "r"}]),
                ("assistant", "a"),
            ),
            "images": [],
        },
        {
            "messages": [
                {"role": "user", "content": "q"},
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [{"function": {"name": "add", "arguments": '{"a": 1}'}}],
                },
                *messages(("tool", "1"), ("tool", "2"), ("assistant", "a")),
            ],
            "tools": [{"type": "function", "function": TOOL}],
        },
    ],
    "preference": [
        {"instruction": "q", "chosen": "a", "rejected": "b"},
        {"instruction": "q", "input": "i", "chosen": "a", "rejected": "b", "system": "s"},
    ],
    "kto": [
        {"instruction": "q", "output": "a", "kto_tag": True},
        {"instruction": "q", "output": "a", "label": False},
    ],
    "text": [{"text": "once upon a time"}, {"text": "很久以前"}],
}
GOOD_PAIRS: list[dict[str, Any]] = [
    {
        "conversations": chat(("human", "q")),
        "chosen": {"from": "gpt", "value": "a"},
        "rejected": {"from": "gpt", "value": "b"},
    },
    {
        "conversations": chat(("human", "q"), ("gpt", "a"), ("human", "q")),
        "chosen": {"from": "gpt", "value": "a"},
        "rejected": {"from": "function_call", "value": CALL},
    },
]
GOOD_PAIRS_OPENAI: list[dict[str, Any]] = [
    {
        "messages": messages(("system", "s"), ("user", "q")),
        "chosen": {"role": "assistant", "content": "a"},
        "rejected": {"role": "assistant", "content": "b"},
    }
]
GOOD_TAGGED: list[dict[str, Any]] = [
    {"conversations": ASKED, "kto_tag": True},
    {"conversations": ASKED * 2, "label": False},
]
GOOD_TAGGED_OPENAI: list[dict[str, Any]] = [{"messages": ASKED_OPENAI, "label": True}]

# Reasons that are ours alone: the trainer would take these records, to nobody's good.
OURS = {"empty", "unstorable", "too_deep", "candidate_role", "text_beside_calls", "media"}

# format -> (record, code of its rejection)
BAD: dict[str, list[tuple[dict[str, Any], str]]] = {
    "alpaca": [
        ({"instruction": "q"}, "missing_field"),
        ({"instruction": "q", "output": None}, "missing_field"),
        ({"instruction": "q", "output": 5}, "wrong_type"),
        ({"instruction": "q", "output": 1.5}, "wrong_type"),
        ({"instruction": "q", "output": True}, "wrong_type"),
        ({"instruction": "q", "output": ["a"]}, "wrong_type"),
        ({"instruction": "q", "output": {"a": 1}}, "wrong_type"),
        ({"instruction": 5, "output": "a"}, "wrong_type"),
        ({"instruction": "q", "input": 5, "output": "a"}, "wrong_type"),
        ({"instruction": "q", "output": "a", "system": 5}, "wrong_type"),
        ({"instruction": "q", "output": " "}, "empty"),
        ({"instruction": "", "output": "a"}, "empty"),
        ({"instruction": "q\0", "output": "a"}, "unstorable"),
        ({"instruction": "q", "output": "a\ud800"}, "unstorable"),
        ({"instruction": "q", "output": "a", "videos": ["a.mp4"]}, "media"),
        ({"instruction": "q", "output": "a", "history": [["only"]]}, "history_invalid"),
        ({"instruction": "q", "output": "a", "history": [["q", 1]]}, "wrong_type"),
        ({"instruction": "q", "output": "a", "history": [["q", ""]]}, "empty"),
    ],
    "sharegpt": [
        ({"conversations": []}, "no_turns"),
        ({"conversations": chat(("system", "s"))}, "no_turns"),
        ({"conversations": chat(("human", "q"))}, "no_answer"),
        ({"conversations": ASKED + chat(("human", "q"))}, "no_answer"),
        ({"conversations": chat(("gpt", "a"), ("human", "q"))}, "role_order"),
        ({"conversations": chat(("human", "q"), ("human", "q"))}, "role_order"),
        ({"conversations": chat(("human", "q"), ("gpt", "a"), ("gpt", "a"))}, "role_order"),
        ({"conversations": [*ASKED, *chat(("system", "s"), ("gpt", "a"))]}, "role_order"),
        ({"conversations": chat(("human", "q"), ("observation", "o"))}, "role_order"),
        ({"conversations": chat(("user", "q"), ("assistant", "a"))}, "unknown_role"),
        ({"conversations": chat(("human", "q"), ("bot", "a"))}, "unknown_role"),
        ({"conversations": [{"from": 5, "value": "q"}, *chat(("gpt", "a"))]}, "unknown_role"),
        ({"conversations": [{"value": "q"}, *chat(("gpt", "a"))]}, "turn_missing_field"),
        ({"conversations": [{"from": "human"}, *chat(("gpt", "a"))]}, "turn_missing_field"),
        ({"conversations": chat(("human", 5), ("gpt", "a"))}, "wrong_type"),
        ({"conversations": chat(("human", "q"), ("gpt", 5))}, "wrong_type"),
        ({"conversations": chat(("human", "q"), ("gpt", ""))}, "empty"),
        ({"conversations": ["hello", "world"]}, "turn_not_object"),
        ({"conversations": "hello"}, "wrong_type"),
        ({"conversations": ASKED, "tools": "not json"}, "tools_invalid"),
        ({"conversations": ASKED, "tools": "[5]"}, "tools_invalid"),
        ({"conversations": ASKED, "tools": 5}, "tools_invalid"),
        ({"conversations": ASKED, "system": 5}, "wrong_type"),
        ({"conversations": ASKED, "videos": "a.mp4"}, "media"),
        ({"conversations": chat(("human", "q"), ("function_call", "f(x)"))}, "call_invalid"),
        ({"conversations": chat(("human", "q"), ("function_call", '{"name": 1}'))}, "call_invalid"),
    ],
    "openai": [
        ({"messages": messages(("user", "q"))}, "no_answer"),
        ({"messages": messages(("robot", "q"), ("assistant", "a"))}, "unknown_role"),
        ({"messages": messages(("assistant", "a"), ("user", "q"))}, "role_order"),
        ({"messages": messages(("user", "q"), ("assistant", ["a"]))}, "wrong_type"),
        ({"messages": messages(("user", "q"), ("assistant", None))}, "turn_missing_field"),
        (
            {"messages": messages(("user", [{"type": "input_audio"}]), ("assistant", "a"))},
            "media",
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": "q"},
                    {"role": "assistant", "content": "a", "tool_calls": [{"function": {}}]},
                ]
            },
            "text_beside_calls",
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": "q"},
                    {"role": "assistant", "content": None, "tool_calls": [{"id": 1}]},
                ]
            },
            "call_invalid",
        ),
    ],
    "preference": [
        ({"instruction": "q", "chosen": "a"}, "missing_field"),
        ({"instruction": "q", "chosen": "a", "rejected": 5}, "wrong_type"),
        ({"instruction": "q", "chosen": {"a": 1}, "rejected": "b"}, "wrong_type"),
        ({"instruction": "q", "chosen": "", "rejected": "b"}, "empty"),
    ],
    "kto": [
        ({"instruction": "q", "output": "a"}, "missing_field"),
        ({"instruction": "q", "output": "a", "kto_tag": "yes"}, "wrong_type"),
        ({"instruction": "q", "output": "a", "kto_tag": 1}, "wrong_type"),
        ({"instruction": "q", "output": "", "kto_tag": True}, "empty"),
    ],
    "text": [
        ({"text": 5}, "wrong_type"),
        ({"text": " "}, "empty"),
        ({"text": None}, "missing_field"),
    ],
}
BAD_PAIRS: list[tuple[dict[str, Any], str]] = [
    ({**GOOD_PAIRS[0], "conversations": ASKED}, "pair_after_answer"),
    ({**GOOD_PAIRS[0], "chosen": "a"}, "wrong_type"),
    ({**GOOD_PAIRS[0], "rejected": None}, "missing_field"),
    ({**GOOD_PAIRS[0], "rejected": {"from": "bot", "value": "b"}}, "candidate_role"),
    ({**GOOD_PAIRS[0], "rejected": {"from": "human", "value": "b"}}, "candidate_role"),
]
BAD_TAGGED: list[tuple[dict[str, Any], str]] = [
    ({"conversations": ASKED, "kto_tag": "true"}, "wrong_type"),
    ({"conversations": ASKED}, "missing_field"),
    ({"conversations": chat(("human", "q")), "kto_tag": True}, "no_answer"),
]
