"""Which column is probably which, by its name and by what stands in it."""

from collections.abc import Mapping, Sequence
from typing import Any

from training.formats.shaping import FLAGS, ColumnMap

TARGETS: dict[str, tuple[str, ...]] = {
    "alpaca": ("instruction", "input", "output", "system", "history", "images"),
    "sharegpt": ("conversations", "system", "tools", "images"),
    "openai": ("messages", "system", "tools", "images"),
    "preference": (
        *("instruction", "input", "conversations", "chosen", "rejected", "system", "images"),
    ),
    "kto": ("instruction", "input", "output", "conversations", "kto_tag", "system", "images"),
    "text": ("text",),
}
REQUIRED: dict[str, tuple[str, ...]] = {
    "alpaca": ("instruction", "output"),
    "sharegpt": ("conversations",),
    "openai": ("messages",),
    "preference": ("instruction", "chosen", "rejected"),
    "kto": ("instruction", "output", "kto_tag"),
    "text": ("text",),
}
# In a conversation the question, and for KTO the answer, are among its turns.
IN_CONVERSATION = {"instruction", "output"}
NAMES: dict[str, tuple[str, ...]] = {
    "instruction": (
        *("instruction", "question", "query", "prompt", "problem", "request", "user", "human", "q"),
        *("问题", "提问", "指令", "问", "用户", "题目"),
    ),
    "input": ("input", "context", "passage", "background", "上下文", "背景", "材料", "输入"),
    "output": (
        *("output", "answer", "response", "completion", "reply", "target", "solution", "assistant"),
        *("a", "答案", "回答", "回复", "答", "输出", "客服"),
    ),
    "system": ("system", "system_prompt", "系统", "系统提示", "系统提示词"),
    "history": ("history", "历史"),
    "chosen": (
        *("chosen", "accepted", "preferred", "better", "winner", "win", "positive", "good"),
        *("优选", "更好", "好回答"),
    ),
    "rejected": (
        *("rejected", "dispreferred", "worse", "loser", "lose", "negative", "bad"),
        *("较差", "差回答", "更差"),
    ),
    "kto_tag": (
        *("kto_tag", "label", "tag", "is_good", "liked", "thumbs_up", "feedback", "rating"),
        *("评价", "是否好", "标签"),
    ),
    "conversations": (
        *("conversations", "conversation", "messages", "dialogue", "dialog", "chat", "turns"),
        *("对话", "会话"),
    ),
    "tools": ("tools", "functions", "工具"),
    "images": ("images", "image", "pictures", "picture", "img", "image_path", "图片", "图像"),
    "text": ("text", "content", "body", "document", "article", "passage", "正文", "文本", "内容"),
}
NAMES["messages"] = NAMES["conversations"]
ROLE_FIELDS = ("role", "from", "speaker", "sender", "author", "who", "name", "角色", "说话人")
CONTENT_FIELDS = (*("content", "value", "text", "message", "utterance", "body", "内容", "文本"),)
SPEAKERS: dict[str, tuple[str, ...]] = {
    "user": (
        *("user", "human", "customer", "client", "question", "asker", "patient", "q"),
        *("用户", "客户", "问", "患者", "提问者"),
    ),
    "assistant": (
        *("assistant", "gpt", "bot", "agent", "model", "ai", "answer", "chatgpt", "support", "a"),
        *("助手", "客服", "答", "医生", "机器人"),
    ),
    "system": ("system", "developer", "系统"),
    "call": ("function_call", "tool_call"),
    "result": ("tool", "function", "observation", "function_response", "tool_response"),
}
Samples = Mapping[str, Sequence[Any]]


def guess(samples: Samples) -> ColumnMap:
    """From column names and some of their values. What is not clear is left out."""
    talk = next((name for name, values in samples.items() if _are_turns(values)), "")
    found = {target: _best(target, samples) for target in NAMES}
    format = _format(found, samples, bool(talk))
    columns: dict[str, str] = {}
    for target in TARGETS[format]:
        if target in ("conversations", "messages"):
            path = talk
        elif talk and target in IN_CONVERSATION:
            path = ""
        else:
            path = found[target]
        if path and path not in columns.values():
            columns[target] = path
    roles = roles_of([turn for turns in samples[talk] for turn in _turns(turns)]) if talk else {}
    return ColumnMap(format, columns, roles)


def _format(found: Mapping[str, str], samples: Samples, has_talk: bool) -> str:
    if found["chosen"] and found["rejected"]:
        return "preference"
    tag = found["kto_tag"]
    has_answer = has_talk or (found["instruction"] and found["output"])
    if tag and has_answer and all(_is_flag(value) for value in samples[tag]):
        return "kto"
    if has_talk:
        return "sharegpt"
    is_prose = found["text"] and not (found["instruction"] and found["output"])
    return "text" if is_prose else "alpaca"


def _best(target: str, samples: Samples) -> str:
    """The column whose name says it most plainly; the names are in the order of their worth."""
    scored = []
    for position, (path, values) in enumerate(samples.items()):
        score = _score(target, path)
        if score and (target in ("kto_tag", "history", "tools") or _are_texts(values)):
            scored.append((-score, position, path))
    if scored:
        return min(scored)[2]
    ending = [path for path, values in samples.items() if _ends(target, path, values)]
    return ending[0] if len(ending) == 1 else ""


def _ends(target: str, path: str, values: Sequence[Any]) -> bool:
    """Questions and answers with an attribute before them: 标准答案, user_question."""
    if target not in IN_CONVERSATION:  # an operating_system is no system prompt
        return False
    last = path.split(".")[-1].strip().lower().replace(" ", "_")
    ends = (f"_{name}" if name.isascii() else name for name in NAMES[target] if len(name) > 1)
    return _are_texts(values) and last.endswith(tuple(ends))


def _score(target: str, path: str) -> int:
    names = NAMES[target]
    steps = [step.strip().lower().replace(" ", "_") for step in path.split(".")]
    if path.strip().lower() in names:
        return 1000 - names.index(path.strip().lower())
    if steps[-1] in names and len(steps) > 1:
        is_plain = steps[-1] in ("text", "content")
        return 0 if is_plain else 500 - names.index(steps[-1])
    for step in steps:
        if step.rstrip("s") in names or step in names:
            return 100 - min(
                names.index(step.rstrip("s") if step.rstrip("s") in names else step), 90
            )
    return 0


def _are_texts(values: Sequence[Any]) -> bool:
    """A few that are none will be told of, record by record."""
    known = [value for value in values if value is not None]
    return 2 * sum(isinstance(value, str) for value in known) > len(known)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool) or str(value).strip().lower() in FLAGS


def _turns(value: Any) -> list[Mapping[str, Any]]:
    turns = value if isinstance(value, list) else []
    return [turn for turn in turns if isinstance(turn, dict)]


def _are_turns(values: Sequence[Any]) -> bool:
    return any(
        _field(_turns(value), ROLE_FIELDS) and _field(_turns(value), CONTENT_FIELDS)
        for value in values
    )


def holds_turns(record: Any) -> bool:
    return isinstance(record, dict) and any(_are_turns([value]) for value in record.values())


def _field(turns: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    known = {name for turn in turns for name in turn}
    return next((name for name in names if name in known), "")


def roles_of(turns: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The fields of a turn, and which of the roles found is which speaker."""
    role, content = _field(turns, ROLE_FIELDS), _field(turns, CONTENT_FIELDS)
    spoken = list(dict.fromkeys(str(turn.get(role)) for turn in turns if turn.get(role)))
    named: dict[str, list[str]] = {}
    for name in spoken:
        for speaker, names in SPEAKERS.items():
            if name.strip().lower() in names:
                named.setdefault(speaker, []).append(name)
    fields = {"role": role, "content": content}
    return fields | {speaker: ", ".join(names) for speaker, names in named.items()}
