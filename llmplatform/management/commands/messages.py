"""`manage.py messages`: collect texts to translate, check them, compile them."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from llmplatform.catalogs import catalogs, compile_catalog, merged, untranslated


class Command(BaseCommand):
    help = "Collect translatable texts into the catalogs and compile them (no GNU gettext needed)."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--app", help="only this app's catalog (llmplatform: the shared one)")
        parser.add_argument("--check", action="store_true", help="fail on missing or stale texts")
        parser.add_argument("--compile", action="store_true", help="only compile")

    def handle(self, *args: Any, **options: Any) -> None:
        root = settings.BASE_DIR
        chosen = [each for each in catalogs(root) if options["app"] in (None, each.name)]
        problems: list[str] = []
        for catalog in chosen:
            if not options["compile"]:
                wanted = merged(catalog, root)
                missing = untranslated(wanted)
                if options["check"]:
                    kept = catalog.po.read_text(encoding="utf-8") if catalog.po.exists() else ""
                    if len(wanted) and kept != str(wanted) + "\n":
                        problems.append(f"{catalog.name}: run manage.py messages")
                elif len(wanted):
                    catalog.po.parent.mkdir(parents=True, exist_ok=True)
                    catalog.po.write_text(str(wanted) + "\n", encoding="utf-8")
                problems += [f"{catalog.name}: not translated: {text!r}" for text in missing]
            compile_catalog(catalog)
        if options["check"] and problems:
            raise CommandError("\n".join(problems))
        if options["verbosity"]:
            self.stdout.write("\n".join(problems) or "Every text is translated.")
