"""Both languages are complete: no text without a translation, none that lost its place."""

import re
from functools import cache

import polib
import pytest
from django.conf import settings

from llmplatform.catalogs import Catalog, catalogs, merged, untranslated

# Reads the sources, whatever the database is; in one process, which parses each of them once.
pytestmark = [pytest.mark.sources, pytest.mark.xdist_group("sources")]

PLACE = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\w*\}")
CATALOGS = catalogs(settings.BASE_DIR)


def _name(catalog: Catalog) -> str:
    return catalog.name


@cache
def _wanted(name: str) -> polib.POFile:
    """Raises NotLiteral where a translation call holds a computed text."""
    catalog = next(each for each in CATALOGS if each.name == name)
    return merged(catalog, settings.BASE_DIR)


@pytest.mark.parametrize("catalog", CATALOGS, ids=_name)
def test_every_text_is_collected_and_translated(catalog: Catalog) -> None:
    wanted = _wanted(catalog.name)
    assert untranslated(wanted) == [], f"translate them in {catalog.po}"
    if len(wanted):
        kept = catalog.po.read_text(encoding="utf-8")
        advice = f"run: manage.py messages --app {catalog.name}"
        assert kept == str(wanted) + "\n", advice


@pytest.mark.parametrize("catalog", CATALOGS, ids=_name)
def test_translations_keep_their_places(catalog: Catalog) -> None:
    """`%(name)s` of the English text is in the Chinese one, or formatting it would fail."""
    for entry in _wanted(catalog.name):
        original = entry.msgid_plural or entry.msgid
        for text in filter(None, [entry.msgstr, *entry.msgstr_plural.values()]):
            assert set(PLACE.findall(text)) == set(PLACE.findall(original)), entry.msgid


def test_one_text_has_one_translation() -> None:
    """All catalogs are merged at run time: the last one would win everywhere."""
    seen: dict[tuple[str, str], dict[str, str]] = {}
    for catalog in CATALOGS:
        for entry in polib.pofile(str(catalog.po)) if catalog.po.exists() else []:
            key = (entry.msgctxt or "", entry.msgid)
            text = entry.msgstr or str(entry.msgstr_plural)
            seen.setdefault(key, {})[catalog.name] = text
    differing = {key[1]: found for key, found in seen.items() if len(set(found.values())) > 1}
    assert differing == {}
