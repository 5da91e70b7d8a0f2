"""Conversations: ShareGPT (`from`, `value`) and OpenAI messages (`role`, `content`)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from training.formats.fields import (
    check_call,
    filled_text,
    flag_of,
    json_text,
    list_of,
    loaded,
    optional_text,
    refuse_media,
    role_text,
    text_of,
    tools_of,
)
from training.formats.layouts import Answer, Record, Turn, is_tagged, tag_turn
from training.formats.pictures import PLACEHOLDER, address_of, images_of
from training.formats.problems import Problem, names_of, type_name

# How LLaMA-Factory joins the results of several calls into the one turn it knows.
RESULT_SEPARATOR = "\n</tool_response>\n<tool_response>\n"


@dataclass(frozen=True)
class Dialect:
    """How one family writes a turn. `speakers`: its role names and what they mean to us."""

    column: str
    role: str
    content: str
    speakers: Mapping[str, str]
    tags: Mapping[str, str]

    @property
    def roles(self) -> str:
        return names_of(list(self.speakers))


SHAREGPT = Dialect(
    column="conversations",
    role="from",
    content="value",
    speakers={
        "human": "user",
        "gpt": "assistant",
        "system": "system",
        "function_call": "call",
        "observation": "result",
    },
    tags={},
)
OPENAI = Dialect(
    column="messages",
    role="role",
    content="content",
    speakers={
        "user": "user",
        "assistant": "assistant",
        "system": "system",
        "function_call": "call",
        "tool": "result",
    },
    tags={
        "role_tag": "role",
        "content_tag": "content",
        "user_tag": "user",
        "assistant_tag": "assistant",
        "observation_tag": "tool",
        "function_tag": "function_call",
        "system_tag": "system",
    },
)
COLUMNS = ("conversations", "messages")
ASKING = ("user", "result")
ANSWERING = ("assistant", "call")


def _column_of(record: Record) -> str:
    return next((name for name in COLUMNS if record.get(name) is not None), "")


@dataclass(frozen=True)
class Conversations:
    format: str
    dialect: Dialect
    answer: Answer

    @property
    def expected(self) -> str:
        more = {Answer.PAIR: ", chosen, rejected", Answer.TAGGED: ", kto_tag"}
        return self.dialect.column + more.get(self.answer, "")

    @property
    def used(self) -> frozenset[str]:
        more = {Answer.PAIR: {"chosen", "rejected"}, Answer.TAGGED: {"kto_tag", "label"}}
        return frozenset({*COLUMNS, "system", "tools", "images", *more.get(self.answer, set())})

    def fits(self, record: Record) -> bool:
        if not any(name in record for name in COLUMNS):
            return False
        if self._other_dialect(record):
            return False
        if self.answer is Answer.PAIR:
            return {"chosen", "rejected"} <= record.keys()
        return self.answer is Answer.SINGLE or is_tagged(record)

    def _other_dialect(self, record: Record) -> bool:
        """By the keys of the first turn; where there is none, by the name of the column."""
        column = _column_of(record)
        turns = record.get(column)
        first = turns[0] if isinstance(turns, list) and turns else None
        if isinstance(first, dict) and ("from" in first) != ("role" in first):
            return self.dialect.role not in first
        return self.dialect.column not in record

    def clean(self, record: Record) -> dict[str, Any]:
        refuse_media(record)
        column = _column_of(record)
        if not column:
            raise Problem("missing_field", field=self.dialect.column)
        numbered = list(enumerate(list_of(record, column), start=1))
        shown: list[str] = []
        turns = [(number, self._turn(turn, number, shown)) for number, turn in numbered]
        if self.dialect is OPENAI:
            turns = _merged(turns)
        self._check_order(turns)
        has_system = turns[0][1].speaker == "system"
        cleaned: dict[str, Any] = {
            self.dialect.column: [self._written(turn) for _number, turn in turns],
            "system": "" if has_system else optional_text(record, "system"),
            "tools": tools_of(record),
        }
        if self.answer is Answer.PAIR:
            cleaned |= {name: self._candidate(record, name) for name in ("chosen", "rejected")}
        elif self.answer is Answer.TAGGED:
            cleaned["kto_tag"] = flag_of(record, "kto_tag", "label")
        if images := images_of(record, shown):
            cleaned["images"] = images
        return cleaned

    def _turn(self, turn: object, number: int, shown: list[str]) -> Turn:
        """Pictures that stand among the parts of its content are added to `shown`."""
        if not isinstance(turn, dict):
            raise Problem("turn_not_object", turn=number, found=type_name(turn))
        if turn.get(self.dialect.role) is None:
            raise Problem("turn_missing_field", turn=number, field=self.dialect.role)
        role = turn[self.dialect.role]
        speaker = self.dialect.speakers.get(role) if isinstance(role, str) else None
        if speaker is None:
            roles = self.dialect.roles
            raise Problem("unknown_role", turn=number, role=role_text(role), roles=roles)
        if speaker == "assistant" and turn.get("tool_calls"):
            return Turn("call", self._calls(turn, number))
        if turn.get(self.dialect.content) is None:
            raise Problem("turn_missing_field", turn=number, field=self.dialect.content)
        label = f"{self.dialect.content} ({number})"
        read = text_of if speaker in ("result", "system") else filled_text
        written = _with_text(turn, self.dialect.content, label, shown)
        text = read(written, self.dialect.content, label)
        if speaker == "call":
            check_call(text, number)
        return Turn(speaker, text)

    def _calls(self, turn: Record, number: int) -> str:
        """OpenAI's `tool_calls` as the function-call turn the trainer knows."""
        if turn.get(self.dialect.content):
            raise Problem("text_beside_calls", turn=number)
        wrong = Problem("call_invalid", turn=number)
        calls = []
        for call in list_of(turn, "tool_calls"):
            function = call.get("function") if isinstance(call, dict) else None
            if not isinstance(function, dict):
                raise wrong
            arguments = function.get("arguments")
            if isinstance(arguments, str):
                arguments = loaded(arguments or "{}", wrong)
            calls.append({"name": function.get("name"), "arguments": arguments})
        text = text_of({"call": json_text(calls, wrong)}, "call", "tool_calls")
        check_call(text, number)
        return text

    def _check_order(self, turns: list[tuple[int, Turn]]) -> None:
        """Asking and answering turns alternate; the trainer drops anything else."""
        spoken = turns[1:] if turns and turns[0][1].speaker == "system" else turns
        if not spoken:
            raise Problem("no_turns")
        for index, (number, turn) in enumerate(spoken):
            if turn.speaker not in (ANSWERING if index % 2 else ASKING):
                raise Problem("role_order", turn=number, role=self._role(turn.speaker))
        is_answered = len(spoken) % 2 == 0
        if is_answered and self.answer is Answer.PAIR:
            raise Problem("pair_after_answer")
        if not is_answered and self.answer is not Answer.PAIR:
            raise Problem("no_answer", role=self._role(spoken[-1][1].speaker))

    def _candidate(self, record: Record, name: str) -> dict[str, str]:
        """One answer of a pair, written as a turn."""
        if record.get(name) is None:
            raise Problem("missing_field", field=name)
        value = record[name]
        if not isinstance(value, dict):
            found = type_name(value)
            raise Problem("wrong_type", field=name, expected="object", found=found)
        role = value.get(self.dialect.role)
        if isinstance(role, str) and role not in self.dialect.speakers:
            raise Problem("candidate_role", field=name, role=role_text(role))
        shown: list[str] = []
        turn = self._turn(value, 1, shown)
        if shown:
            raise Problem("picture_in_answer", field=name)
        if turn.speaker not in ANSWERING:
            raise Problem("candidate_role", field=name, role=self._role(turn.speaker))
        return self._written(turn)

    def _role(self, speaker: str) -> str:
        return next(role for role, meant in self.dialect.speakers.items() if meant == speaker)

    def _written(self, turn: Turn) -> dict[str, str]:
        return {self.dialect.role: self._role(turn.speaker), self.dialect.content: turn.text}

    def entry(self, *, has_history: bool, has_images: bool = False) -> dict[str, Any]:
        column = self.dialect.column
        columns = {"messages": column, "system": "system", "tools": "tools"}
        ranking = {}
        if self.answer is Answer.PAIR:
            ranking = {"ranking": True}
            columns |= {"chosen": "chosen", "rejected": "rejected"}
        elif self.answer is Answer.TAGGED:
            columns["kto_tag"] = "kto_tag"
        if has_images:
            columns["images"] = "images"
        tags = {"tags": dict(self.dialect.tags)} if self.dialect.tags else {}
        return {"formatting": "sharegpt", **ranking, "columns": columns, **tags}

    def turns(self, record: Record) -> Iterator[Turn]:
        if record["tools"] not in ("", "[]", "{}"):
            yield Turn("tools", record["tools"])
        if record["system"]:
            yield Turn("system", record["system"])
        spoken = [self._read(turn) for turn in record[self.dialect.column]]
        if self.answer is Answer.TAGGED:
            yield from spoken[:-1]
            yield tag_turn(record, spoken[-1].text)
            return
        yield from spoken
        if self.answer is Answer.PAIR:
            for name in ("chosen", "rejected"):
                yield Turn(name, record[name][self.dialect.content])

    def _read(self, turn: Mapping[str, str]) -> Turn:
        return Turn(self.dialect.speakers[turn[self.dialect.role]], turn[self.dialect.content])


def _with_text(turn: Record, content: str, label: str, shown: list[str]) -> Record:
    """The turn with its content as one text, where that is a list of parts as OpenAI has them. A
    picture becomes the trainer's mark for one, without a line of its own."""
    parts = turn[content]
    if not isinstance(parts, list) or not parts:
        return turn
    if not all(isinstance(part, dict) and isinstance(part.get("type"), str) for part in parts):
        return turn
    text, is_after_text = "", False
    for part in parts:
        if part["type"] == "image_url":
            shown.append(address_of(part, label))
            text, is_after_text = text + PLACEHOLDER, False
        elif part["type"] == "text":
            text += "\n" * is_after_text + text_of(part, "text", label)
            is_after_text = True
        else:
            raise Problem("media", field=label)
    return {**turn, content: text}


def _merged(turns: list[tuple[int, Turn]]) -> list[tuple[int, Turn]]:
    """Results that follow each other become one turn."""
    merged: list[tuple[int, Turn]] = []
    for number, turn in turns:
        if turn.speaker == "result" and merged and merged[-1][1].speaker == "result":
            first, before = merged.pop()
            merged.append((first, Turn("result", before.text + RESULT_SEPARATOR + turn.text)))
        else:
            merged.append((number, turn))
    return merged
