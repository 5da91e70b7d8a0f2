"""Zip containers (docx, xlsx), looked at before anything of them is unpacked."""

import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lxml import etree

from knowledge.reading.types import Unreadable

MAX_RATIO = 100
MAX_BYTES = 200 * 1024**2
MAX_MEMBERS = 10_000
ENCRYPTED = 1


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Raises Unreadable for one that is no document."""
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError) as error:
        raise Unreadable("broken") from error
    with archive:
        _check(archive, path.stat().st_size)
        yield archive


def _check(archive: zipfile.ZipFile, packed: int) -> None:
    members = archive.infolist()
    unpacked = sum(member.file_size for member in members)
    if len(members) > MAX_MEMBERS or unpacked > MAX_BYTES or unpacked > MAX_RATIO * packed:
        raise Unreadable("archive_bomb")
    for member in members:
        if stat.S_ISLNK(member.external_attr >> 16):
            raise Unreadable("archive_bomb")
        if member.flag_bits & ENCRYPTED:
            raise Unreadable("encrypted")


def xml(archive: zipfile.ZipFile, name: str) -> etree._Element | None:
    """The root of a part; None where there is no such part. Raises Unreadable."""
    try:
        content = archive.read(name)
    except KeyError:
        return None
    except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError, ValueError) as error:
        raise Unreadable("broken") from error
    # Office documents have no DTD; one that has wants an entity to be fetched or multiplied.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise Unreadable("broken") from error
    if root.getroottree().docinfo.doctype:
        raise Unreadable("broken")
    return root
