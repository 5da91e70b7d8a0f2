"""What nobody needs any more: uploads that died, files without a document, replaced indexes."""

import shutil
import time
from pathlib import Path

from django.conf import settings

from knowledge import files
from knowledge.models import Document, Space, SpaceStatus, Vector

ROWS = 1000


def forget() -> None:
    for folder in files.abandoned():
        shutil.rmtree(folder, ignore_errors=True)
    _forget_files()
    for space in Space.objects.filter(status=SpaceStatus.RETIRED):
        from knowledge import indexing  # only now: a worker is smaller without it

        indexing.drop_on_server(space.pk)
        while pks := list(Vector.objects.filter(space=space).values_list("pk", flat=True)[:ROWS]):
            Vector.objects.filter(pk__in=pks).delete()
        space.delete()


def _forget_files() -> None:
    """Folders whose document is gone, and was not on its way into the database just now."""
    known = set(Document.objects.values_list("path", flat=True))
    before = time.time() - files.ABANDONED_S
    for folder in files.root().glob("*"):
        path = (folder / files.SOURCE).relative_to(Path(settings.MEDIA_ROOT)).as_posix()
        if folder.suffix != ".part" and path not in known and folder.stat().st_mtime < before:
            shutil.rmtree(folder, ignore_errors=True)
