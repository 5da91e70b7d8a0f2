"""`python -m training.shim <workload id> <fence>`, or `… member <id>` beside the leader of a run on
several nodes; its lock is inherited from whoever starts it.
"""

import gc
import os
import sys

import django


def set_up() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "llmplatform.settings")
    os.environ["PLATFORM_PAGES"] = "off"
    django.setup()


def main(workload_id: str, fence: int) -> int:
    set_up()
    from training.models import Workload
    from training.shim.supervision import Supervision

    workload = Workload.objects.held(workload_id, fence).first()
    if workload is None:  # granted to another one meanwhile
        return 3
    # What is loaded by now stays; the collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    Supervision(workload, fence).run()
    return 0


def take_part(member_id: int) -> int:
    set_up()
    from training.models import Member
    from training.shim.membership import Membership

    member = Member.objects.select_related("node").filter(pk=member_id, has_ended=False).first()
    if member is None:
        return 3
    Membership(member).run()
    return 0


if __name__ == "__main__":
    if sys.argv[1] == "member":
        sys.exit(take_part(int(sys.argv[2])))
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
