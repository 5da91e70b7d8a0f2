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
from providers.price_package import PACKAGE, PackageMissing
from providers.price_refresh import refresh_prices


class Command(BaseCommand):
    help = "Add prices of models: those of this release, or a newer list of litellm."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--litellm", type=Path, help="litellm's price list, a JSON file")
        parser.add_argument(
            "--package", action="store_true", help="the list of the installed package genai-prices"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["package"]:
            return self._refresh(options["verbosity"])
        path: Path | None = options["litellm"]
        try:
            file = read_seed() if path is None else self._read(path)
        except (OSError, ValueError) as error:
            raise CommandError(f"{path}: {error}") from error
        with transaction.atomic():
            count = import_prices(file, ModelPrice)
        if options["verbosity"]:
            self.stdout.write(f"{count} prices added, of {len(file.rows)} in the list.")

    def _refresh(self, verbosity: int) -> None:
        try:
            plan = refresh_prices(actor=None)
        except PackageMissing as error:
            raise CommandError(f"{PACKAGE} is not installed: pip install {PACKAGE}") from error
        if verbosity:
            counts = f"{len(plan.added)} added, {len(plan.changed)} changed"
            self.stdout.write(f"{counts}, {len(plan.kept)} of a person kept.")

    def _read(self, path: Path) -> Any:
        slugs = [preset.slug for preset in PRESETS]
        return read_litellm(path.read_bytes(), slugs=slugs, valid_from=timezone.localdate())
