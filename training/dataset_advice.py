"""The report on a dataset's file in words: reasons in short, what helps, what the trainer does."""

from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from llmplatform.text import enumerated

# What to do about a record that was not used.
FIXES: dict[str, str | Promise] = {
    "not_object": gettext_lazy("Write it as an object, with a name before each value."),
    "broken_line": gettext_lazy(
        "Look for a missing comma or quotation mark there, and for a record that goes over two "
        "lines."
    ),
    "too_long": gettext_lazy("Cut it into several records: no model reads so much at once."),
    "too_deep": gettext_lazy("Flatten it; texts need no such nesting."),
    "missing_field": gettext_lazy(
        "Add it. If it has another name in your file, map the columns when you upload it."
    ),
    "wrong_type": gettext_lazy("Convert it; a number, for instance, goes between quotation marks."),
    "empty": gettext_lazy("Fill it in, or remove the record."),
    "unstorable": gettext_lazy("Remove the character; it often comes from a damaged export."),
    "history_invalid": gettext_lazy("Write each earlier round as [question, answer]."),
    "no_turns": gettext_lazy("Add a question and its answer, or remove the record."),
    "turn_not_object": gettext_lazy("Write each turn with its role and its text."),
    "turn_missing_field": gettext_lazy("Add it, or map the fields of turns when you upload it."),
    "unknown_role": gettext_lazy("Rename the role, or say what it is called when you upload it."),
    "role_order": gettext_lazy(
        "Join turns of one speaker that follow each other, and begin with a question."
    ),
    "no_answer": gettext_lazy("Add the last answer, or remove the open question."),
    "pair_after_answer": gettext_lazy("Remove the last answer from the conversation."),
    "candidate_role": gettext_lazy("Give both answers the role of the assistant."),
    "tools_invalid": gettext_lazy("Describe each tool with name, description and parameters."),
    "call_invalid": gettext_lazy('Write it as {"name": "…", "arguments": {…}}.'),
    "media": gettext_lazy("Remove the column if the text makes sense alone, else the record."),
    "picture_missing": gettext_lazy(
        "Put it in, at that path from the file with the records or from the top. Capital letters "
        "count."
    ),
    "picture_no_zip": gettext_lazy("Pack the file with the records and the pictures as one ZIP."),
    "picture_escapes": gettext_lazy("Copy the picture itself into the ZIP file."),
    "picture_remote": gettext_lazy("Download it and name it by its path in the ZIP file."),
    "picture_broken": gettext_lazy("Save it again as JPEG or PNG."),
    "picture_kind": gettext_lazy("Save it again as JPEG or PNG."),
    "picture_pixels": gettext_lazy("Make it smaller; the trainer does so anyway."),
    "picture_large": gettext_lazy("Make it smaller; the trainer does so anyway."),
    "image_count": gettext_lazy("Write “<image>” where each picture belongs, and nowhere else."),
    "other_mark": gettext_lazy("Write the mark in another way, or remove the record."),
    "pictures_twice": gettext_lazy("Leave the pictures in one of the two places."),
    "picture_in_answer": gettext_lazy("Move the picture to a message of the user."),
    "stray_quote": gettext_lazy('Write "" for a quotation mark inside of a quoted cell.'),
    "cell_count": gettext_lazy(
        "Look for a separator in an unquoted cell, or for a line end that was cut."
    ),
    "nothing_there": gettext_lazy("Choose another place for the records, or remove this one."),
    "text_beside_calls": gettext_lazy("Put the text into a turn of its own, or remove it."),
}
TITLES: dict[str, str | Promise] = {
    "not_object": gettext_lazy("No object"),
    "broken_line": gettext_lazy("Not valid JSON"),
    "too_long": gettext_lazy("Too long"),
    "too_deep": gettext_lazy("Nested too deeply"),
    "missing_field": gettext_lazy("A field is missing"),
    "wrong_type": gettext_lazy("A field of another type"),
    "empty": gettext_lazy("A field is empty"),
    "unstorable": gettext_lazy("A character that cannot be stored"),
    "history_invalid": gettext_lazy("Earlier rounds are no pairs"),
    "no_turns": gettext_lazy("No turns"),
    "turn_not_object": gettext_lazy("A turn is no object"),
    "turn_missing_field": gettext_lazy("A turn lacks a field"),
    "unknown_role": gettext_lazy("An unknown role"),
    "role_order": gettext_lazy("Turns out of order"),
    "no_answer": gettext_lazy("The last answer is missing"),
    "pair_after_answer": gettext_lazy("An answer before the pair"),
    "candidate_role": gettext_lazy("An answer in another role"),
    "tools_invalid": gettext_lazy("Tools that cannot be read"),
    "call_invalid": gettext_lazy("A function call that cannot be read"),
    "media": gettext_lazy("Sound or video"),
    "picture_missing": gettext_lazy("A picture is missing"),
    "picture_no_zip": gettext_lazy("Pictures without a ZIP file"),
    "picture_escapes": gettext_lazy("A path out of the ZIP file"),
    "picture_remote": gettext_lazy("A picture that is somewhere else"),
    "picture_broken": gettext_lazy("A picture that cannot be read"),
    "picture_kind": gettext_lazy("A kind of picture that not all read"),
    "picture_pixels": gettext_lazy("A picture with too many pixels"),
    "picture_large": gettext_lazy("A picture that is too large"),
    "image_count": gettext_lazy("Marks and pictures do not match"),
    "other_mark": gettext_lazy("A mark for sound or video"),
    "pictures_twice": gettext_lazy("Pictures in two places"),
    "picture_in_answer": gettext_lazy("A picture in an answer"),
    "stray_quote": gettext_lazy("A stray quotation mark"),
    "cell_count": gettext_lazy("Too many or too few cells"),
    "nothing_there": gettext_lazy("Nothing at the chosen place"),
    "text_beside_calls": gettext_lazy("Text beside tool calls"),
}
FATES: dict[str, str | Promise] = {
    "kept": gettext_lazy("would learn it as it is"),
    "dropped": gettext_lazy("would leave it out and not say so"),
    "stops": gettext_lazy("would stop with an error"),
}
FINDINGS: dict[str, str | Promise] = {
    "private_key": gettext_lazy("Private keys"),
    "api_key": gettext_lazy("Keys and tokens of services"),
    "password": gettext_lazy("Passwords"),
    "id_number": gettext_lazy("Chinese resident numbers"),
    "card": gettext_lazy("Card numbers"),
    "phone": gettext_lazy("Mobile numbers"),
    "email": gettext_lazy("E-mail addresses"),
}


def counted(reasons: Mapping[str, Mapping[str, int]]) -> list[dict[str, Any]]:
    """A dataset's stored `reasons`, the most frequent first."""
    rows = [
        {
            "code": code,
            "count": sum(fates.values()),
            "fates": dict(fates),
            "said": enumerated(str(FATES[fate]) for fate in fates),
            "title": title(code),
            "fix": str(FIXES[code]),
        }
        for code, fates in reasons.items()
    ]
    return sorted(rows, key=lambda row: -int(str(row["count"])))


def title(code: str) -> str:
    """A reason without its particulars."""
    return str(TITLES[code])


def found(findings: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A dataset's stored `findings`, the gravest first."""
    return [
        {"kind": kind, "title": str(label), **findings[kind]}
        for kind, label in FINDINGS.items()
        if kind in findings
    ]
