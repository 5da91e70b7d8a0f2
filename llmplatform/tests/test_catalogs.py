"""Collecting texts to translate, merging them, compiling them: what GNU gettext would do."""

import gettext
import os
from pathlib import Path
from typing import Any

import polib
import pytest
from django.core.management import CommandError, call_command

from llmplatform.catalogs import (
    Catalog,
    NotLiteral,
    Text,
    catalogs,
    collect,
    compile_catalog,
    merged,
    python_texts,
    template_texts,
    untranslated,
)

TEMPLATE = """
{% translate "Plain" %}{% translate 'Single' as x %}{% translate variable %}
{% translate "May" context "month" %}
{% blocktranslate with name=user.name %}Hello {{ name }}, 100% sure{% endblocktranslate %}
{% blocktranslate count n=n trimmed %}
  One thing
{% plural %}
  {{ n }} things
{% endblocktranslate %}
{{ _("In a variable") }}{% if a == _("In a tag") %}{% endif %}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "views.py").write_text(
        'from x import gettext as _, ngettext, pgettext\n_("Saved")\n'
        'ngettext("%(n)d thing", "%(n)d things", n)\npgettext("verb", "Open")\n'
    )
    (tmp_path / "prompts" / "tests").mkdir()
    (tmp_path / "prompts" / "tests" / "test_x.py").write_text('_("Not this")')
    (tmp_path / "templates" / "prompts").mkdir(parents=True)
    (tmp_path / "templates" / "prompts" / "a.html").write_text('{% translate "Saved" %}')
    (tmp_path / "llmplatform").mkdir()
    return tmp_path


def _prompts(root: Path) -> Catalog:
    return next(catalog for catalog in catalogs(root) if catalog.name == "prompts")


def test_python_calls_are_found() -> None:
    source = (
        '_("a")\nmodels.gettext_lazy("b")\nngettext("c", "cs", n)\npgettext("ctx", "d")\n'
        "_()\nother('e')"
    )
    assert list(python_texts(source, "x.py")) == [
        Text("a"),
        Text("b"),
        Text("c", plural="cs"),
        Text("d", context="ctx"),
    ]


@pytest.mark.parametrize("source", ['_(f"a {b}")', "_(name)", '_("a" + b)', '_("a" % b)'])
def test_a_computed_text_is_an_error(source: str) -> None:
    with pytest.raises(NotLiteral, match=r"x\.py:1"):
        list(python_texts(source, "x.py"))


def test_template_tags_are_found() -> None:
    assert list(template_texts(TEMPLATE)) == [
        Text("Plain"),
        Text("Single"),
        Text("May", context="month"),
        Text("Hello %(name)s, 100%% sure"),
        Text("One thing", plural="%(n)s things"),
        Text("In a variable"),
        Text("In a tag"),
    ]


def test_a_text_is_collected_once_with_its_places(project: Path) -> None:
    found = collect(_prompts(project), project)
    assert found[Text("Saved")] == {"prompts/views.py", "templates/prompts/a.html"}
    assert Text("Not this") not in found


def test_merging_keeps_translations_and_drops_what_is_gone(project: Path) -> None:
    catalog = _prompts(project)
    assert len(untranslated(merged(catalog, project))) == 3
    old = polib.POFile()
    old.append(polib.POEntry(msgid="Saved", msgstr="已保存"))
    old.append(polib.POEntry(msgid="Gone", msgstr="没了"))
    old.append(
        polib.POEntry(
            msgid="%(n)d thing", msgid_plural="%(n)d things", msgstr_plural={0: "%(n)d 个"}
        )
    )
    catalog.po.parent.mkdir(parents=True)
    old.save(str(catalog.po))
    found = {entry.msgid: entry for entry in merged(catalog, project)}
    assert found["Saved"].msgstr == "已保存"
    assert found["%(n)d thing"].msgstr_plural == {0: "%(n)d 个"}
    assert "Gone" not in found
    assert untranslated(merged(catalog, project)) == ["Open"]


def test_compiling_happens_when_it_is_due(project: Path) -> None:
    catalog = _prompts(project)
    assert compile_catalog(catalog) is False
    catalog.po.parent.mkdir(parents=True)
    wanted = merged(catalog, project)
    for entry in wanted:
        entry.msgstr = "已保存" if entry.msgid == "Saved" else ""
    catalog.po.write_text(str(wanted), encoding="utf-8")
    assert compile_catalog(catalog) is True
    assert compile_catalog(catalog) is False
    os.utime(catalog.po, (2**31, 2**31))
    assert compile_catalog(catalog) is True
    with catalog.po.with_suffix(".mo").open("rb") as file:
        assert gettext.GNUTranslations(file).gettext("Saved") == "已保存"


def test_the_command_collects_checks_and_compiles(
    project: Path, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.BASE_DIR = project
    with pytest.raises(CommandError, match=r"prompts: run manage\.py messages"):
        call_command("messages", app="prompts", check=True)
    call_command("messages", app="prompts")
    assert "prompts: not translated: 'Open'" in capsys.readouterr().out
    po = polib.pofile(str(_prompts(project).po), wrapwidth=100)
    for entry in po:
        entry.msgstr = "" if entry.msgid_plural else "译文"
        entry.msgstr_plural = {0: "译文"} if entry.msgid_plural else {}
    po.save()
    call_command("messages", app="prompts")
    call_command("messages", app="prompts", check=True)
    assert "Every text is translated." in capsys.readouterr().out
    call_command("messages", app="prompts", compile=True, verbosity=0)
