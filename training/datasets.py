"""Verbs about datasets: import, fill in, read, delete. The trainer's view: dataset_handover.py."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import orjson
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import ProtectedError
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from llmplatform.text import DECEIVING, UNSTORABLE, enumerated, validate_name
from training import dataset_files, dataset_pictures, dataset_sealing
from training.dataset_pictures import Album, StoredAlbum
from training.dataset_readings import as_json, reading_of
from training.formats.bundles import SUFFIX as ZIP
from training.formats.detection import AUTO, FORMATS, detect, layout_of
from training.formats.fields import PLACEHOLDER
from training.formats.items import Item
from training.formats.layouts import Layout, Turn
from training.formats.pictures import COLUMN, with_pictures
from training.formats.problems import Refusal
from training.formats.reading import SUFFIXES, Reading, read_items
from training.formats.shaping import ColumnMap, shaped
from training.formats.sifting import LATE_COLUMNS, REPORTED_REJECTIONS, Sifted, sift
from training.models import Dataset
from training.withdrawn import taken_back

NAME_CHARS = 100
FILE_NAME_CHARS = 200
VALUE_CHARS = 2000


class InUse(Exception):
    """A dataset that training jobs depend on; `message` names them."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def import_dataset(
    *,
    owner: User,
    file: BinaryIO,
    file_name: str,
    size_bytes: int,
    name: str = "",
    format: str = AUTO,
    options: Mapping[str, Any] | None = None,
    mapping: ColumnMap | None = None,
    request: HttpRequest | None = None,
    on_saved: Callable[[Dataset], None] = lambda dataset: None,
) -> Dataset:
    """The good records of `file` as a dataset, the others counted and the first listed.

    Reads in pieces. `options`: how the file is to be read, as for `reading_of`; `mapping`: where
    its columns come from, when it names them otherwise. Refusal when the file as a whole is no
    use, ValidationError keyed by field for a bad name, format or option; then nothing is left
    behind.
    """
    file_name = clean_file_name(file_name)
    name = checked_name(name.strip() or Path(file_name).stem.strip()[:NAME_CHARS])
    if format not in (AUTO, *FORMATS):
        raise ValidationError({"format": [_("There is no such format.")]})
    check_file(file_name=file_name, size_bytes=size_bytes)
    uploaded = dataset_pictures.opened(file, file_name)
    reading = reading_of(uploaded.name, options)
    layout = detect(uploaded.file, reading, format=format, mapping=mapping)
    album = uploaded.album(reading)
    items = shaped(read_items(uploaded.file, reading), reading, mapping)
    dataset = Dataset(owner=owner, name=name, file_name=file_name)
    dataset.mapping = _kept_mapping(reading, mapping)
    return store(
        dataset,
        items,
        layout,
        album=album,
        action="dataset.create",
        request=request,
        on_saved=on_saved,
    )


def clean_file_name(file_name: str) -> str:
    return DECEIVING.sub("", UNSTORABLE.sub("", Path(file_name).name))[-FILE_NAME_CHARS:]


def _kept_mapping(reading: Reading, mapping: ColumnMap | None) -> dict[str, Any]:
    """For the page, and for the next file that looks like this one."""
    options = as_json(reading)
    if mapping is not None:
        return {"options": options, **asdict(mapping)}
    return {"options": options} if options else {}


def compact(value: object) -> str:
    """As JSON, for people."""
    return json.dumps(value, ensure_ascii=False, default=str)


def check_file(*, file_name: str, size_bytes: int) -> None:
    """Refusal for what can be told before the file is read."""
    if size_bytes > settings.UPLOAD_MAX_BYTES:
        raise Refusal("too_large", limit_mb=settings.UPLOAD_MAX_BYTES // 1024**2)
    allowed = (*SUFFIXES, ZIP)
    if Path(file_name).suffix.lower() not in allowed:
        raise Refusal("wrong_extension", allowed=", ".join(allowed))
    if dataset_files.free_bytes() < size_bytes + dataset_files.SPARE_BYTES:
        raise Refusal("disk_full")


def checked_name(name: str) -> str:
    try:
        validate_name(name)
    except ValidationError as error:
        raise ValidationError({"name": error.messages}) from error
    if len(name) > NAME_CHARS:
        text = _("The name is longer than %(limit)d characters.")
        raise ValidationError({"name": [text % {"limit": NAME_CHARS}]})
    return name


def store(
    dataset: Dataset,
    items: Iterable[Item],
    layout: Layout,
    *,
    action: str,
    album: Album | None = None,
    request: HttpRequest | None = None,
    actor: User | None = None,
    on_saved: Callable[[Dataset], None] = lambda dataset: None,
    **details: str | int,
) -> Dataset:
    """Sift `items` into a file of its own and save the row that describes it. `album`: where the
    pictures come from that they name.

    `on_saved` runs in the transaction of the row and may take it back by raising.
    """
    with dataset_files.new_folder() as folder:
        sifted = _sifted(folder, items, layout, album or Album())
        stored = dataset_sealing.seal(folder, sifted.leads.values())
        _describe(dataset, sifted, layout)
        dataset.pictures, dataset.picture_bytes = dataset_pictures.counted(folder)
        dataset.path, dataset.size_bytes = stored.path, stored.size_bytes
        dataset.sha256, dataset.duplicates = stored.sha256, stored.duplicates
        dataset.author = actor or dataset.owner
        with transaction.atomic():
            dataset.take_next_version()
            dataset.save()
            on_saved(dataset)
            counts = {"records": dataset.records, "rejected": dataset.rejected}
            after = {"name": dataset.name, "sha256": dataset.sha256, **counts, **details}
            audit(actor=dataset.author, action=action, target=dataset, after=after, request=request)
            dataset_files.settle(folder)
    return dataset


def _sifted(folder: Path, items: Iterable[Item], layout: Layout, album: Album) -> Sifted:
    pictures = folder / dataset_files.PICTURES
    report = folder / dataset_files.REPORT
    with (folder / dataset_files.DATA).open("wb") as target, report.open("wb") as rejected:
        return sift(
            items,
            layout,
            target,
            rejected,
            keep=lambda name: album.keep(name, pictures),
            is_strict=album.is_strict,
        )


def _describe(dataset: Dataset, sifted: Sifted, layout: Layout) -> None:
    dataset.format = layout.format
    dataset.layout = layout.entry(**{f"has_{name}": name in sifted.leads for name in LATE_COLUMNS})
    dataset.records, dataset.rejected = sifted.records, sifted.rejected
    dataset.errors = [rejection.as_json() for rejection in sifted.rejections]
    dataset.reasons = sifted.reasons
    dataset.findings = {kind: found.as_json() for kind, found in sifted.findings.items()}
    dataset.ignored = sifted.ignored
    dataset.placeholders = sorted(sifted.placeholders)


def records_of(dataset: Dataset) -> dataset_files.Records:
    """A sliceable view of the stored records; reads only what is asked for."""
    return dataset_files.Records(dataset.file, dataset.records)


def rejections_of(dataset: Dataset, *, code: str = "") -> dataset_files.Rejections:
    """A sliceable view of the records that were not used, with `code` for one reason."""
    reported = min(dataset.rejected, REPORTED_REJECTIONS)
    if code:
        reported = min(reported, sum(dataset.reasons.get(code, {}).values()))
    return dataset_files.Rejections(dataset.file, code, reported)


def turns_of(dataset: Dataset, records: Iterable[Mapping[str, Any]]) -> list[list[Turn]]:
    """Each record as a conversation, with its pictures."""
    layout = layout_of(dataset.format, dataset.layout)
    return [
        list(with_pictures(list(layout.turns(record)), _addresses(dataset, record)))
        for record in records
    ]


def _addresses(dataset: Dataset, record: Mapping[str, Any]) -> list[str]:
    return [reverse("datasets:picture", args=[dataset.pk, name]) for name in record.get(COLUMN, ())]


def album_of(*sources: Dataset) -> Album:
    """The pictures that records of these datasets name."""
    return StoredAlbum([source.file for source in sources])


def fill_placeholders(
    *,
    dataset: Dataset,
    values: Mapping[str, str],
    name: str = "",
    request: HttpRequest | None = None,
) -> Dataset:
    """A new dataset with `{{key}}` replaced by its value; keys without one stay as they are."""
    chosen = {key: value for key, value in values.items() if value and key in dataset.placeholders}
    if not dataset.has_file:
        raise ValidationError({"values": [_("The file of this dataset is missing.")]})
    if not chosen:
        raise ValidationError({"values": [_("Enter at least one value.")]})
    if any(len(value) > VALUE_CHARS or UNSTORABLE.search(value) for value in chosen.values()):
        raise ValidationError({"values": [_("A value is too long or cannot be stored.")]})
    named = name.strip() or _("%(name)s (filled in)") % {"name": dataset.name}
    filled = Dataset(
        owner=dataset.owner, name=checked_name(named[:NAME_CHARS]), file_name=dataset.file_name
    )
    return store(
        filled,
        _filled(dataset, chosen),
        layout_of(dataset.format, dataset.layout),
        album=album_of(dataset),
        action="dataset.fill",
        request=request,
        source=dataset.name,
    )


def _filled(dataset: Dataset, values: Mapping[str, str]) -> Iterator[Item]:
    for item in kept_items(dataset):
        yield Item(item.line, _replaced(item.value, values))


def stored_items(file: Path) -> Iterator[Item]:
    """Every record of a stored file, as if it were uploaded again."""
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            yield Item(number, orjson.loads(line))


def kept_items(dataset: Dataset) -> Iterator[Item]:
    """The stored records that may go into another version: nobody has taken them back."""
    gone = taken_back(dataset)
    return (item for item in stored_items(dataset.file) if item.line not in gone)


def _replaced(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), value)
    if isinstance(value, list):
        return [_replaced(part, values) for part in value]
    if isinstance(value, dict):
        # The description of tools is JSON text, and pictures are files: no place for free text.
        return {
            key: part if key in ("tools", COLUMN) else _replaced(part, values)
            for key, part in value.items()
        }
    return value


def open_download(*, dataset: Dataset, actor: User, request: HttpRequest | None = None) -> BinaryIO:
    """The file with its accepted records; who takes it with them is kept."""
    file = dataset.file.open("rb")
    after = {"records": dataset.records, "sha256": dataset.sha256}
    audit(actor=actor, action="dataset.download", target=dataset, after=after, request=request)
    return file


def delete_dataset(*, dataset: Dataset, actor: User, request: HttpRequest | None = None) -> None:
    """Row and file. InUse while a training job needs it."""
    try:
        with transaction.atomic():
            before = {"records": dataset.records, "sha256": dataset.sha256}
            audit(
                actor=actor,
                action="dataset.delete",
                target=dataset,
                before=before,
                request=request,
            )
            dataset.delete()
    except ProtectedError as error:
        users = sorted({str(row) for row in error.protected_objects})
        text = _("It cannot be deleted: it is used by %(names)s.")
        raise InUse(text % {"names": enumerated(users[:5])}) from error
