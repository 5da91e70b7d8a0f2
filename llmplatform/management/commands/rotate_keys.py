"""`manage.py rotate_keys`: what is stored encrypted, under the first of FIELD_ENCRYPTION_KEYS."""

from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from llmplatform.encryption import KeyUnreadable
from llmplatform.rotation import Outcome, encrypted_fields, rotated


class Command(BaseCommand):
    help = "Encrypt stored secrets anew with the first of FIELD_ENCRYPTION_KEYS."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="only count, change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        total: Counter[Outcome] = Counter()
        for model, name in encrypted_fields():
            found = rotated(model, name, is_rehearsal=options["check"])
            total += found
            if options["verbosity"]:
                self.stdout.write(f"{model._meta.label}.{name}: {_counts(found)}")
        if total[Outcome.UNREADABLE]:
            raise CommandError(
                f"{total[Outcome.UNREADABLE]} values belong to a key that is not in "
                "FIELD_ENCRYPTION_KEYS. Put it back at the end of the list, or enter them anew."
            ) from KeyUnreadable()
        if options["check"] and total[Outcome.ROTATED]:
            raise CommandError(f"{total[Outcome.ROTATED]} values are under an older key.")
        if options["verbosity"]:
            self.stdout.write(f"Everything is under the first key: {_counts(total)}")


def _counts(found: Counter[Outcome]) -> str:
    return ", ".join(f"{found[outcome]} {outcome}" for outcome in Outcome)
