"""`manage.py demo`: demo content, from nothing to a base model that is ready to be taught."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import Role, User
from llmplatform import demo
from training import nodes, scheduling
from training.reconcile import reconcile_node

WAIT_S = 600


class Command(BaseCommand):
    help = "Make demo content: a tiny base model, a dataset, prompts, a provider without a key."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--no-wait", action="store_true", help="don't wait for the base model")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(role=Role.ADMIN, is_active=True).order_by("pk").first()
        if user is None:
            raise CommandError(
                "There is no administrator yet. Start the platform once: make run, or make one: "
                "python manage.py createsuperuser"
            )
        demo.start_demo(user)
        if options["no_wait"]:
            return
        deadline = time.monotonic() + WAIT_S
        while (state := demo.demo_state(user))["state"] == "building":
            if time.monotonic() > deadline:
                raise CommandError(f"The base model was not built within {WAIT_S} s.")
            # Works beside a running platform and without one: whoever comes first does it.
            scheduling.grant_waiting()
            reconcile_node(nodes.beat())
            self.stdout.write(f"\rBuilding the base model … {state['percent']} %", ending="")
            self.stdout.flush()
            time.sleep(1)
        if state["state"] == "failed":
            raise CommandError(f"The base model could not be built: {state['error']}")
        self.stdout.write("\rThe demo content is ready.                ")
