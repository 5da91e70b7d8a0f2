"""Files whose columns have other names: kept, looked at, and imported once they are mapped."""

import itertools
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, cast

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from llmplatform.text import enumerated
from training import dataset_pictures, dataset_work, datasets
from training.dataset_pictures import Album
from training.dataset_readings import reading_of
from training.dataset_work import Followed, Progress
from training.formats.detection import FORMATS, detect
from training.formats.guessing import IN_CONVERSATION, REQUIRED, TARGETS, guess, holds_turns
from training.formats.items import Item
from training.formats.layouts import Layout, Turn
from training.formats.nesting import columns_of, paths_to_rows
from training.formats.pictures import COLUMN, check_marks, with_pictures
from training.formats.problems import Problem, Refusal
from training.formats.reading import Kind, Reading, first_value, read_items
from training.formats.shaping import TURNS, ColumnMap, shaped
from training.formats.source import ENCODINGS
from training.models import Dataset, DatasetDraft, DatasetWork, WorkKind

PROBED_RECORDS = 50
SAMPLES = 3
SAMPLE_CHARS = 200
PREVIEWED = 5
COPY_BYTES = 1024 * 1024
MAX_DRAFTS = 20
# Files of which another way of reading, or a mapping, may make sense.
MENDABLE = {
    *("wrong_columns", "wrapped", "single_object", "encoding", "decoding", "open_quote"),
    *("header_unreadable", "header_empty", "header_twice", "too_many_columns"),
}


@dataclass(frozen=True)
class Column:
    name: str
    samples: list[str]


@dataclass(frozen=True)
class Look:
    """What stands in a file. `paths`: where lists of records lie inside its values; `refusal`:
    why it cannot be read the way it was asked for; `guessed_encoding`: its name, where the file is
    not UTF-8 and nobody has said what it is."""

    reading: Reading
    columns: list[Column] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    guess: ColumnMap = field(default_factory=lambda: ColumnMap("alpaca"))
    refusal: Refusal | None = None
    guessed_encoding: str = ""


@dataclass(frozen=True)
class PreviewRow:
    """What becomes of one record: turns, or the problem that stands against it."""

    line: int
    record: int
    turns: list[Turn] = field(default_factory=list)
    problem: Problem | None = None


def keep(
    *, owner: User, file: BinaryIO, file_name: str, size_bytes: int, name: str = ""
) -> DatasetDraft:
    """The file as it is, for a week. Refusal for what no way of reading would help."""
    for stale in DatasetDraft.objects.stale():
        stale.delete()
    file_name = datasets.clean_file_name(file_name)
    datasets.check_file(file_name=file_name, size_bytes=size_bytes)
    draft = DatasetDraft(owner=owner, name=name.strip(), file_name=file_name, size_bytes=size_bytes)
    folder = Path(settings.MEDIA_ROOT) / "drafts"
    folder.mkdir(parents=True, exist_ok=True)
    draft.path = f"drafts/{draft.pk.hex}{Path(file_name).suffix.lower()}"
    file.seek(0)
    try:
        with draft.file.open("wb") as target:
            shutil.copyfileobj(file, target, COPY_BYTES)
        draft.file.chmod(settings.FILE_UPLOAD_PERMISSIONS or 0o600)
        draft.save()
    except BaseException:
        draft.file.unlink(missing_ok=True)
        raise
    for surplus in DatasetDraft.objects.for_user(owner).idle()[MAX_DRAFTS:]:
        surplus.delete()
    return draft


def look(draft: DatasetDraft, options: Mapping[str, Any] | None = None) -> Look:
    """The columns of the first records, read as asked, or in the encoding that the file most likely
    has; ValidationError for a wrong option."""
    reading, paths = reading_of(draft.file_name, options), list[str]()
    try:
        with draft.file.open("rb") as kept:
            uploaded = dataset_pictures.opened(kept, draft.file_name)
            file, reading = uploaded.file, reading_of(uploaded.name, options)
            if reading.kind in (Kind.JSON, Kind.LINES):
                value = first_value(file, reading)
                paths = paths_to_rows(value)
            reading = _with_rows(file, reading, paths)
            samples = _samples(read_items(file, reading))
    except Refusal as refusal:
        if likely := _likely_encoding(refusal, options or {}):
            found = look(draft, {**(options or {}), "encoding": likely})
            return replace(found, guessed_encoding=ENCODINGS[likely])
        return Look(reading, paths=paths, refusal=refusal)
    columns = [
        Column(name, [_sample(value) for value in values[:SAMPLES]])
        for name, values in samples.items()
    ]
    known = _remembered(draft.owner, set(samples))
    return Look(reading, columns, paths, known or guess(samples))


def _likely_encoding(refusal: Refusal, options: Mapping[str, Any]) -> str:
    """Empty where nobody can tell, or somebody has chosen."""
    if refusal.code != "encoding" or options.get("encoding"):
        return ""
    names = {name: encoding for encoding, name in ENCODINGS.items()}
    return names.get(str(refusal.params["encoding"]), "")


def _with_rows(file: BinaryIO, reading: Reading, paths: list[str]) -> Reading:
    """Where the file is one object, the records are in the list of which most is understood."""
    if reading.rows or not paths:
        return reading
    try:
        first = list(itertools.islice(read_items(file, reading), 2))
    except Refusal:
        first = []
    file.seek(0)
    is_list = file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
    if is_list or len(first) > 1 or any(holds_turns(item.value) for item in first):
        return reading
    inside = [replace(reading, rows=path) for path in paths]
    return max(inside, key=lambda each: _understood(_samples(read_items(file, each))))


def _understood(samples: Mapping[str, list[Any]]) -> tuple[int, int]:
    """How many columns, and how seldom only the first of several values is taken for one."""
    found = guess(samples)
    needed = found.columns.keys() & set(REQUIRED[found.format])
    return len(needed), -sum(path.count(".0") for path in found.columns.values())


def _samples(items: Iterable[Item]) -> dict[str, list[Any]]:
    """Values by column; those of a record that has them come first."""
    found: dict[str, list[Any]] = {}
    for item in itertools.islice(items, PROBED_RECORDS):
        if item.problem is None and isinstance(item.value, dict):
            for name, value in columns_of(item.value).items():
                if value not in (None, ""):
                    found.setdefault(name, []).append(value)
                else:
                    found.setdefault(name, [])
    return found


def _sample(value: Any) -> str:
    text = value if isinstance(value, str) else datasets.compact(value)
    return text if len(text) <= SAMPLE_CHARS else text[:SAMPLE_CHARS] + "…"


def _remembered(owner: User, columns: set[str]) -> ColumnMap | None:
    """How the person has mapped these columns before."""
    for row in Dataset.objects.for_user(owner).exclude(mapping={})[:MAX_DRAFTS]:
        known = row.mapping.get("columns") or {}
        if known and set(known.values()) <= columns:
            return ColumnMap(row.mapping["format"], known, row.mapping.get("roles", {}))
    return None


def checked_mapping(
    format: str, columns: Mapping[str, str], roles: Mapping[str, str] | None = None
) -> ColumnMap:
    """ValidationError keyed by field."""
    if format not in FORMATS:
        raise ValidationError({"format": [_("There is no such format.")]})
    chosen = {name: path for name, path in columns.items() if path}
    unknown = [name for name in chosen if name not in TARGETS[format]]
    if unknown:
        text = _("This format has no column “%(name)s”. It has: %(names)s.")
        params = {"name": unknown[0][:40], "names": enumerated(TARGETS[format])}
        raise ValidationError({"columns": [text % params]})
    needed = set(REQUIRED[format])
    if "conversations" in chosen:
        needed -= IN_CONVERSATION
    missing = {
        name: [_("Choose the column that holds this.")]
        for name in REQUIRED[format]
        if name in needed and name not in chosen
    }
    if missing:
        raise ValidationError(missing)
    known = {"role", "content", *TURNS["messages"]}
    spoken = {name: text for name, text in (roles or {}).items() if text and name in known}
    return ColumnMap(format, chosen, spoken)


def preview(
    draft: DatasetDraft, options: Mapping[str, Any] | None, mapping: ColumnMap
) -> list[PreviewRow]:
    """What the first records become. Refusal when the file cannot be read this way."""
    with draft.file.open("rb") as kept:
        uploaded = dataset_pictures.opened(kept, draft.file_name)
        file, reading = uploaded.file, reading_of(uploaded.name, options)
        try:
            layout = detect(file, reading, format=mapping.format, mapping=mapping)
        except Refusal as refusal:
            if refusal.code == "no_valid_records":
                return [_rejected(each) for each in refusal.rejections[:PREVIEWED]]
            raise
        album = uploaded.album(reading)
        items = shaped(read_items(file, reading), reading, mapping)
        first = enumerate(itertools.islice(items, PREVIEWED), start=1)
        return [_previewed(layout, item, record, album) for record, item in first]


def _rejected(rejection: Any) -> PreviewRow:
    problem = Problem(rejection.code, **rejection.params)
    return PreviewRow(rejection.line, rejection.record, problem=problem)


def _previewed(layout: Layout, item: Item, record: int, album: Album) -> PreviewRow:
    try:
        if item.problem is not None:
            raise item.problem
        if not isinstance(item.value, dict):
            raise Problem("not_object")
        cleaned = layout.clean(item.value)
        if album.is_strict:
            check_marks(layout, cleaned)
        names = cleaned.get(COLUMN, ())
        shown = [dataset_pictures.as_data_url(album.content(name), name) for name in names]
        turns = list(with_pictures(list(layout.turns(cleaned)), shown))
    except Problem as problem:
        return PreviewRow(item.line, record, problem=problem)
    return PreviewRow(item.line, record, turns)


def begin_import(
    *,
    draft: DatasetDraft,
    options: Mapping[str, Any] | None,
    mapping: ColumnMap,
    name: str = "",
    request: HttpRequest | None = None,
) -> Dataset | DatasetWork:
    """The dataset, as import_draft; of a large file the work that makes it, the same one while it
    goes on."""
    if draft.size_bytes > dataset_work.INLINE_BYTES:
        return _ask(draft, options or {}, mapping, name)
    return import_draft(draft=draft, options=options, mapping=mapping, name=name, request=request)


def import_draft(
    *,
    draft: DatasetDraft,
    options: Mapping[str, Any] | None,
    mapping: ColumnMap,
    name: str = "",
    request: HttpRequest | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """The dataset; the draft is gone then. Raises like import_dataset, and keeps the draft."""
    with draft.file.open("rb") as file:
        dataset = datasets.import_dataset(
            owner=draft.owner,
            file=file if progress is None else cast(BinaryIO, Followed(file, progress)),
            file_name=draft.file_name,
            size_bytes=draft.size_bytes,
            name=name or draft.name,
            format=mapping.format,
            options=options,
            mapping=mapping,
            request=request,
            on_saved=progress.made if progress else lambda dataset: None,
        )
    draft.delete()
    return dataset


def _ask(
    draft: DatasetDraft, options: Mapping[str, Any], mapping: ColumnMap, name: str
) -> DatasetWork:
    """ValidationError for what can be told before the file is read."""
    name = datasets.checked_name(name.strip()) if name.strip() else draft.name
    reading_of(draft.file_name, options)
    with transaction.atomic():
        DatasetDraft.objects.select_for_update().get(pk=draft.pk)
        known = draft.work.open().first()
        if known is not None:
            return known
        return dataset_work.ask(
            owner=draft.owner,
            kind=WorkKind.IMPORT,
            draft=draft,
            size_bytes=draft.size_bytes,
            request={
                "file_name": draft.file_name,
                "name": name,
                "options": dict(options),
                "mapping": asdict(mapping),
            },
        )


def perform(work: DatasetWork, progress: Progress) -> None:
    """The import of a large one. A second attempt finds what the first has made."""
    draft = work.draft
    if work.results:
        if draft is not None:
            draft.delete()
        return
    if draft is None or not draft.file.is_file():
        raise ValidationError(_("The uploaded file is gone. Upload it again."))
    progress.begin("checking", draft.size_bytes)
    import_draft(
        draft=draft,
        options=work.request["options"],
        mapping=ColumnMap(**work.request["mapping"]),
        name=work.request["name"],
        progress=progress,
    )


def discard(*, draft: DatasetDraft, actor: User, request: HttpRequest | None = None) -> bool:
    """Row and file, without a dataset. False while it is being imported."""
    with transaction.atomic():
        if draft.work.open().exists():
            return False
        before = {"file_name": draft.file_name, "size_bytes": draft.size_bytes}
        audit(
            actor=actor,
            action="dataset_draft.discard",
            target=draft,
            before=before,
            request=request,
        )
        draft.delete()
    return True
