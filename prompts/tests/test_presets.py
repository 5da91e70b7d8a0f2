"""The platform's own prompts: complete, in both languages, and respectful of what people did."""

from collections.abc import Callable
from dataclasses import replace
from unittest.mock import patch

import pytest
from django.apps import apps
from django.core.management import call_command
from django.test import Client, override_settings

from accounts.models import User
from prompts import presets, services
from prompts.cleaning import cleaned
from prompts.models import Prompt
from prompts.presets import LANGUAGES, seed
from prompts.variables import fill, variables_of

ALL = presets.presets()


def _example(slug: str, language: str = "en") -> Prompt:
    return Prompt.objects.get(preset=slug, language=language)


def test_each_is_there_in_both_languages() -> None:
    slugs = {preset.slug for preset in ALL}
    assert len(slugs) >= 20
    assert {(preset.slug, preset.language) for preset in ALL} == {
        (slug, language) for slug in slugs for language in LANGUAGES
    }
    for language in LANGUAGES:
        titles = [preset.title for preset in ALL if preset.language == language]
        assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("preset", ALL, ids=lambda preset: f"{preset.slug}-{preset.language}")
def test_each_could_have_been_written_by_hand_and_renders(preset: presets.Preset) -> None:
    said = {"title": preset.title, "description": preset.description, "tags": preset.tags}
    kept = cleaned({**said, "text": preset.text, "variables": preset.specs})
    assert (kept["text"], kept["variables"]) == (preset.text, list(preset.specs))
    needed = [v for v in variables_of(preset.text, preset.specs) if v.required and not v.default]
    text = fill(preset.text, preset.specs, {v.name: "EXAMPLE" for v in needed if not v.choices})
    assert "EXAMPLE" in text and "{{" not in text
    assert all(variable.name in preset.text for variable in needed)


def test_they_are_put_in_once(db: None) -> None:
    assert seed(apps) == len(ALL)
    assert seed(apps) == 0
    assert Prompt.objects.count() == len(ALL)
    prompt = _example("translate")
    assert prompt.owner is None and prompt.versions.get().text == prompt.text
    assert "translation" in prompt.tags


@override_settings(PROMPT_PRESETS=True)
@pytest.mark.django_db(transaction=True)
def test_migrate_puts_them_in() -> None:
    call_command("migrate", verbosity=0)
    assert Prompt.objects.filter(preset="sql").count() == 2


def test_what_people_edited_or_deleted_stays_so(admin_user: User) -> None:
    seed(apps)
    edited, deleted, untouched = (_example(slug) for slug in ("sql", "sop", "clarity"))
    services.change_prompt(prompt=edited, actor=admin_user, text="Ours: {{question}}")
    services.delete_prompt(prompt=deleted, actor=admin_user)
    newer = tuple(replace(preset, text=preset.text + "\nNewer.") for preset in ALL)
    with patch.object(presets, "presets", lambda: newer):
        assert seed(apps) == len(ALL) - 2
        assert seed(apps) == 0
    edited.refresh_from_db()
    untouched.refresh_from_db()
    assert (edited.text, edited.number) == ("Ours: {{question}}", 2)
    assert not Prompt.objects.filter(preset="sop", language="en").exists()
    assert untouched.number == 2 and untouched.text.endswith("Newer.")
    assert [version.number for version in untouched.versions.all()] == [2, 1]


@pytest.mark.parametrize(
    ("language", "seen", "hidden"),
    [("en", "Code review", "代码审查"), ("zh-hans", "代码审查", "Code review")],
)
def test_readers_see_those_of_their_language(
    alice: User, client_for: Callable[[User], Client], language: str, seen: str, hidden: str
) -> None:
    seed(apps)
    client = client_for(alice)
    client.cookies["django_language"] = language
    for path in ("/prompts/?order=title", "/prompts/picker/"):
        for words in (seen, hidden):
            sign = "&" if "?" in path else "?"
            page = client.get(f"{path}{sign}q={words}").content.decode()
            assert (f">{words}<" in page) == (words == seen)
    twin = _example("code-review", language)
    assert f">{'中文' if language == 'en' else 'English'}</a>" in (
        client.get(f"/prompts/{twin.pk}/").content.decode()
    )


def test_an_unchanged_form_makes_no_version(
    admin_user: User, client_for: Callable[[User], Client]
) -> None:
    """What the files say has the form in which the page writes it."""
    seed(apps)
    client = client_for(admin_user)
    for prompt in Prompt.objects.exclude(preset=""):
        page = client.get(f"/prompts/{prompt.pk}/edit/")
        form, rows = page.context["form"], page.context["rows"]
        fields = [field for each in (form, *rows) for field in each]
        sent = {
            field.html_name: field.value()
            for field in fields
            if field.value() is not None and field.value() is not False
        }
        client.post(f"/prompts/{prompt.pk}/edit/", {**sent, "tags": "kept"})
        prompt.refresh_from_db()
        assert (prompt.tags, prompt.number) == (["kept"], 1), prompt.title
