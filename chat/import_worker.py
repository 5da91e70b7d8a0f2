"""`python -m chat.import_worker <id>`: one import, claimed by whoever starts it; then whatever else
waits."""

import os
import resource
import sys

import django

# A hostile file ends this process and nothing else.
MEMORY_BYTES = 4 * 1024**3


def main(pk: str) -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "llmplatform.settings")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    django.setup()
    from chat.importing import work
    from chat.models import ChatImport, ImportStatus

    rows = ChatImport.objects.select_related("owner")
    row = rows.filter(pk=pk, status=ImportStatus.RUNNING).first()
    if row is None:  # discarded meanwhile
        return 3
    work.run(row)
    work.look()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
