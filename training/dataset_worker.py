"""`python -m training.dataset_worker <id>`: one piece of work on a dataset, claimed by whoever
starts it; then whatever else waits."""

import os
import sys

import django


def main(work_id: str) -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "llmplatform.settings")
    django.setup()
    from training import dataset_work
    from training.models import DatasetWork, WorkStatus

    rows = DatasetWork.objects.select_related("owner", "dataset", "upload", "draft")
    work = rows.filter(pk=work_id, status=WorkStatus.RUNNING).first()
    if work is None:  # cancelled meanwhile
        return 3
    dataset_work.run(work)
    from training import dispatch

    dispatch.look_at_datasets()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
