"""`python -m training.shim <workload id> <fence>`; its lock is inherited from whoever starts it."""

import os
import sys

import django


def main(workload_id: str, fence: int) -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "llmplatform.settings")
    django.setup()
    from training.models import Workload
    from training.shim.supervision import Supervision

    workload = Workload.objects.held(workload_id, fence).first()
    if workload is None:  # granted to another one meanwhile
        return 3
    Supervision(workload, fence).run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
