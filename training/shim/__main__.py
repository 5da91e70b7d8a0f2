"""`python -m training.shim <workload id> <fence>`, or `… member <id>` beside the leader of a run on
several nodes; its lock is inherited from whoever starts it.
"""

import os
import sys

import django
from django.conf import settings

# Pages, API and console are none of a shim's business, and would be half of its memory.
UNNEEDED = (
    *("unfold", "llmplatform.apps", "ninja", "channels", "csp", "django_htmx", "template_partials"),
    *("django.contrib.messages", "django.contrib.staticfiles"),
)


def set_up() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "llmplatform.settings")
    settings.INSTALLED_APPS = [
        app for app in settings.INSTALLED_APPS if not app.startswith(UNNEEDED)
    ]
    settings.ROOT_URLCONF = "training.shim.addresses"
    django.setup()


def main(workload_id: str, fence: int) -> int:
    set_up()
    from training.models import Workload
    from training.shim.supervision import Supervision

    workload = Workload.objects.held(workload_id, fence).first()
    if workload is None:  # granted to another one meanwhile
        return 3
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
