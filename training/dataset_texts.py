"""Sentences for the codes of training.formats, in the viewer's language."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from llmplatform.text import enumerated
from training.dataset_advice import FIXES
from training.formats.problems import Refusal, Rejection

TYPES: dict[str, str | Promise] = {
    "string": gettext_lazy("text"),
    "number": gettext_lazy("a number"),
    "boolean": gettext_lazy("true or false"),
    "list": gettext_lazy("a list"),
    "object": gettext_lazy("an object"),
    "null": gettext_lazy("null"),
}
REASONS: dict[str, str | Promise] = {
    "not_object": gettext_lazy("The record is not an object with named fields."),
    "broken_line": gettext_lazy("The line is not valid JSON (column %(column)s)."),
    "too_long": gettext_lazy("The record is longer than %(limit_kb)s KiB."),
    "too_deep": gettext_lazy("The record is nested too deeply."),
    "missing_field": gettext_lazy("“%(field)s” is missing."),
    "wrong_type": gettext_lazy("“%(field)s” must be %(expected)s, not %(found)s."),
    "empty": gettext_lazy("“%(field)s” is empty."),
    "unstorable": gettext_lazy(
        "“%(field)s” holds characters that cannot be stored (a zero character or half a pair)."
    ),
    "history_invalid": gettext_lazy(
        "Round %(turn)s of “history” must be a pair: question and answer."
    ),
    "no_turns": gettext_lazy("The conversation has no turns."),
    "turn_not_object": gettext_lazy("Turn %(turn)s must be an object, not %(found)s."),
    "turn_missing_field": gettext_lazy("Turn %(turn)s has no “%(field)s”."),
    "unknown_role": gettext_lazy(
        "Turn %(turn)s has the unknown role “%(role)s”. Known: %(roles)s."
    ),
    "role_order": gettext_lazy(
        "Turn %(turn)s (“%(role)s”) is out of order: questions and answers must alternate, "
        "beginning with a question."
    ),
    "no_answer": gettext_lazy("The conversation ends with “%(role)s”, not with an answer."),
    "pair_after_answer": gettext_lazy(
        "The conversation must end with a question: the answers are “chosen” and “rejected”."
    ),
    "candidate_role": gettext_lazy("“%(field)s” must be an answer, not a turn of “%(role)s”."),
    "tools_invalid": gettext_lazy(
        "“tools” must be a list of tools, each with a name and parameters, or that list as JSON."
    ),
    "call_invalid": gettext_lazy(
        "Turn %(turn)s is a function call, but not JSON with “name” and “arguments”."
    ),
    "media": gettext_lazy(
        "“%(field)s” refers to sound or video; only texts and pictures can be trained here."
    ),
    "picture_missing": gettext_lazy("The picture “%(name)s” is not in the ZIP file."),
    "picture_no_zip": gettext_lazy(
        "The picture “%(name)s” is not in the file. Upload a ZIP file with it."
    ),
    "picture_escapes": gettext_lazy(
        "“%(name)s” leads out of the ZIP file. A picture is named by its path inside of it."
    ),
    "picture_remote": gettext_lazy(
        "The picture “%(name)s” would have to be fetched, which no training does. Put it into the "
        "ZIP file."
    ),
    "picture_broken": gettext_lazy(
        "“%(name)s” is damaged, or no picture of a kind that can be read: JPEG, PNG, WebP, GIF or "
        "BMP."
    ),
    "picture_kind": gettext_lazy(
        "“%(name)s” is %(kind)s, which not every trainer and browser reads."
    ),
    "picture_pixels": gettext_lazy(
        "The picture “%(name)s” has more than %(limit)s million pixels."
    ),
    "picture_large": gettext_lazy("The picture “%(name)s” is larger than %(limit_mb)s MiB."),
    "image_count": gettext_lazy(
        "Marks “<image>” in the texts: %(placeholders)s; pictures of the record: %(pictures)s. "
        "There must be one for each."
    ),
    "other_mark": gettext_lazy(
        "A text has “%(mark)s”, for which the trainer of a model that sees pictures expects a file."
    ),
    "pictures_twice": gettext_lazy(
        "The record has pictures in “images” and among its messages; their order is not clear."
    ),
    "picture_in_answer": gettext_lazy("“%(field)s” has a picture; answers are texts."),
    "stray_quote": gettext_lazy(
        "A quotation mark ends in the middle of a cell. Inside a quoted cell it is written twice."
    ),
    "cell_count": gettext_lazy(
        "The row has %(found_cells)s cells, the first row names %(expected_cells)s columns."
    ),
    "nothing_there": gettext_lazy("There is nothing at “%(field)s”."),
    "text_beside_calls": gettext_lazy(
        "Turn %(turn)s has text beside its tool calls; the trainer would lose the text."
    ),
}
# Not given any more; datasets from before may hold them.
RETIRED: dict[str, str | Promise] = {
    "number_too_long": gettext_lazy("The record holds a number with too many digits."),
}
REFUSALS: dict[str, str | Promise] = {
    "empty_file": gettext_lazy("The file is empty."),
    "not_text": gettext_lazy(
        "This is a %(found)s file, not text. Export it as CSV in UTF-8, or as JSON."
    ),
    "decoding": gettext_lazy(
        "The file is not %(encoding)s: line %(line)s cannot be read. Choose another encoding."
    ),
    "header_unreadable": gettext_lazy("The first row, which names the columns, cannot be read."),
    "header_empty": gettext_lazy(
        "Column %(column)s has no name. The first row must name every column, or say that the file "
        "has no such row."
    ),
    "header_twice": gettext_lazy("Two columns are called “%(field)s”. Rename one of them."),
    "too_many_columns": gettext_lazy(
        "The first row has %(found)s cells; at most %(limit)s columns can be read. Is the "
        "separator right?"
    ),
    "open_quote": gettext_lazy(
        "The quotation mark that opens in the row at line %(line)s is never closed."
    ),
    "document_too_large": gettext_lazy(
        "Records inside of a larger object are read from files of up to %(limit_mb)s MiB. Upload "
        "the list itself as a file."
    ),
    "zip_broken": gettext_lazy("The ZIP file is damaged or not complete, or it is none."),
    "zip_encrypted": gettext_lazy("The ZIP file has a password. Pack it without one."),
    "zip_no_data": gettext_lazy(
        "The ZIP file holds no file with records. Put one beside the pictures that ends in "
        "%(allowed)s."
    ),
    "zip_two_data": gettext_lazy(
        "The ZIP file holds several files with records: %(names)s. Leave one of them."
    ),
    "zip_too_many": gettext_lazy("The ZIP file holds more than %(limit)s files. Split it."),
    "zip_too_large": gettext_lazy("Unpacked, the ZIP file is larger than %(limit_mb)s MiB."),
    "zip_bomb": gettext_lazy(
        "Unpacked, the ZIP file is %(ratio)s times as large. Pictures do not shrink like that."
    ),
    "no_records": gettext_lazy("The file holds no records."),
    "no_valid_records": gettext_lazy("None of the records can be used."),
    "broken_json": gettext_lazy(
        "The file is not valid JSON: something is wrong at line %(line)s, column %(column)s."
    ),
    "cut_off": gettext_lazy(
        "The file is not valid JSON: the record that starts at line %(line)s, column %(column)s, "
        "never ends. Is the file complete, and is every quotation mark closed?"
    ),
    "single_object": gettext_lazy(
        "The file is one object. Put the records into an array “[ … ]”, or one on each line."
    ),
    "wrapped": gettext_lazy(
        "The records are inside the field “%(field)s”. Upload that array itself."
    ),
    "wrong_columns": gettext_lazy(
        "The columns fit no format. Found: %(found)s. Expected: %(expected)s."
    ),
    "only_times": gettext_lazy(
        "Every “%(field)s” is a date or a time. The trainer would read them as times instead of "
        "text and drop all records. Write at least one of them out as a sentence."
    ),
    "too_large": gettext_lazy("The file is larger than %(limit_mb)s MiB."),
    "wrong_extension": gettext_lazy(
        "This kind of file cannot be read. Upload one that ends in %(allowed)s."
    ),
    "disk_full": gettext_lazy("There is not enough space on the server's disk for this file."),
}
STATUSES = {"too_large": 413, "zip_too_large": 413, "disk_full": 507}


def reason(code: str, params: Mapping[str, Any]) -> str:
    """Why a record was not used."""
    words = {
        key: str(TYPES.get(value, value)) if key in ("expected", "found") else value
        for key, value in params.items()
    }
    return str(REASONS.get(code) or RETIRED[code]) % words


def listed(errors: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A dataset's stored `errors`, with a sentence each: {"line", "record", "code", "reason"}."""
    return [
        {
            "line": error["line"],
            "record": error["record"],
            "code": error["code"],
            "reason": reason(error["code"], error["params"]),
            "fix": str(FIXES.get(error["code"], "")),
            "fate": error.get("fate", ""),
        }
        for error in errors
    ]


def reasons_of(rejections: Sequence[Rejection]) -> list[str]:
    """`Line 3, record 1: …` for each."""
    return [
        _("Line %(line)d, record %(record)d: %(reason)s")
        % {
            "line": rejection.line,
            "record": rejection.record,
            "reason": reason(rejection.code, rejection.params),
        }
        for rejection in rejections[:10]
    ]


def explain(refusal: Refusal) -> str:
    """What is wrong with the file and what to do about it."""
    if refusal.code == "encoding":
        return _explain_encoding(refusal)
    params = {key: value or _("none") for key, value in refusal.params.items()}
    return str(REFUSALS[refusal.code]) % params


def _explain_encoding(refusal: Refusal) -> str:
    """Which encoding it looks like and how to convert it."""
    encoding = str(refusal.params["encoding"])
    if not encoding:
        text = _("The file is not UTF-8 (line %(line)s). Save it as UTF-8 and upload it again.")
        return text % {"line": refusal.params["line"]}
    text = _(
        "The file is not UTF-8; it looks like %(encoding)s (line %(line)s). Choose that encoding, "
        "save the file as UTF-8, or run: iconv -f %(encoding)s -t UTF-8 old > new"
    )
    return text % {"encoding": encoding, "line": refusal.params["line"]}


def status_of(refusal: Refusal) -> int:
    return STATUSES.get(refusal.code, 422)


def change_text(change: Mapping[str, Any]) -> str:
    """What made a version or a dataset, in a sentence; "" for an upload."""
    kind = change.get("kind")
    if kind == "edit":
        return _("Record %(number)s was changed.") % {"number": change["numbers"][0]}
    if kind == "exclude":
        return _excluded_text(change)
    if kind == "append":
        return _appended_text(change)
    if kind == "restore":
        return _("Back to version %(number)s.") % {"number": change["version"]}
    if kind == "split":
        part = _("training") if change["part"] == "train" else _("evaluation")
        text = _("Part for %(part)s of “%(name)s”; %(percent)g %% for evaluation, seed %(seed)s.")
        words = {"part": part, "name": change["from"], "seed": change["seed"]}
        return text % {**words, "percent": round(100 * change["share"], 4)}
    if kind == "mix":
        sources = [f"{each['name']} × {each['weight']:g}" for each in change["sources"]]
        return _("A mix: %(sources)s.") % {"sources": enumerated(sources)}
    if kind == "collect":
        return _("Collected from rated and corrected answers.")
    if kind == "withdrawal":
        return _withdrawn_text(change["count"])
    return ""


def _withdrawn_text(count: int) -> str:
    text = ngettext(
        "%(count)d record is left out: the person it came from has taken it back.",
        "%(count)d records are left out: the people they came from have taken them back.",
        count,
    )
    return text % {"count": count}


def _excluded_text(change: Mapping[str, Any]) -> str:
    count = change["count"]
    if change.get("duplicates"):
        text = ngettext(
            "%(count)d repetition was left out.", "%(count)d repetitions were left out.", count
        )
        return text % {"count": count}
    text = ngettext("%(count)d record was left out.", "%(count)d records were left out.", count)
    return text % {"count": count}


def _appended_text(change: Mapping[str, Any]) -> str:
    count = change["count"]
    text = ngettext("%(count)d record was added.", "%(count)d records were added.", count)
    if change.get("from"):
        text = ngettext(
            "%(count)d record of “%(name)s” was added.",
            "%(count)d records of “%(name)s” were added.",
            count,
        )
    return text % {"count": count, "name": change.get("from", "")}


LANGUAGES: dict[str, str | Promise] = {
    "zh": gettext_lazy("Chinese"),
    "en": gettext_lazy("English"),
    "ja": gettext_lazy("Japanese"),
    "ko": gettext_lazy("Korean"),
    "ru": gettext_lazy("Russian"),
    "ar": gettext_lazy("Arabic"),
    "hi": gettext_lazy("Hindi"),
    "th": gettext_lazy("Thai"),
    "he": gettext_lazy("Hebrew"),
    "el": gettext_lazy("Greek"),
    "de": gettext_lazy("German"),
    "fr": gettext_lazy("French"),
    "es": gettext_lazy("Spanish"),
    "pt": gettext_lazy("Portuguese"),
    "it": gettext_lazy("Italian"),
    "nl": gettext_lazy("Dutch"),
    "vi": gettext_lazy("Vietnamese"),
    "id": gettext_lazy("Indonesian"),
    "tr": gettext_lazy("Turkish"),
    "other": gettext_lazy("Code, numbers, unknown"),
}


def language_name(code: str) -> str:
    return str(LANGUAGES.get(code, code))
