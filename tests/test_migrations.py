"""The migrations say what the models say, and every app starts from one of its own."""

from io import StringIO

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.models import CharField

from tests.sources import APPS


def test_no_migration_is_missing(db: None) -> None:
    shown = StringIO()
    try:
        call_command("makemigrations", check=True, dry_run=True, stdout=shown)
    except SystemExit:
        pytest.fail("run manage.py makemigrations:\n" + shown.getvalue())


def test_no_app_has_two_leaves(db: None) -> None:
    assert MigrationLoader(connection).detect_conflicts() == {}


@pytest.mark.parametrize("app", APPS)
def test_indexed_text_fits_every_database(app: str) -> None:
    """MariaDB cannot index text longer than 255 characters of four bytes with its defaults."""
    for model in apps.get_app_config(app).get_models():
        for field in model._meta.local_fields:
            # The type stubs know no db_index.
            is_indexed = field.unique or getattr(field, "db_index", False)
            is_text = isinstance(field, CharField) and field.max_length
            if is_indexed and is_text:
                assert int(field.max_length or 0) <= 255, f"{model._meta.label}.{field.name}"
