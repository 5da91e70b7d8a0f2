"""`manage.py prices`: fill or refresh the price table."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from providers.models import ModelPrice
from providers.presets import PRESETS
from providers.price_import import import_prices, read_litellm, read_seed


class Command(BaseCommand):
    help = "Add prices of models: those of this release, or a newer list of litellm."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--litellm", type=Path, help="litellm's price list, a JSON file")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path | None = options["litellm"]
        try:
            file = read_seed() if path is None else self._read(path)
        except (OSError, ValueError) as error:
            raise CommandError(f"{path}: {error}") from error
        with transaction.atomic():
            count = import_prices(file, ModelPrice)
        if options["verbosity"]:
            self.stdout.write(f"{count} prices added, of {len(file.rows)} in the list.")

    def _read(self, path: Path) -> Any:
        slugs = [preset.slug for preset in PRESETS]
        return read_litellm(path.read_bytes(), slugs=slugs, valid_from=timezone.localdate())
