"""What happened to a document and what to do about it, one sentence a code, for people."""

from collections.abc import Mapping

from django.utils.translation import gettext as _


def explained(code: str, params: Mapping[str, object]) -> str:
    """Of an Unreadable or of a Note."""
    text = {**_problems(), **_notes()}.get(code)
    return text % params if text is not None else _("This file could not be read.")


def _problems() -> dict[str, str]:
    return {
        "archive_bomb": _(
            "Unpacked, this file would be far larger than a document is. Save its content anew and "
            "upload that."
        ),
        "broken": _(
            "The file is damaged. Open it in the program it comes from, save it anew and upload "
            "that."
        ),
        "empty": _("There is nothing in this file. Upload one that has text."),
        "encrypted": _(
            "The file is protected with a password. Save it without one and upload that."
        ),
        "memory": _("Reading this file takes too much memory. Split it and upload the parts."),
        "no_text": _(
            "There is no text in this file, only pictures, as in a scan. Run text recognition "
            "(OCR) on it and upload the result."
        ),
        "old_office": _(
            "This is a document of an old office program. Save it as docx, xlsx or PDF and upload "
            "that."
        ),
        "pdf_encrypted": _(
            "The PDF is protected with a password. Save it without one and upload that."
        ),
        "pdf_limits": _(
            "The PDF has %(pages)s pages; at most %(most)s can be read. Split it and upload the "
            "parts."
        ),
        "timeout": _("Reading this file takes too long. Split it and upload the parts."),
        "too_large": _(
            "There is more text in this file than can be read (%(mb)s MB). Split it and upload the "
            "parts."
        ),
        "unknown_type": _(
            "Files of this kind cannot be read. Upload PDF, Word (docx), Excel (xlsx), CSV, HTML, "
            "Markdown or plain text."
        ),
    }


def _notes() -> dict[str, str]:
    return {
        "pages_without_text": _(
            "Pages without text, perhaps scanned, are not searched: %(pages)s. Run text "
            "recognition (OCR) on the file to have them searched too."
        ),
    }
